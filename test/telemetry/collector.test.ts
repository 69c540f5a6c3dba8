/** What the pages say of the collector, on heaps that collect: in the midst of a mark, between cycles, at rest. */

import { describe, expect, it } from 'vitest';
import { storePointer } from '../../src/gc/barrier.js';
import { Collector } from '../../src/gc/collector.js';
import { memStats } from '../../src/gc/memstats.js';
import { configure } from '../../src/gc/pacing.js';
import { cycleRecords } from '../../src/gc/record.js';
import { Why } from '../../src/gc/state.js';
import { check } from '../../src/heap/check.js';
import { dropRoot } from '../../src/heap/free.js';
import {
  addressOf,
  GcPhase,
  H_ABANDONED,
  H_GC_PHASE,
  H_HEAP_MARKED,
  H_LIMITED,
  H_NUM_GC,
  H_RECLAIMED_PAGES,
  H_SWEEP_DONE,
  H_TRIGGER,
  type Heap,
  type P,
} from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { scavengeAll } from '../../src/heap/scavenge.js';
import { PAGE_SIZE } from '../../src/heap/sizeclass.js';
import { heapJson, heapText } from '../../src/telemetry/table.js';
import { counters, MIB, newHeap, type ParsedFamily, parse, scraped, sum } from './support.js';

type Page = Map<string, ParsedFamily>;
const page = (h: Heap, which: 'go' | 'spans'): Page => parse(heapText(which, scraped(h)));
const ns = (seconds: number): number => Math.round(seconds * 1e9);

/** A program on a clock on which every look costs a microsecond: on all Ps in turn, it keeps a window of linked objects. */
class Program {
  readonly h: Heap;
  private readonly kept: { word: number; sub: number }[] = [];
  private readonly gcs: Collector[];
  private i = 0;
  private working = false;

  constructor(procs: number) {
    this.h = newHeap(procs, 512 * MIB);
    let now = 1e6;
    this.h.now = () => {
      // So dear to those who mark that a slice ends long before the mark does.
      now += this.working && this.marking ? 500_000 : 1000;
      return now;
    };
    this.gcs = this.h.ps.map((p) => new Collector(this.h, p));
  }

  private alloc(p: P): void {
    const size = [8, 24, 64, 200, 600, 3000, 9000, 40_000][this.i % 8];
    const word = this.i % 3 === 0 ? mallocNoscan(this.h, p, size) : mallocScan(this.h, p, size);
    const { sub } = p;
    const last = this.kept[this.kept.length - 1];
    if (this.i % 3 !== 0 && last !== undefined) {
      const to = addressOf(last.word);
      storePointer(this.h, p, word, to | 0, Math.floor(to / 2 ** 32));
      if (this.i % 7 === 0) storePointer(this.h, p, word, 0, 0);
    }
    this.kept.push({ word, sub: this.i % 3 === 0 ? sub : 0 });
    if (this.kept.length > 800) {
      const old = this.kept.shift() as { word: number; sub: number };
      dropRoot(this.h, p, old.word, old.sub);
    }
  }

  /** Some steps; what the scheduler does around an operation included. */
  run(steps: number): void {
    this.working = true;
    for (let n = 0; n < steps; n++) {
      const id = this.i++ % this.gcs.length;
      const p = this.h.ps[id];
      if (p.attention) this.gcs[id].service();
      this.alloc(p);
      this.gcs[id].share();
      if (this.i % 16 === 0) this.gcs[id].between();
    }
    this.working = false;
  }

  runUntil(done: () => boolean): void {
    for (let n = 0; n < 1_000_000 && !done(); n++) this.run(1);
    expect(done()).toBe(true);
  }

  get marking(): boolean {
    return this.h.scalar(H_GC_PHASE) === GcPhase.mark;
  }

  collect(): void {
    this.gcs[0].collect(Why.forced);
  }
}

const LEAVES = ['gc_mark_assist', 'gc_mark_dedicated', 'gc_mark_idle', 'gc_pause'];
const SCAVENGE = ['scavenge_assist', 'scavenge_background'];

