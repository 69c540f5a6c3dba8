/**
 * The simulator: one recording under one set of settings, on one thread, in virtual time.
 *
 * It is a Go heap (hollow.ts) with its Ps and collectors, and a program (program.ts) that does what the event stream says. Where the allocator asks for
 * attention (a refill crossed the trigger, or a mark is on) the collector is served, exactly where a P of the live heap would serve it. Between two
 * such points the other Ps get the time that has passed (`behind`). A P that the program never leaves is taken from it every 10 ms, as Go's sysmon does.
 *
 *      stream ──▶ Program.run ──▶ hollowSmall, hollowTiny, hollowLarge ──▶ mcache ──▶ mcentral ──▶ mheap
 *                  │                        │ attention
 *                  │ tick                   ▼
 *                  ▼                  Collector.service: begin, assist, end        other Ps, Collector.idle: mark, sweep, scavenge
 *           timeline, where, peak
 *
 * Deterministic: no wall clock, no randomness but the seed's, sums in a fixed order. `run` may be called with chunk after chunk while the recording
 * is still being parsed; `finish` (finish.ts) makes the result.
 */

import { Collector, type World } from '../../gc/collector.js';
import { gcCycle } from '../../gc/cycle.js';
import { gctraceLine } from '../../gc/gctrace.js';
import { initLimiter, updateLimiter } from '../../gc/limits.js';
import { C_GLOBALS_SCAN, C_LAST_STACK_SCAN, C_MAX_STACK_SCAN, type Pacer } from '../../gc/pacer.js';
import { configure } from '../../gc/pacing.js';
import { cycleRecords } from '../../gc/record.js';
import { CYCLE_AT, pacerOf, Why, Y_LAST_GC_NS, Y_PAUSE_CPU_NS } from '../../gc/state.js';
import {
  G_RUNTIME_SYS,
  GcPhase,
  H_CYCLES,
  H_GC_PHASE,
  H_LIMITED,
  H_NUM_GC,
  H_PAGES_FREE,
  H_PAGES_INUSE,
  H_PAGES_RELEASED,
  H_PEAK_STRUCTS,
  Heap,
  T_ASSIST_NS,
  T_DEDICATED_NS,
  T_FRACTIONAL_NS,
  T_WAIT_NS,
} from '../../heap/heap.js';
import { releaseAll } from '../../heap/mcache.js';
import { mappedReady, sumStat } from '../../heap/memstats.js';
import { PAGE_SIZE } from '../../heap/sizeclass.js';
import { KIND_SHIFT, Kind, OPERAND_MASK } from '../events.js';
import type { CycleRow, Sample, Where } from '../result.js';
import type { SimSettings } from '../settings.js';
import { Clock } from './clock.js';
import { EMPTY } from './objects.js';
import { Program } from './program.js';
import { ClassPeak } from './requests.js';
import { TimelineBuilder } from './timeline.js';
import { heapAlloc, sampleNow } from './totals.js';
import { whereNow } from './where.js';

/** Virtual ns after which sysmon takes the P away from a goroutine that does not yield. */
const PREEMPT_NS = 10e6;
/** Virtual ns that another P marks at a stretch, and time that it can save up while it has nothing to do: none. */
const SLICE_NS = 20e3;
/** A fractional worker looks at the time when it has scanned 100 KB. */
const FRACTIONAL_NS = 50e3;
/** Of what the runtime scans besides the heap: stacks, in bytes; the rest is globals. */
const STACK_SCAN = 14_000;
/** Go collects if nothing else made it for two minutes. */
const FORCE_NS = 120e9;
/** Cycles that a result tells one by one. */
export const MAX_ROWS = 10_000;
/** Bytes of a span's bits, of a span set, and how many span classes a program has used when it starts: all on average. */
const SPAN_BITS = 64;
const SPAN_SET = 6208;
const START_CLASSES = 35;
/** HeapInuse has to pass its last peak by this before everything is looked at again. */
const PEAK_STEP = 1.02;

/** What is known of a recording before it is simulated; null while it is still being parsed. */
export interface Extent {
  readonly events: number | null;
  readonly slots: number | null;
}

/** A moment and where memory went at it. */
export interface Moment {
  event: number;
  ns: number;
  where: Where;
}

