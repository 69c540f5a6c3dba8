/**
 * The live events of the heaps: one sampler a heap, however many clients look.
 *
 *     shared memory ──sampler──▶ ring (600 samples, 256 others) ──▶ client, client, client
 *
 * The sampler runs at the rate of its fastest client, at most ten times a second, and only while somebody listens, or has
 * just left: a client whose connection broke comes back within seconds and finds what it missed. It runs on the main thread and reads
 * shared memory; a turn of it takes some hundred microseconds and never depends on the size of the heap or the number of
 * clients that do not read.
 *
 * Everything is bounded: streams a server (`max`), events a turn, bytes an event, events in the ring, time a client may
 * block. Main thread only.
 */

import { gctraceLine } from '../gc/gctrace.js';
import { cycleRecords } from '../gc/record.js';
import { H_NUM_GC } from '../heap/heap.js';
import { EventRing } from './event-ring.js';
import { EventStream, type Sink, type StreamEnd } from './event-stream.js';
import { readSample, type Sampled } from './sample.js';

export const MAX_RATE = 10;
export const DEFAULT_RATE = 4;

export interface StreamOptions {
  /** Open streams of all heaps together. */
  readonly max: number;
  /** Milliseconds between two samples at a rate of 1. */
  readonly second: number;
  /** Milliseconds for which a client may block before it is cut off. */
  readonly stall: number;
  /** Milliseconds for which the sampler goes on when the last client has left. */
  readonly linger: number;
  /** What a client whose connection broke is told to wait, in milliseconds. */
  readonly retry: number;
  /** Milliseconds between two comments that keep a silent connection open. */
  readonly heartbeat: number;
}

export const STREAM_OPTIONS: StreamOptions = {
  max: 64,
  second: 1000,
  stall: 30_000,
  linger: 10_000,
  retry: 2000,
  heartbeat: 15_000,
};

const SAMPLES_KEPT = 600;
const OTHERS_KEPT = 256;
/** Collections that one turn tells of; where there were more, the newest, and `skipped` says how many are missing. */
const CYCLES_A_TURN = 8;

/** A heap that can be watched: a HeapHost, or less. */
export interface Watched extends Sampled {
  readonly name: string;
  readonly createdAt: Date;
}

export interface Subscription {
  sink: Sink;
  /** Samples a second. */
  rate: number;
  /** What the client sent as Last-Event-ID. */
  lastEventId: string | null;
  /** The data of its `hello`; told whether the stream goes on where the client left. */
  hello: (resumed: boolean) => object;
}

/** The events of one heap. */
class HeapEvents {
  readonly streams = new Set<EventStream>();
  private readonly host: Watched;
  private readonly options: StreamOptions;
  private readonly isLive: () => boolean;
  private readonly ring = new EventRing(SAMPLES_KEPT, OTHERS_KEPT);
  /** Tells this heap's numbers from those of another that had its name, before or after a restart of the server. */
  private readonly epoch: string;
  private timer: NodeJS.Timeout | undefined;
  private period = 0;
  private idleSince = 0;
  private sampledAt = Number.NEGATIVE_INFINITY;
  private cycle: number;
  private ms: readonly number[];
  private restarts: number;

  constructor(host: Watched, options: StreamOptions, isLive: () => boolean) {
    this.host = host;
    this.options = options;
    this.isLive = isLive;
    this.epoch = host.createdAt.getTime().toString(36);
    this.cycle = host.heap.scalar(H_NUM_GC);
    const stats = host.stats();
    this.ms = stats.ps.map(({ m }) => m);
    this.restarts = stats.restarts;
  }

  add({ sink, rate, lastEventId, hello }: Subscription): EventStream {
    const after = this.seqOf(lastEventId);
    const { ring, epoch } = this;
    const stream = new EventStream({ ring, sink, epoch, gap: this.options.second / rate, after });
    this.streams.add(stream);
    void stream.done.then(() => this.remove(stream));
    stream.hello(JSON.stringify(hello(after !== undefined)), this.options.retry);
    this.schedule();
    // Nobody waits a whole period for something to see; but many who come at once do not make many samples.
    if (performance.now() - this.sampledAt >= this.options.second / MAX_RATE) this.turn();
    return stream;
  }