function expectCollector(h: Heap): void {
  const go = page(h, 'go');
  const spans = page(h, 'spans');
  const mem = memStats(h);
  const g = (name: string): number => sum(go, `go_${name}`);
  const own = (name: string, labels: Record<string, string> = {}): number => sum(spans, `goheap_${name}`, labels);
  const cpu = (name: string): number => ns(g(`cpu_classes_${name}_cpu_seconds_total`));
  const add = (names: string[]): number => names.reduce((n, name) => n + cpu(name), 0);

  expect(add(LEAVES)).toBe(cpu('gc_total'));
  expect(add(SCAVENGE)).toBe(cpu('scavenge_total'));
  expect(add(['gc_total', 'scavenge_total', 'idle', 'user'])).toBe(cpu('total'));
  expect(cpu('user')).toBeGreaterThanOrEqual(0);
  // The spans page was read later; nothing but the clock has moved.
  expect(ns(own('mark_seconds_total', { kind: 'assist' }))).toBe(cpu('gc_mark_assist'));
  expect(ns(own('mark_seconds_total', { kind: 'idle' }))).toBe(cpu('gc_mark_idle'));
  const worked = own('mark_seconds_total', { kind: 'dedicated' }) + own('mark_seconds_total', { kind: 'fractional' });
  expect(ns(worked)).toBe(cpu('gc_mark_dedicated'));
  const compulsory = cpu('gc_total') - cpu('gc_mark_idle');
  expect(mem.GCCPUFraction).toBeCloseTo(compulsory / cpu('total'), 3);

  expect(g('gc_cycles_automatic_gc_cycles_total') + g('gc_cycles_forced_gc_cycles_total')).toBe(mem.NumGC);
  expect(g('gc_cycles_total_gc_cycles_total')).toBe(mem.NumGC);
  const scan = ['heap', 'stack', 'globals'].reduce((n, kind) => n + g(`gc_scan_${kind}_bytes`), 0);
  expect(scan).toBe(g('gc_scan_total_bytes'));
  expect(g('gc_heap_goal_bytes')).toBe(mem.NextGC);
  expect(g('memstats_next_gc_bytes')).toBe(mem.NextGC);
  expect(g('gc_heap_live_bytes')).toBe(own('pacer_marked_bytes'));
  expect(own('reacquired_bytes_total')).toBe(h.scalar(H_RECLAIMED_PAGES) * PAGE_SIZE);
  expect(mem.HeapSys + own('scavenged_bytes_total') - own('reacquired_bytes_total')).toBe(mem.HeapReleased);
  expect(own('gc_phase')).toBe(1);
  expect(own('pacer_trigger_bytes')).toBeLessThanOrEqual(g('gc_heap_goal_bytes'));
  expect(own('assist_scanned_bytes_total')).toBeLessThanOrEqual(own('mark_scanned_bytes_total'));

  const marking = own('gc_phase', { phase: 'mark' });
  for (const name of ['gc_pauses_seconds', 'sched_pauses_total_gc_seconds', 'sched_pauses_stopping_gc_seconds']) {
    const samples = go.get(`go_${name}`)?.samples ?? [];
    expect(samples.find((s) => s.name.endsWith('_count'))?.value).toBe(2 * mem.NumGC + marking);
  }
  if (marking === 0) {
    // The exact sum of both is at hand, and the histogram's is a lower bound.
    expect(cpu('gc_pause')).toBe(mem.PauseTotalNs * h.ps.length);
    const low = go.get('go_gc_pauses_seconds')?.samples.find((s) => s.name.endsWith('_sum'))?.value ?? 0;
    expect(ns(low)).toBeLessThanOrEqual(mem.PauseTotalNs);
  }
}