export class Simulator {
  readonly h: Heap;
  readonly settings: SimSettings;
  readonly program: Program;
  readonly timeline = new TimelineBuilder();
  readonly classes = new ClassPeak();
  readonly rows: CycleRow[] = [];
  readonly lines: string[] = [];
  readonly samples: Sample[] = [];
  /** Called at every tick: to tell how far it is, or to end it by throwing. */
  onTick: (() => void) | null = null;
  /** NumGC before the recording began. */
  readonly firstCycle: number = 0;
  peak: Moment | null = null;
  /** Time over the memory limit, the most that it was passed by, cycles in which the CPU limiter was on. */
  over = { ns: 0, bytes: 0, cycles: 0 };
  /** Greatest values seen at ticks; of pauses, ever. Bytes and seconds. */
  readonly greatest = { inuse: 0, retained: 0, live: 0, released: 0, pause: 0 };
  private readonly clock: Clock;
  private readonly pacer: Pacer;
  private readonly collectors: Collector[];
  private readonly extent: Extent;
  private readonly until: number;
  private readonly sampled: number;
  private nextTick: number;
  private nextSample: number;
  private preemptAt: number;
  private behindAt = 0;
  private readonly budget: Float64Array;
  private lookedAt = 0;
  private peakInuse = 0;
  /** Events before the window: of them only what is live is kept. */
  private skipping: boolean;
  private skipped = 0;
  private skippedHigh = 0;

  /** `whole`: of the run that this one is the beginning of, whose samples fall at the same events. */
  constructor(settings: SimSettings, extent: Extent, whole: SimSettings = settings) {
    this.settings = settings;
    this.extent = extent;
    this.preemptAt = PREEMPT_NS - (settings.phase % PREEMPT_NS);
    this.sampled = whole.to === null ? Number.POSITIVE_INFINITY : whole.to - whole.from;
    const { reserve, arenaSize, gomaxprocs: procs } = settings;
    const h = Heap.create({ reserve, arenaSize, procs, hollow: true });
    this.h = h;
    this.pacer = pacerOf(h);
    h.now = () => 0;
    h.unix = () => 0;
    this.budget = new Float64Array(procs);
    this.until = settings.to === null ? Number.POSITIVE_INFINITY : settings.to - settings.from;
    const stw = settings.clock === 'stw';
    const world: World = { stop: () => this.clock.pause(), start: () => {}, wake: () => {} };
    const options = {
      stopTheWorld: stw ? 1 : 0,
      idleSlice: SLICE_NS,
      fractionalSlice: FRACTIONAL_NS,
      onCycle: () => this.cycleEnded(),
    };
    this.collectors = h.ps.map((p) => new Collector(h, p, world, options));
    this.program = new Program(h, settings, () => this.service());
    this.clock = new Clock(h, this.program.work, settings.costs, settings.timeBase, stw);
    this.runtime();
    configure(h, settings.gogc, settings.memoryLimit ?? Number.POSITIVE_INFINITY);
    if (extent.slots !== null && extent.slots > 0) this.program.objects.grow(extent.slots - 1);
    this.program.prepare(settings.rootsTable === 'exact' ? (extent.slots ?? 0) : 0);
    if (this.program.held.requested > 0) {
      // What Go does before its program's first instruction is over: the pacer has a live heap to start from.
      gcCycle(h, h.ps[0]);
      gcCycle(h, h.ps[0]);
    }
    this.firstCycle = h.scalar(H_NUM_GC);
    this.clock.reset();
    h.now = () => this.clock.now();
    h.unix = () => this.clock.now() / 1e6;
    initLimiter(h);
    this.skipping = settings.from > 0;
    this.nextTick = this.timeline.tick;
    this.nextSample = this.sampleAt(1);
  }

  /** Go's own memory beside the heap, which the pacer counts. */
  private runtime(): void {
    const { h, settings } = this;
    const { f, at } = pacerOf(h);
    const stack = Math.min(settings.runtimeScan, STACK_SCAN);
    f[at + C_GLOBALS_SCAN] = settings.runtimeScan - stack;
    f[at + C_MAX_STACK_SCAN] = stack;
    if (f[at + C_LAST_STACK_SCAN] === 0) f[at + C_LAST_STACK_SCAN] = stack;
    if (settings.runtimeSys === 0) return;
    // Mark and allocation bits of spans; blocks and spines of the mcentrals' span sets, more of them once sweeping has begun.
    const { count } = this.program.requests;
    let used = 0;
    for (let spc = 0; spc < count.length; spc++) if (count[spc] > 0) used++;
    const sets = h.scalar(H_NUM_GC) > this.firstCycle ? 4 : 2;
    const bits = h.scalar(H_PEAK_STRUCTS) * SPAN_BITS;
    const spanSets = Math.max(0, used - START_CLASSES) * SPAN_SET * sets;
    f[h.gcStats + G_RUNTIME_SYS] = settings.runtimeSys + bits + spanSets;
  }