  end(why: StreamEnd, farewell?: string): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.period = 0;
    for (const stream of [...this.streams]) stream.end(why, farewell);
  }

  private remove(stream: EventStream): void {
    this.streams.delete(stream);
    this.idleSince = performance.now();
    if (this.timer !== undefined && this.streams.size > 0) this.schedule();
  }

  /** The number in an id of ours; undefined if it is not one. */
  private seqOf(id: string | null): number | undefined {
    const [, epoch, seq] = /^([0-9a-z]{1,16})-([0-9]{1,15})$/.exec(id ?? '') ?? [];
    return epoch === this.epoch && Number(seq) <= this.ring.newest ? Number(seq) : undefined;
  }

  private schedule(): void {
    let period = this.options.second;
    for (const { gap } of this.streams) period = Math.min(period, gap);
    if (this.timer !== undefined && period === this.period) return;
    clearInterval(this.timer);
    this.period = period;
    this.timer = setInterval(() => this.turn(), period).unref();
  }

  private turn(): void {
    const now = performance.now();
    if (!this.isLive()) {
      this.end('gone', JSON.stringify({ heap: this.host.name }));
      return;
    }
    for (const stream of [...this.streams]) {
      if (stream.blockedFor(now) > this.options.stall) stream.end('stalled');
    }
    if (this.streams.size === 0 && now - this.idleSince > this.options.linger) {
      this.end('closed');
      return;
    }
    this.sampledAt = now;
    const sample = readSample(this.host);
    this.noteRestarts(sample.t);
    this.noteCycles(sample.t);
    this.ring.push('sample', sample.t, JSON.stringify(sample));
    for (const stream of this.streams) stream.pump();
  }

  private noteRestarts(t: number): void {
    const { restarts, ps } = this.host.stats();
    const ms = ps.map(({ m }) => m);
    const changed = ms.flatMap((m, p) => (m === this.ms[p] ? [] : [p]));
    this.ms = ms;
    if (restarts === this.restarts) return;
    const data = { t, restarts, since: restarts - this.restarts, ps: changed.slice(0, 64) };
    this.restarts = restarts;
    this.ring.push('restart', t, JSON.stringify(data));
  }

  private noteCycles(t: number): void {
    const { heap } = this.host;
    if (heap.scalar(H_NUM_GC) === this.cycle) return;
    const fresh = cycleRecords(heap, CYCLES_A_TURN).filter((record) => record.number > this.cycle);
    if (fresh.length === 0) return;
    const skipped = fresh[fresh.length - 1].number - this.cycle - 1;
    this.cycle = fresh[0].number;
    fresh.reverse().forEach((record, i) => {
      const data = { ...record, gctrace: gctraceLine(record), skipped: i === 0 ? skipped : 0 };
      this.ring.push('gc', t, JSON.stringify(data));
    });
  }
}

/** The events of all heaps of a server. */
export class EventHub {
  readonly options: StreamOptions;
  private readonly isLive: (host: Watched) => boolean;
  /** A heap's ring lives as long as the heap; that of a deleted one is collected with it. */
  private readonly byHost = new WeakMap<Watched, HeapEvents>();
  private readonly watched = new Set<HeapEvents>();
  private count = 0;
  private closed = false;

  constructor(options: StreamOptions, isLive: (host: Watched) => boolean) {
    this.options = options;
    this.isLive = isLive;
  }

  /** Streams that are open. */
  get open(): number {
    return this.count;
  }

  get full(): boolean {
    return this.count >= this.options.max;
  }

  /** Begins a stream. The caller has asked whether there is room. */
  subscribe(host: Watched, subscription: Subscription): EventStream {
    let events = this.byHost.get(host);
    if (events === undefined) {
      events = new HeapEvents(host, this.options, () => this.isLive(host));
      this.byHost.set(host, events);
    }
    this.watched.add(events);
    this.count++;
    const stream = events.add(subscription);
    void stream.done.then(() => {
      this.count--;
      if (events.streams.size === 0) this.watched.delete(events);
    });
    if (this.closed) stream.end('draining');
    return stream;
  }

  /** Ends every stream, for good. */
  close(): void {
    this.closed = true;
    for (const events of this.watched) events.end('draining');
  }
}
