/**
 * The timeline: what a simulation looked like, in at most 2,000 intervals of equally many events, without knowing beforehand how many there are.
 *
 *      tick       every 256 events at first: one look at the sizes
 *      interval   2 ticks: least, mean and greatest value; where memory went at its end
 *
 * When 2,000 intervals are full, neighbours are merged in pairs, and ticks are twice as far apart from then on. So a short recording and one of a
 * billion events cost the same memory, and looking stays rare beside the work.
 */

import { type Series, type Timeline, WHERE_PARTS, type Where } from '../result.js';

export const MAX_INTERVALS = 2000;
const TICKS = 2;
const FIRST_TICK = 256;

/** One look. Sizes in bytes, time in ns. */
export interface Look {
  event: number;
  ns: number;
  live: number;
  heapAlloc: number;
  inuse: number;
  retained: number;
  sys: number;
  goal: number;
  cycles: number;
  /** ns of CPU that collecting took so far. */
  gcNs: number;
}

const COLUMNS = ['live', 'heapAlloc', 'inuse', 'retained', 'sys', 'goal'] as const;
type Column = (typeof COLUMNS)[number];

class Range {
  readonly min: number[] = [];
  readonly sum: number[] = [];
  readonly max: number[] = [];

  add(i: number, value: number): void {
    if (i === this.min.length) {
      this.min.push(value);
      this.sum.push(value);
      this.max.push(value);
      return;
    }
    if (value < this.min[i]) this.min[i] = value;
    if (value > this.max[i]) this.max[i] = value;
    this.sum[i] += value;
  }

  merge(n: number): void {
    for (let i = 0; i < n; i++) {
      this.min[i] = Math.min(this.min[2 * i], this.min[2 * i + 1]);
      this.max[i] = Math.max(this.max[2 * i], this.max[2 * i + 1]);
      this.sum[i] = this.sum[2 * i] + this.sum[2 * i + 1];
    }
    this.min.length = n;
    this.max.length = n;
    this.sum.length = n;
  }

  series(looks: readonly number[]): Series {
    return { min: this.min, mean: this.sum.map((sum, i) => Math.round(sum / looks[i])), max: this.max };
  }
}

export class TimelineBuilder {
  /** Events between two ticks. */
  tick = FIRST_TICK;
  private readonly ranges: Record<Column, Range>;
  private readonly looks: number[] = [];
  private readonly event: number[] = [];
  private readonly ns: number[] = [];
  private readonly cycles: number[] = [];
  private readonly gcNs: number[] = [];
  private readonly where: number[][] = WHERE_PARTS.map(() => []);
  /** Sums over all ticks, each of equal weight within its own distance. */
  private readonly total = { events: 0, live: 0, inuse: 0, retained: 0 };
  private last = 0;

  constructor() {
    this.ranges = Object.fromEntries(COLUMNS.map((name) => [name, new Range()])) as Record<Column, Range>;
  }

  /** Whether the next look ends an interval, and `Where` is wanted with it. */
  closes(): boolean {
    const n = this.looks.length;
    return n > 0 && this.event.length < n && this.looks[n - 1] === TICKS - 1;
  }

  /** Takes a look in; with `where` it is the interval's last. */
  add(look: Look, where: Where | null): void {
    const open = this.event.length < this.looks.length;
    const i = open ? this.looks.length - 1 : this.looks.length;
    if (open) this.looks[i]++;
    else this.looks.push(1);
    for (const name of COLUMNS) this.ranges[name].add(i, look[name]);
    const weight = look.event - this.last;
    this.last = look.event;
    this.total.events += weight;
    this.total.live += weight * look.live;
    this.total.inuse += weight * look.inuse;
    this.total.retained += weight * look.retained;
    if (where === null) return;
    this.event.push(look.event);
    this.ns.push(look.ns);
    this.cycles.push(look.cycles);
    this.gcNs.push(look.gcNs);
    for (let part = 0; part < WHERE_PARTS.length; part++) this.where[part].push(where[WHERE_PARTS[part]]);
    if (this.event.length === MAX_INTERVALS) this.merge();
  }

  /** Means over the whole run, by events. */
  means(): { live: number; inuse: number; retained: number } {
    const { events, live, inuse, retained } = this.total;
    if (events === 0) return { live: 0, inuse: 0, retained: 0 };
    return {
      live: Math.round(live / events),
      inuse: Math.round(inuse / events),
      retained: Math.round(retained / events),
    };
  }

  private merge(): void {
    const n = MAX_INTERVALS / 2;
    for (const name of COLUMNS) this.ranges[name].merge(n);
    for (let i = 0; i < n; i++) this.looks[i] = this.looks[2 * i] + this.looks[2 * i + 1];
    this.looks.length = n;
    for (const column of [this.event, this.ns, this.cycles, this.gcNs, ...this.where]) {
      for (let i = 0; i < n; i++) column[i] = column[2 * i + 1];
      column.length = n;
    }
    this.tick *= 2;
  }

  build(procs: number): Timeline {
    const gcCpu = this.gcNs.map((gc, i) => {
      const ns = (this.ns[i] - (i === 0 ? 0 : this.ns[i - 1])) * procs;
      return ns <= 0 ? 0 : round6((gc - (i === 0 ? 0 : this.gcNs[i - 1])) / ns);
    });
    const series = (name: Column): Series => this.ranges[name].series(this.looks);
    return {
      event: this.event,
      seconds: this.ns.map((ns) => Math.round(ns) / 1e9),
      live: series('live'),
      heapAlloc: series('heapAlloc'),
      inuse: series('inuse'),
      retained: series('retained'),
      sys: series('sys'),
      goal: series('goal'),
      cycles: this.cycles,
      gcCpu,
      where: this.where,
    };
  }
}

const round6 = (x: number): number => Math.round(x * 1e6) / 1e6;
