/**
 * An event stream from a rate model: a program that allocates what the profile says, in the order and with the lifetimes that the model
 * assumes. The simulator runs it like any recording.
 *
 * The base is allocated first. Then objects are drawn from an urn that holds the interval's objects (urn.ts): in random order, and at the
 * end exactly those. Between two allocations, young objects die: each with the same chance for every byte allocated, since an exponential
 * lifetime has no memory. So no object carries a time of death; the next death is drawn for all of them together, and its victim at random.
 *
 * Length is bounded. A model that stands for more events is scaled down, in time first (a part of the interval is played, with the same heap)
 * and only where the base alone would fill half of the stream in space (every so many-th object). The plan says by how much.
 *
 * Invariant: the same model, seed and bound give the same stream.
 */

import { CLASS_TO_SIZE, MIN_SIZE_FOR_MALLOC_HEADER } from '../../heap/sizeclass.js';
import { type IngestReport, Kind, newIngestReport, ReplayInputError } from '../events.js';
import type { RecordSink } from '../records.js';
import { SlotTable } from '../slots.js';
import { Chance } from './chance.js';
import type { RateModel } from './model.js';
import { Urn } from './urn.js';

/** Events of a stream unless told otherwise. */
export const DEFAULT_MAX_EVENTS = 20_000_000;
const MAX_EVENTS = 1 << 30;
/** Bytes of a malloc header, which a slot above 512 bytes has room for if its object has pointers. */
const MALLOC_HEADER = 8;

export interface GeneratorOptions {
  readonly maxEvents?: number;
  readonly seed?: number;
}

/** What will be played. */
export interface StreamPlan {
  /** About so many events: some young objects outlive the stream and are not freed. */
  readonly events: number;
  /** Of them, those that build the base. */
  readonly baseEvents: number;
  /** Part of the interval that is played, and part of the objects. 1 × 1: all of it. */
  readonly timeShare: number;
  readonly heapShare: number;
  /** Events before which the program collects (runtime.GC), ascending: `collect` records of the stream. */
  readonly forcedAt: readonly number[];
  readonly seed: number;
  /** The scale in words, or '' at 1 × 1. */
  readonly scale: string;
}

export function planStream(model: RateModel, options: GeneratorOptions = {}): StreamPlan {
  const max = options.maxEvents ?? DEFAULT_MAX_EVENTS;
  if (!Number.isInteger(max) || max < 1000 || max > MAX_EVENTS) {
    throw new ReplayInputError(
      'replay-profile-events',
      `the number of events has to be 1000 to ${MAX_EVENTS}, not ${max}`,
    );
  }
  const base = model.sizes.reduce((n, s) => n + s.base, 0);
  const interval = model.sizes.reduce((n, s) => n + 2 * s.young + Math.abs(s.growth), 0);
  const heapShare = Math.min(1, max / 2 / Math.max(1, base));
  const timeShare = Math.min(1, (max - heapShare * base) / Math.max(1, heapShare * interval));
  const baseEvents = Math.round(heapShare * base);
  const events = Math.round(heapShare * (base + timeShare * interval));
  const marks = Math.round(model.forced.length * timeShare);
  const forcedAt: number[] = [];
  for (let i = 0; i < marks; i++) {
    const mark = model.forced[Math.floor(((i + 0.5) / marks) * model.forced.length)];
    forcedAt.push(Math.min(events, Math.round(baseEvents + mark.at * (events - baseEvents))));
  }
  return {
    events,
    baseEvents,
    timeShare,
    heapShare,
    forcedAt,
    seed: options.seed ?? 1,
    scale: inWords(timeShare, heapShare),
  };
}

function inWords(timeShare: number, heapShare: number): string {
  const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;
  const parts: string[] = [];
  if (timeShare < 1) {
    parts.push(
      `${percent(timeShare)} of the interval is played: it stands for ${(1 / timeShare).toPrecision(3)} times as many cycles and bytes allocated`,
    );
  }
  if (heapShare < 1) {
    parts.push(
      `the heap has ${percent(heapShare)} of the program's objects: multiply sizes by ${(1 / heapShare).toPrecision(3)}`,
    );
  }
  return parts.join('; ');
}