  /** Virtual ns so far. */
  get now(): number {
    return this.clock.now();
  }

  get events(): number {
    return this.program.work.events;
  }

  /** ns of CPU that collecting took so far, idle workers not counted. */
  get gcNs(): number {
    const { h } = this;
    const busy = sumStat(h, T_ASSIST_NS) + sumStat(h, T_DEDICATED_NS) + sumStat(h, T_FRACTIONAL_NS);
    return busy + h.f[h.pacer + CYCLE_AT + Y_PAUSE_CPU_NS];
  }

  /** Simulates a chunk of the stream. False when there is no point in another: the window has ended, or the heap is full. */
  run(words: Int32Array, records: number): boolean {
    const end = records * 2;
    const { program } = this;
    let i = this.skipping ? this.skip(words, end) : 0;
    while (i < end && program.exhausted === null && this.events < this.until) {
      i = program.run(words, i, end, Math.min(this.nextTick, this.nextSample, this.until));
      if (program.collects) this.collect();
      if (this.events >= this.nextTick) this.tick();
      if (this.events >= this.nextSample) this.sample();
    }
    return program.exhausted === null && this.events < this.until;
  }

  /** The recording begins again. */
  again(): void {
    this.program.forget();
  }

  /** The collector of the program's P asks for attention, as a refill found. */
  private service(): void {
    const { h, program } = this;
    const marking = h.m[h.mheap + H_GC_PHASE] === GcPhase.mark;
    if (marking) this.behind();
    this.collectors[program.p.id].service();
    program.cycles = h.m[h.mheap + H_CYCLES];
    if (!marking && h.m[h.mheap + H_GC_PHASE] === GcPhase.mark) this.clock.cycle();
  }

  /** The other Ps do what they can in the time that has passed. */
  private behind(): void {
    const { h, clock, budget } = this;
    const passed = clock.now() - this.behindAt;
    if (passed <= 0) return;
    for (const p of h.ps) {
      if (p === this.program.p) continue;
      budget[p.id] = Math.min(budget[p.id], 0) + passed;
      while (budget[p.id] > 0) {
        clock.begin();
        const wait = this.collectors[p.id].idle();
        const took = clock.end();
        if (took <= 0 && wait > 0) {
          h.f[p.stats + T_WAIT_NS] += budget[p.id];
          break;
        }
        // Whatever was done for nothing still took a moment.
        budget[p.id] -= Math.max(took, 50);
      }
    }
    this.behindAt = clock.now();
  }

  /** What happens to a program now and then: other Ps catch up, its own P is taken from it, and somebody looks. */
  private tick(): void {
    const { h, clock, program } = this;
    const now = clock.now();
    if (h.ps.length > 1) this.behind();
    if (now >= this.preemptAt) {
      const collector = this.collectors[program.p.id];
      collector.share();
      collector.between();
      this.preemptAt = clock.now() + PREEMPT_NS;
      const last = h.f[h.pacer + CYCLE_AT + Y_LAST_GC_NS];
      if (this.settings.gogc >= 0 && clock.now() - last > FORCE_NS && h.m[h.mheap + H_GC_PHASE] === GcPhase.off) {
        collector.begin(Why.periodic);
      }
      updateLimiter(h);
      program.cycles = h.m[h.mheap + H_CYCLES];
    }
    this.look();
    this.onTick?.();
    this.nextTick = this.events + this.timeline.tick;
  }

  /** Takes sizes down. `last`: whatever the interval's length, it ends here. */
  look(last = false): void {
    const { h, greatest, program, timeline } = this;
    const ns = this.clock.now();
    const inuse = h.scalar(H_PAGES_INUSE) * PAGE_SIZE;
    const released = h.scalar(H_PAGES_RELEASED) * PAGE_SIZE;
    const retained = inuse + h.scalar(H_PAGES_FREE) * PAGE_SIZE;
    const live = program.held.requested;
    if (inuse > greatest.inuse) greatest.inuse = inuse;
    if (retained > greatest.retained) greatest.retained = retained;
    if (released > greatest.released) greatest.released = released;
    if (live > greatest.live) greatest.live = live;
    const limit = this.settings.memoryLimit;
    if (limit !== null) {
      const over = mappedReady(h) - limit;
      if (over > 0) {
        this.over.ns += ns - this.lookedAt;
        if (over > this.over.bytes) this.over.bytes = over;
      }
    }
    this.lookedAt = ns;
    const rises = inuse >= this.peakInuse * PEAK_STEP && inuse > 0;
    const where = rises || last || timeline.closes() ? whereNow(h, program.held) : null;
    if (rises) {
      this.runtime();
      this.peakInuse = inuse;
      this.peak = { event: this.events, ns, where: where as Where };
      this.classes.take(h, program.requests);
    }
    timeline.add(
      {
        event: this.events,
        ns,
        live,
        heapAlloc: heapAlloc(h),
        inuse,
        retained,
        sys: retained + released,
        goal: Math.min(this.pacer.heapGoal(), Number.MAX_SAFE_INTEGER),
        cycles: h.scalar(H_NUM_GC) - this.firstCycle,
        gcNs: this.gcNs,
      },
      last || timeline.closes() ? where : null,
    );
  }

