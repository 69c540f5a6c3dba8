/**
 * The pages of one arena and the spans that they belong to, kept fresh with two or three bounded requests a look.
 *
 * `GET …/arenas/{i}` says which span every page belongs to, but not what the span is. That is in `GET …/spans`, whose
 * cursor is the number of a page in base 36: one page of the listing (at most `SPANS` spans) is read at each look, or two while
 * spans are missing, from the first that is not known, or else going round. An arena of up to `SPANS` spans is so complete at
 * every look, one of 8,192 single pages after five; pages whose span is not known yet are drawn as such.
 */

import { get } from '../api.js';
import type { Feed } from '../feed.js';
import type { Arena, PageRun, PageState, Span } from '../types.js';

const SPANS = 1000;
export const PAGE = 8192;

export interface KnownSpan extends Span {
  /** When this page saw it change, in ms since 1970. */
  changedAt: number;
}

export class ArenaData {
  readonly index: number;
  arena: Arena | undefined;
  runs: PageRun[] = [];
  /** Whether the span of every page is known; while not, the next look shall be soon. */
  complete = false;
  readonly #feed: Feed;
  #spans = new Map<number, KnownSpan>();
  #next: number | undefined;

  constructor(feed: Feed, index: number) {
    this.#feed = feed;
    this.index = index;
  }

  /** Pages of the arena. */
  get pages(): number {
    return this.arena?.pages.total ?? 0;
  }

  /** The span of a run, if it is known and still the one that was read. */
  span(run: PageRun): KnownSpan | undefined {
    const span = run.span === undefined ? undefined : this.#spans.get(run.span);
    return span !== undefined && this.#fits(run, span) ? span : undefined;
  }

  #fits(run: PageRun, span: Span): boolean {
    const first = this.pageOf(span.address);
    return first === run.page && span.pages >= run.pages ? true : first < 0 && run.page === 0;
  }

  /** The page of an address, from the beginning of the arena; negative or too large outside it. */
  pageOf(address: string): number {
    return Math.floor((Number(address) - Number(this.arena?.address ?? 0)) / PAGE);
  }

  runAt(page: number): PageRun | undefined {
    let lo = 0;
    let hi = this.runs.length - 1;
    while (lo <= hi) {
      const mid = (lo + hi) >> 1;
      const run = this.runs[mid];
      if (page < run.page) hi = mid - 1;
      else if (page >= run.page + run.pages) lo = mid + 1;
      else return run;
    }
    return undefined;
  }

  counts(): Record<PageState, number> {
    const out: Record<PageState, number> = { inUse: 0, cached: 0, free: 0, released: 0, unmapped: 0 };
    for (const run of this.runs) out[run.state] += run.pages;
    return out;
  }

  async refresh(signal: AbortSignal): Promise<void> {
    const path = this.#feed.path(`arenas/${this.index}`);
    const { runs, ...arena } = await get<Arena & { runs: PageRun[] }>(path, signal);
    const changed = this.runs.length > 0;
    this.arena = arena;
    this.runs = runs;
    const firstUnknown = (): PageRun | undefined =>
      runs.find((run) => run.span !== undefined && this.span(run) === undefined);
    const unknown = firstUnknown();
    await this.#readSpans(unknown?.page ?? this.#next ?? 0, signal, changed);
    if (unknown !== undefined) {
      const more = firstUnknown();
      if (more !== undefined && more.page > unknown.page) await this.#readSpans(more.page, signal, changed);
    }
    if (unknown?.page === 0 && unknown.span !== undefined && this.span(unknown) === undefined) {
      // A large object that began in the arena before: the listing has it there.
      const one = await get<Span>(this.#feed.path(`spans/${unknown.span}`), signal).catch(() => undefined);
      if (one !== undefined) this.#keep(one, changed);
    }
    this.#forget();
    this.complete = firstUnknown() === undefined;
  }

  async #readSpans(page: number, signal: AbortSignal, changed: boolean): Promise<void> {
    const first = this.index * this.pages;
    const cursor = (first + page).toString(36);
    const path = this.#feed.path(`spans?limit=${SPANS}&cursor=${cursor}`);
    const { spans, next } = await get<{ spans: Span[]; next?: string }>(path, signal);
    for (const span of spans) if (this.pageOf(span.address) < this.pages) this.#keep(span, changed);
    const then = next === undefined ? this.pages : Number.parseInt(next, 36) - first;
    this.#next = then < this.pages ? then : 0;
  }

  #keep(span: Span, changed: boolean): void {
    const old = this.#spans.get(span.id);
    const same =
      old !== undefined &&
      old.address === span.address &&
      old.spanClass === span.spanClass &&
      old.allocated === span.allocated &&
      old.freeindex === span.freeindex;
    // What was there at the first look changed at a time that nobody knows.
    const changedAt = same ? old.changedAt : old !== undefined || changed ? Date.now() : 0;
    this.#spans.set(span.id, { ...span, changedAt });
  }

  /** Drops spans that no page of the arena belongs to any more. */
  #forget(): void {
    const ids = new Set(this.runs.map((run) => run.span));
    for (const id of this.#spans.keys()) if (!ids.has(id)) this.#spans.delete(id);
  }
}