describe.each([1, 2, 4])('a heap with %i Ps that collects', (procs) => {
  it('keeps its sums, and no counter falls, from scrape to scrape', () => {
    const program = new Program(procs);
    const { h } = program;
    expectCollector(h);
    let before = counters(scraped(h));
    let marks = 0;
    for (let i = 0; i < 60; i++) {
      if (i % 2 === 0) program.run(701);
      else program.runUntil(() => program.marking);
      if (program.marking) marks++;
      expectCollector(h);
      const after = counters(scraped(h));
      for (const [series, value] of before) expect(after.get(series), series).toBeGreaterThanOrEqual(value);
      before = after;
    }
    expect(marks).toBeGreaterThan(20);
    expect(memStats(h).NumGC).toBeGreaterThan(20);
    program.collect();
    scavengeAll(h, h.ps[0]);
    expectCollector(h);
    program.run(2000);
    program.collect();
    expectCollector(h);
    expect(check(h)).toEqual([]);
  });

  it('agrees with the history of its cycles', () => {
    const program = new Program(procs);
    const { h } = program;
    program.runUntil(() => h.scalar(H_NUM_GC) >= 9);
    program.collect();
    const records = cycleRecords(h);
    const spans = page(h, 'spans');
    const own = (name: string, labels: Record<string, string> = {}): number => sum(spans, `goheap_${name}`, labels);
    const all = (of: (r: (typeof records)[number]) => number): number => records.reduce((n, r) => n + of(r), 0);
    expect(records).toHaveLength(memStats(h).NumGC);
    expect(own('mark_scanned_bytes_total')).toBe(all((r) => r.mark.scanBytes));
    expect(own('mark_scanned_objects_total')).toBe(all((r) => r.mark.objectsScanned));
    expect(own('mark_roots_total')).toBe(all((r) => r.mark.rootsMarked));
    expect(own('mark_shaded_pointers_total')).toBe(all((r) => r.mark.shaded));
    expect(own('mark_bytes_total')).toBe(all((r) => r.heap.marked));
    expect(own('assists_total')).toBe(all((r) => r.mark.assists));
    expect(own('assist_scanned_bytes_total')).toBe(all((r) => r.mark.assistScanBytes));
    expect(own('mark_seconds_total')).toBeCloseTo(
      all(({ cpu }) => cpu.assist + cpu.dedicated + cpu.fractional + cpu.idle),
      9,
    );
    const [last] = records;
    expect(own('pacer_last_goal_bytes')).toBe(last.heap.goal);
    expect(own('pacer_cons_mark_ratio')).toBe(last.pacer.consMark);
    expect(own('pacer_runway_bytes')).toBe(last.pacer.runway);
    expect(own('pacer_utilization_ratio')).toBe(last.pacer.utilization);
    expect(own('pacer_assist_ratio')).toBe(last.pacer.assistWorkPerByte);
    expect(own('mark_bytes_total')).toBeGreaterThan(0);
    expect(own('mark_shaded_pointers_total')).toBeGreaterThan(0);
    expect(own('unlinked_pointers_total')).toBeGreaterThan(0);
    // Of several Ps some mark while others allocate: there may be no debt to pay.
    if (procs === 1) expect(own('assists_total')).toBeGreaterThan(0);
    expect(own('sweep_done')).toBe(1);
    expect(own('sweep_debt_pages')).toBe(0);
    expect(own('sweep_seconds_total')).toBeGreaterThan(0);
    expect(own('gc_age_seconds')).toBeGreaterThanOrEqual(0);
    expect(own('gc_age_seconds')).toBeLessThanOrEqual(h.now() / 1e9);
    expect(Math.abs(own('pacer_trigger_bytes') - h.scalar(H_TRIGGER) * 8)).toBeLessThan(8);
    expect(sum(page(h, 'go'), 'go_gc_heap_live_bytes')).toBe(h.scalar(H_HEAP_MARKED) * 8);
  });
});

