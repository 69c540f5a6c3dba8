/**
 * One replay: where it is in its life, and what is known of it so far.
 *
 *      parsing ──▶ waiting ──▶ running ──▶ done
 *         │           │           ├──────▶ failed
 *         ╳           └───────────┴──────▶ cancelled
 *
 * A recording that cannot be read leaves no replay behind, so there is no way from parsing to failed. The registry moves it along; streams listen.
 * Of results only the headlines are held, and a short timeline of what was seen while they were made; the rest is on disk.
 */

import type { IngestReport } from '../../replay/events.js';
import type { CellProgress } from '../../replay/pool.js';
import type { Headline, SimResult } from '../../replay/result.js';
import type { SimSettings } from '../../replay/settings.js';
import type { Ranges } from '../../replay/whatif/ranges.js';
import type { Problem } from '../problem.js';
import type { Kept, Places, Results } from './disk.js';
import type { Profiled } from './profile.js';

export type State = 'parsing' | 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
export type Source = 'upload' | 'example' | 'replay' | 'url';

/** Moments of a cell that a stream is shown when it begins, at most. */
export const MOMENTS = 400;
const COLUMNS = ['event', 'seconds', 'cycles', 'inuse', 'live'] as const;

/** What was seen of a cell while it was simulated: equally long columns, thinned out as they grow. */
export class Moments {
  readonly event: number[] = [];
  readonly seconds: number[] = [];
  readonly cycles: number[] = [];
  readonly inuse: number[] = [];
  readonly live: number[] = [];
  private stride = 1;
  private seen = 0;
  private last = 0;

  add({ events, seconds, cycles, inuse, live }: CellProgress): void {
    if (events <= this.last) return;
    this.last = events;
    if (this.seen++ % this.stride !== 0) return;
    this.event.push(events);
    this.seconds.push(seconds);
    this.cycles.push(cycles);
    this.inuse.push(inuse);
    this.live.push(live);
    if (this.event.length < MOMENTS) return;
    // Every other one goes, and from here on fewer come.
    for (const column of COLUMNS) this[column].splice(0, MOMENTS, ...this[column].filter((_, i) => i % 2 === 0));
    this.stride *= 2;
  }

  toJSON() {
    const { event, seconds, cycles, inuse, live } = this;
    return { event, seconds, cycles, inuse, live };
  }
}

export interface Cell {
  readonly settings: SimSettings;
  state: CellProgress['state'];
  /** Of the first of its simulations. */
  events: number;
  seconds: number;
  cycles: number;
  inuse: number;
  live: number;
  readonly moments: Moments;
  /** Where its result is; its headline; its ranges, once all of its variations are done. */
  places: Places | null;
  headline: Headline | null;
  ranges: Ranges | null;
  exhausted: SimResult['exhausted'];
}

/** What a stream is told. */
export type ReplayEvent = { readonly kind: 'progress' | 'end' } | { readonly kind: 'result'; readonly cell: number };

export interface NewReplay {
  readonly id: string;
  readonly name: string;
  readonly source: Source;
  readonly settings: readonly SimSettings[];
  readonly variations: number;
}

export class Replay {
  readonly id: string;
  readonly name: string;
  readonly source: Source;
  readonly variations: number;
  cells: readonly Cell[];
  readonly listeners = new Set<(event: ReplayEvent) => void>();
  /** Ends whatever is being done for it; the reason is a Problem. */
  readonly abort = new AbortController();
  state: State = 'parsing';
  createdAt = new Date();
  startedAt: Date | null = null;
  endedAt: Date | null = null;
  error: Problem | null = null;
  hash: string | null = null;
  key = '';
  ingest: IngestReport | null = null;
  /** Of heap profiles only. */
  profiled: Profiled | null = null;
  results: Results | null = null;
  /** Bytes of its results on disk. */
  bytes = 0;
  /** Bytes of the recording: those that came, and all (0: not known); events parsed. */
  readonly parsed = { bytes: 0, total: 0, events: 0 };
  /** Of all simulations, variations included: events to do (0: not known), and done. */
  readonly work = { total: 0, done: 0 };

  constructor({ id, name, source, settings, variations }: NewReplay) {
    this.id = id;
    this.name = name;
    this.source = source;
    this.variations = variations;
    this.cells = settings.map((each) => newCell(each));
  }

  static kept(kept: Kept, results: Results): Replay {
    const { id, name, source, cells, variations } = kept;
    const settings = cells.map((cell) => cell.settings);
    const replay = new Replay({ id, name, source: source as Source, settings, variations });
    replay.state = 'done';
    replay.createdAt = new Date(kept.createdAt);
    replay.startedAt = new Date(kept.startedAt);
    replay.endedAt = new Date(kept.endedAt);
    replay.hash = kept.hash;
    replay.key = kept.key;
    replay.ingest = kept.ingest;
    replay.profiled = kept.profiled;
    replay.bytes = kept.size;
    replay.results = results;
    cells.forEach(({ headline, ranges, exhausted, places }, i) => {
      Object.assign(replay.cells[i], { ranges, exhausted, places });
      doneWith(replay.cells[i], headline);
    });
    return replay;
  }

  get ended(): boolean {
    return this.state === 'done' || this.state === 'failed' || this.state === 'cancelled';
  }

  /** Events of a cell that will have been done at its end. */
  get events(): number {
    const { ingest, cells } = this;
    const { from, to, loops } = cells[0].settings;
    return Math.max(0, Math.min(to ?? Number.POSITIVE_INFINITY, ingest?.events ?? 0) - from) * loops;
  }

  /** Its recording has been read; `settings` are others than before. */
  recorded(
    hash: string,
    ingest: IngestReport,
    profiled: Profiled | null,
    settings: readonly SimSettings[] | null,
  ): void {
    this.hash = hash;
    this.ingest = ingest;
    this.profiled = profiled;
    this.parsed.bytes = ingest.bytes;
    this.parsed.events = ingest.events;
    if (settings !== null) this.cells = settings.map((each) => newCell(each));
  }

  tell(event: ReplayEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }

  end(state: 'done' | 'failed' | 'cancelled', error: Problem | null = null): void {
    this.state = state;
    this.error = error;
    this.endedAt ??= new Date();
    this.tell({ kind: 'end' });
  }

  /** replay.json of one that is done. */
  kept(): Kept {
    const { id, name, source, key, variations, hash, ingest, profiled, createdAt, startedAt, endedAt, bytes } = this;
    const at = (date: Date | null): string => (date ?? new Date()).toISOString();
    return {
      kept: 1,
      id,
      name,
      source,
      key,
      variations,
      hash: hash as string,
      ingest: ingest as IngestReport,
      profiled,
      createdAt: at(createdAt),
      startedAt: at(startedAt),
      endedAt: at(endedAt),
      size: bytes,
      cells: this.cells.map(({ settings, headline, ranges, exhausted, places }) => ({
        settings,
        headline: headline as Headline,
        ranges: ranges as Ranges,
        exhausted,
        places: places as Places,
      })),
    };
  }
}

function newCell(settings: SimSettings): Cell {
  return {
    settings,
    state: 'waiting',
    events: 0,
    seconds: 0,
    cycles: 0,
    inuse: 0,
    live: 0,
    moments: new Moments(),
    places: null,
    headline: null,
    ranges: null,
    exhausted: null,
  };
}

export function doneWith(cell: Cell, headline: Headline): void {
  const { events, seconds, cycles } = headline;
  Object.assign(cell, { state: 'done', headline, events, seconds, cycles });
}