/**
 * Whole numbers in the place of fractions, each rounded up or down such that the bytes add up: from the largest size to the smallest, what was
 * gained or lost so far decides.
 */
function whole(sizes: readonly number[], counts: readonly number[]): number[] {
  const out = new Array<number>(counts.length).fill(0);
  let bytes = 0;
  for (let i = counts.length - 1; i >= 0; i--) {
    bytes += counts[i] * sizes[i];
    out[i] = Math.min(Math.ceil(counts[i]), Math.max(Math.floor(counts[i]), Math.round(bytes / sizes[i])));
    bytes -= out[i] * sizes[i];
  }
  return out;
}

const IS_CLASS = new Set(CLASS_TO_SIZE);

/** What to ask for so that a slot of this size is handed out, whether the object has pointers or not. */
export function requestFor(slotSize: number): number {
  const header = slotSize > MIN_SIZE_FOR_MALLOC_HEADER && IS_CLASS.has(slotSize);
  return header ? slotSize - MALLOC_HEADER : slotSize;
}

/** Numbers from a list, taken out in any order. */
class Bag {
  private items = new Int32Array(1 << 10);
  length = 0;

  add(item: number): void {
    if (this.length === this.items.length) {
      const grown = new Int32Array(this.length * 2);
      grown.set(this.items);
      this.items = grown;
    }
    this.items[this.length++] = item;
  }

  /** Takes a random one out. There has to be one. */
  take(chance: Chance): number {
    const at = chance.below(this.length);
    const item = this.items[at];
    this.items[at] = this.items[--this.length];
    return item;
  }
}

export class ProfileStream {
  readonly plan: StreamPlan;
  readonly report: IngestReport;
  private readonly table: SlotTable;
  private readonly chance: Chance;
  private readonly requests: number[];
  private readonly kinds: number[];
  private readonly slotSizes: number[];
  private readonly base: Urn;
  /** Kinds of the interval's urn: young of each size, then growth of each size. */
  private readonly interval: Urn;
  private readonly intervalObjects: number;
  private readonly young = new Bag();
  private readonly youngLife: number;
  /** Exponential, mean 1: what the young may allocate together, in mean lifetimes, until one of them dies. */
  private toNextDeath: number;
  /** Objects of the base that die in the interval, by size: how many are still to be set aside, and those that were. */
  private readonly doomed: number[];
  private readonly dying = new Bag();
  private readonly shrink: number;
  /** Collections written so far, of plan.forcedAt. */
  private collected = 0;
  private done = false;

  constructor(model: RateModel, sink: RecordSink, options: GeneratorOptions = {}) {
    const plan = planStream(model, options);
    const { timeShare, heapShare } = plan;
    this.plan = plan;
    this.report = newReport(model, plan);
    this.table = new SlotTable(this.report, sink);
    this.chance = new Chance(plan.seed);
    this.youngLife = model.youngLife * heapShare;
    this.toNextDeath = this.chance.exponential();
    const sizes = model.sizes.map((s) => s.size);
    this.slotSizes = sizes;
    this.requests = sizes.map(requestFor);
    // Go gives a slot of 8 bytes to objects with pointers only: others below 16 bytes go to tiny blocks.
    this.kinds = sizes.map((size) => (size === 8 ? Kind.allocScan : Kind.alloc));
    const counts = (of: (s: RateModel['sizes'][number]) => number): number[] => whole(sizes, model.sizes.map(of));
    const base = counts((s) => s.base * heapShare);
    const share = timeShare * heapShare;
    this.base = new Urn(base);
    this.interval = new Urn([...counts((s) => s.young * share), ...counts((s) => Math.max(0, s.growth) * share)]);
    this.intervalObjects = this.interval.left;
    this.doomed = counts((s) => Math.max(0, -s.growth) * share).map((n, i) => Math.min(n, base[i]));
    this.shrink = this.doomed.reduce((n, x) => n + x, 0);
  }