  /** The event at which the n-th sample is due; Infinity if none is. */
  private sampleAt(n: number): number {
    const { forcedGCs, readMemStats, loops } = this.settings;
    const samples = forcedGCs || readMemStats;
    const { events } = this.extent;
    if (samples === 0 || events === null || n > samples) return Number.POSITIVE_INFINITY;
    return Math.floor((n * Math.min(events * loops - this.settings.from, this.sampled)) / samples);
  }

  /** The program called runtime.GC. */
  private collect(): void {
    const { h, program } = this;
    program.collects = false;
    this.collectors[program.p.id].collect(Why.forced);
    program.cycles = h.m[h.mheap + H_CYCLES];
  }

  private sample(): void {
    const { h } = this;
    if (this.settings.forcedGCs > 0) this.collect();
    for (const p of h.ps) releaseAll(h, p);
    this.samples.push(sampleNow(h, this.events));
    this.nextSample = this.sampleAt(this.samples.length + 1);
  }

  private cycleEnded(): void {
    const { h, rows, lines } = this;
    const [record] = cycleRecords(h, 1);
    this.runtime();
    const number = record.number - this.firstCycle;
    const { pauses, heap, cpu } = record;
    const pause = pauses.sweepTermination + pauses.markTermination;
    if (pause > this.greatest.pause) this.greatest.pause = pause;
    if (h.m[h.mheap + H_LIMITED] !== 0) this.over.cycles++;
    rows.push({
      number,
      event: this.events,
      seconds: record.at,
      forced: record.forced,
      start: heap.start,
      end: heap.end,
      marked: heap.marked,
      goal: heap.goal,
      trigger: heap.trigger,
      pause,
      mark: record.markSeconds,
      assist: cpu.assist,
    });
    lines.push(gctraceLine({ ...record, number }));
    if (rows.length === 2 * MAX_ROWS) {
      rows.splice(0, MAX_ROWS);
      lines.splice(0, MAX_ROWS);
    }
  }

  /** Events before the window: notes what stands in each slot. Returns where the window begins in the chunk. */
  private skip(words: Int32Array, end: number): number {
    const { objects } = this.program;
    for (let i = 0; i < end; i += 2) {
      const kind = words[i] >>> KIND_SHIFT;
      const slot = words[i] & OPERAND_MASK;
      if (kind === Kind.high) this.skippedHigh = slot;
      else if (kind === Kind.skip) this.skipped += slot;
      if (kind > Kind.free) continue;
      if (this.skipped >= this.settings.from) {
        this.enter();
        return this.skippedHigh === 0 ? i : i - 2;
      }
      this.skipped++;
      objects.grow(slot);
      if (kind === Kind.free) objects.bits[slot] = EMPTY;
      else {
        objects.setSize(slot, (words[i + 1] >>> 0) + this.skippedHigh * 2 ** 32);
        // Until the window begins, `bits` says which kind of allocation it was.
        if (kind !== Kind.realloc || objects.bits[slot] === EMPTY) objects.bits[slot] = kind;
        this.skippedHigh = 0;
      }
    }
    return end;
  }

  /** The window begins: what is live is allocated, in the order of its slots, as events that nobody counts. */
  private enter(): void {
    const { program } = this;
    const { objects, work } = program;
    this.skipping = false;
    const live: number[] = [];
    for (let slot = 0; slot < objects.bits.length; slot++) {
      const kind = objects.bits[slot];
      if (kind === EMPTY) continue;
      const size = objects.sizeOf(slot);
      objects.bits[slot] = EMPTY;
      if (size >= 2 ** 32) live.push((Kind.high << KIND_SHIFT) | Math.floor(size / 2 ** 32), 0);
      live.push((kind << KIND_SHIFT) | slot, size | 0);
    }
    program.run(Int32Array.from(live), 0, live.length, Number.POSITIVE_INFINITY);
    work.events = 0;
  }
}