describe('single terms', () => {
  it('has the goals of a heap that never collects by itself, as Go has them', () => {
    const h = newHeap();
    configure(h, -1, Number.POSITIVE_INFINITY);
    const goal = sum(page(h, 'go'), 'go_gc_heap_goal_bytes');
    // MaxInt64 less 3% headroom.
    expect(goal / 2 ** 63).toBeCloseTo(0.97, 5);
    expect(sum(page(h, 'go'), 'go_memstats_next_gc_bytes')).toBe(goal);
  });

  it('has the goal of the memory limit', () => {
    const h = newHeap();
    configure(h, -1, 64 * MIB);
    const goal = sum(page(h, 'go'), 'go_gc_heap_goal_bytes');
    expect(goal).toBeLessThan(64 * MIB);
    expect(goal).toBeGreaterThan(60 * MIB);
  });

  it('follows a change of the settings', () => {
    const h = newHeap();
    const settings: { gogc: number | 'off'; gomemlimit: number | 'off' } = { gogc: 100, gomemlimit: 'off' };
    const source = { ...scraped(h), settings };
    const shown = () => {
      const go = parse(heapText('go', source));
      return [sum(go, 'go_gc_gogc_percent'), sum(go, 'go_gc_gomemlimit_bytes'), sum(go, 'go_gc_heap_goal_bytes')];
    };
    expect(shown()).toEqual([100, 2 ** 63, 4 * MIB]);
    Object.assign(settings, { gogc: 200, gomemlimit: 1 << 30 });
    configure(h, 200, 1 << 30);
    expect(shown()).toEqual([200, 1 << 30, 8 * MIB]);
  });

  it('counts what a mark would scan, the mcaches included', () => {
    const h = newHeap();
    const scan = (): number => sum(page(h, 'go'), 'go_gc_scan_heap_bytes');
    expect(scan()).toBe(0);
    mallocNoscan(h, h.ps[0], 4096);
    expect(scan()).toBe(0);
    for (let i = 0; i < 10; i++) mallocScan(h, h.ps[0], 64);
    expect(scan()).toBe(640);
  });

  it('tells the sweep debt while it lasts', () => {
    const program = new Program(1);
    const { h } = program;
    program.runUntil(() => h.scalar(H_NUM_GC) >= 3 && h.scalar(H_SWEEP_DONE) === 0);
    expect(sum(page(h, 'spans'), 'goheap_sweep_done')).toBe(0);
    const swept = sum(page(h, 'spans'), 'goheap_sweep_swept_pages');
    program.runUntil(() => h.scalar(H_SWEEP_DONE) === 1);
    expect(sum(page(h, 'spans'), 'goheap_sweep_swept_pages')).toBeGreaterThan(swept);
  });

  it('reads counts of pages that have passed 2^31', () => {
    const h = newHeap();
    h.m[h.mheap + H_RECLAIMED_PAGES] = -1;
    expect(sum(page(h, 'spans'), 'goheap_reacquired_bytes_total')).toBe((2 ** 32 - 1) * PAGE_SIZE);
  });

  it('shows the limiter, and cycles that were given up', () => {
    const h = newHeap(3);
    h.m[h.mheap + H_LIMITED] = 1;
    h.m[h.mheap + H_ABANDONED] = 2;
    const spans = page(h, 'spans');
    expect(sum(spans, 'goheap_limiter_enabled')).toBe(1);
    expect(sum(spans, 'goheap_limiter_capacity_seconds')).toBe(3);
    expect(sum(spans, 'goheap_gc_abandoned_cycles_total')).toBe(2);
    expect(sum(page(h, 'go'), 'go_gc_limiter_last_enabled_gc_cycle')).toBe(0);
  });

  it('is finite everywhere, so that JSON has it too', () => {
    const h = newHeap(2);
    configure(h, -1, Number.POSITIVE_INFINITY);
    for (const which of ['go', 'spans'] as const) {
      for (const f of heapJson(which, scraped(h))) {
        for (const s of f.samples) if (s.value !== undefined) expect(Number.isFinite(s.value), f.name).toBe(true);
      }
    }
  });

  it('writes nothing to the heap', () => {
    const program = new Program(2);
    const { h } = program;
    program.runUntil(() => program.marking);
    const before = new Int32Array(h.m.slice());
    heapText('go', scraped(h));
    heapText('spans', scraped(h));
    expect(Buffer.compare(Buffer.from(before.buffer), Buffer.from(h.m.slice().buffer))).toBe(0);
  });
});