  /** Writes about `events` more; false when the stream has ended. */
  step(events: number): boolean {
    const until = this.table.events + events;
    while (this.table.events < until) {
      this.collectUntil(this.table.events);
      if (this.base.left > 0) this.allocBase();
      else if (this.interval.left > 0) this.allocNext();
      else {
        this.end();
        return false;
      }
    }
    return true;
  }

  /** The collections that stand before this event. */
  private collectUntil(event: number): void {
    const { forcedAt } = this.plan;
    for (; this.collected < forcedAt.length && forcedAt[this.collected] <= event; this.collected++) {
      this.table.writer.collect();
    }
  }

  private alloc(size: number): number {
    this.report.mallocs++;
    return this.table.add(this.kinds[size], this.requests[size]);
  }

  private free(slot: number): void {
    this.report.frees++;
    this.table.release(slot);
  }

  private allocBase(): void {
    const size = this.base.draw(this.chance);
    const slot = this.alloc(size);
    if (this.doomed[size] > 0) {
      this.doomed[size]--;
      this.dying.add(slot);
    }
  }

  private allocNext(): void {
    const kind = this.interval.draw(this.chance);
    const young = kind < this.slotSizes.length;
    const size = young ? kind : kind - this.slotSizes.length;
    this.age(this.slotSizes[size]);
    if (this.shrink > 0) {
      const stay = Math.floor((this.shrink * this.interval.left) / this.intervalObjects);
      while (this.dying.length > stay) this.free(this.dying.take(this.chance));
    }
    const slot = this.alloc(size);
    if (young) this.young.add(slot);
  }

  /** So many bytes are allocated: those of the young die whose time has come. */
  private age(bytes: number): void {
    const { young, youngLife } = this;
    if (youngLife === 0) {
      while (young.length > 0) this.free(young.take(this.chance));
      return;
    }
    let left = bytes / youngLife;
    while (young.length > 0) {
      const next = this.toNextDeath / young.length;
      if (next > left) {
        this.toNextDeath -= left * young.length;
        return;
      }
      left -= next;
      this.free(young.take(this.chance));
      this.toNextDeath = this.chance.exponential();
    }
  }

  private end(): void {
    if (this.done) return;
    this.done = true;
    // Some young are not freed, so the stream may end a little before the plan.
    this.collectUntil(Number.POSITIVE_INFINITY);
    this.table.end();
  }
}

function newReport(model: RateModel, plan: StreamPlan): IngestReport {
  const report = newIngestReport('pprof');
  report.formatVersion = model.form;
  report.compression = model.compression;
  report.bytes = model.bytes;
  report.textBytes = model.textBytes;
  report.pairing = 'approximate';
  report.cannotTell.push(
    "A profile has sizes of slots, not of requests: the program's own rounding waste is not in it (8 bytes above 512 are left for a header).",
    'Lifetimes and order are a model: what is in use stays, the rest dies young (docs/profile-model.md).',
    'A profile has no threads and no times: one thread, and a constant rate of allocation.',
    'Tiny objects that share a block are not sampled: fewer objects than the program allocates, the same bytes.',
    'It does not tell which objects have pointers.',
  );
  if (model.rate > 1) {
    report.cannotTell.push(
      `The profile is a sample, one allocation in ${model.rate} bytes: one standard error of its volume is ${(model.samplingError * 100).toFixed(1)} %.`,
    );
  }
  report.cannotTell.push(...model.notes);
  if (plan.scale !== '') report.cannotTell.push(`Scaled down: ${plan.scale}.`);
  return report;
}

/** The whole stream at once. @returns the report of what was written */
export function generate(model: RateModel, sink: RecordSink, options: GeneratorOptions = {}): IngestReport {
  const stream = new ProfileStream(model, sink, options);
  while (stream.step(1 << 20));
  return stream.report;
}
