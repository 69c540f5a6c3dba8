/**
 * What the console knows of the heap it looks at: the samples of the last ten minutes, the last cycles, the settings.
 *
 * One feed for the page, filled by the event stream; the views listen to it. Bounded: `KEEP` milliseconds of samples and
 * 256 cycles, as many as the server keeps. Counters of a sample are cumulative, so a rate is a difference of two
 * samples; after a restart counters begin anew, and a rate across it is unknown (null), never negative.
 */

import { get } from './api.js';
import { EventStream, type StreamState } from './stream.js';
import type { Cycle, Hello, Sample, Settings } from './types.js';

/** Samples a second that the page asks for. The server sends at most ten. */
const RATE = 5;
export const KEEP = 10 * 60_000;
const MOST_SAMPLES = (KEEP / 1000) * 10;
const MOST_CYCLES = 256;

export interface FeedEvents {
  /** Another heap, or none: everything that was shown is of the past. */
  heap: string | null;
  hello: Hello;
  sample: Sample;
  /** A cycle ended, or more is known of one. */
  cycles: Cycle[];
  settings: Settings;
  state: StreamState | { kind: 'idle' } | { kind: 'gone' };
  /** An M died and was replaced. */
  restart: unknown;
}

type Listener<K extends keyof FeedEvents> = (value: FeedEvents[K]) => void;

export class Feed {
  heap: string | null = null;
  hello: Hello | undefined;
  settings: Settings | undefined;
  state: FeedEvents['state'] = { kind: 'idle' };
  samples: Sample[] = [];
  /** Oldest first. */
  cycles: Cycle[] = [];
  /** Counts what a person did here that no sample shows, such as a root that was dropped. */
  touched = 0;
  readonly #listeners = new Map<keyof FeedEvents, Set<Listener<never>>>();
  #stream: EventStream | undefined;

  on<K extends keyof FeedEvents>(type: K, listener: Listener<K>): void {
    let set = this.#listeners.get(type);
    if (set === undefined) this.#listeners.set(type, (set = new Set()));
    set.add(listener as Listener<never>);
  }

  #emit<K extends keyof FeedEvents>(type: K, value: FeedEvents[K]): void {
    for (const listener of this.#listeners.get(type) ?? []) (listener as Listener<K>)(value);
  }

  get last(): Sample | undefined {
    return this.samples.at(-1);
  }

  /** The path of a resource of the heap. */
  path(rest = ''): string {
    return `v1/heaps/${this.heap}${rest === '' ? '' : `/${rest}`}`;
  }

  watch(heap: string | null): void {
    this.#stream?.close();
    this.#stream = undefined;
    this.heap = heap;
    this.samples = [];
    this.cycles = [];
    this.hello = undefined;
    this.settings = undefined;
    this.#emit('heap', heap);
    if (heap === null) {
      this.#setState({ kind: 'idle' });
      return;
    }
    const stream = new EventStream(this.path(`events?rate=${RATE}`), {
      event: ({ event, data }) => {
        if (stream === this.#stream) this.#event(event, data);
      },
      state: (state) => {
        if (stream === this.#stream) this.#setState(state);
      },
    });
    this.#stream = stream;
    stream.start();
  }

  retryNow(): void {
    if (this.state.kind === 'ended' || this.state.kind === 'gone') this.watch(this.heap);
    else this.#stream?.retryNow();
  }

  #setState(state: FeedEvents['state']): void {
    this.state = state;
    this.#emit('state', state);
  }

  #event(type: string, data: string): void {
    const value = JSON.parse(data);
    if (type === 'sample') this.#sample(value);
    else if (type === 'gc') this.#cycle(value);
    else if (type === 'hello') {
      this.hello = value as Hello;
      this.#emit('hello', this.hello);
      this.setSettings(this.hello.settings);
      void this.#loadCycles();
    } else if (type === 'restart') this.#emit('restart', value);
    else if (type === 'gone') {
      this.#stream?.close();
      this.#stream = undefined;
      this.#setState({ kind: 'gone' });
    }
  }

  setSettings(settings: Settings): void {
    this.settings = settings;
    this.#emit('settings', settings);
  }

  #sample(sample: Sample): void {
    const { last } = this;
    // A resumed stream may repeat what was seen.
    if (last !== undefined && sample.t <= last.t) return;
    this.samples.push(sample);
    const oldest = sample.t - KEEP;
    if (this.samples[0].t < oldest - 5_000 || this.samples.length > MOST_SAMPLES) {
      const from = this.samples.findIndex(({ t }) => t >= oldest);
      this.samples = this.samples.slice(Math.max(from, this.samples.length - MOST_SAMPLES + 100));
    }
    this.#emit('sample', sample);
  }

  #cycle(cycle: Cycle): void {
    this.#keep(cycle);
    this.#emit('cycles', this.cycles);
  }

  #keep(cycle: Cycle): void {
    const at = this.cycles.findIndex((c) => c.number === cycle.number && c.startedAt === cycle.startedAt);
    if (at >= 0) {
      this.cycles[at] = { ...this.cycles[at], ...cycle };
      return;
    }
    this.cycles.push(cycle);
    this.cycles.sort((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
    if (this.cycles.length > MOST_CYCLES) this.cycles = this.cycles.slice(-MOST_CYCLES);
  }

  /** The cycles before the page was opened: the heap may be another one than before, so the old ones go. */
  async #loadCycles(): Promise<void> {
    const { heap } = this;
    const { cycles } = await get<{ cycles: Cycle[] }>(this.path('gc')).catch(() => ({ cycles: undefined }));
    if (heap !== this.heap || cycles === undefined) return;
    this.cycles = cycles.reverse();
    this.#emit('cycles', this.cycles);
  }

  /** Reads the newest cycles again: what the sweep after one gave back is known long after its event. */
  async refreshCycles(limit: number): Promise<void> {
    const { heap } = this;
    const { cycles } = await get<{ cycles: Cycle[] }>(this.path(`gc?limit=${limit}`));
    if (heap !== this.heap) return;
    for (const cycle of cycles) this.#keep(cycle);
    this.#emit('cycles', this.cycles);
  }

  touch(): void {
    this.touched++;
  }

  /** Changes when the heap did, as far as samples and this page can tell. */
  get fingerprint(): string {
    const s = this.last;
    if (s === undefined) return `${this.heap} ${this.touched}`;
    const { mallocs, frees, heapInuse, heapReleased, numGC, phase, sweepDone } = s;
    return [this.heap, this.touched, mallocs, frees, heapInuse, heapReleased, numGC, phase, sweepDone].join(' ');
  }

  /** A counter's rise a second over about the last `ms`; null while unknown. */
  rate(counter: (s: Sample) => number, ms = 1000): number | null {
    const { samples } = this;
    const now = samples.at(-1);
    if (now === undefined || samples.length < 2) return null;
    let from = samples.length - 2;
    while (from > 0 && now.t - samples[from].t < ms) from--;
    const then = samples[from];
    const rise = counter(now) - counter(then);
    return rise < 0 || now.t - then.t > ms + 5_000 ? null : (rise * 1000) / (now.t - then.t);
  }
}
