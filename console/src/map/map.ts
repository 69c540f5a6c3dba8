/**
 * The heap map: arenas, the pages of one, a span of these, a slot of that, an object.
 *
 *      [arena 0 12%] [arena 1 3%]                         the strip
 *      ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇   Span 12              a row of pages is 1 MiB where the page is wide; a panel
 *      ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇                 ▣▣▣▢▢▢
 *
 * A look is at most five requests (strip, pages of one arena, one or two pages of spans, the open span), at most once a second, and
 * none while the heap is at rest.
 */

import { button, fill, h, oncePerFrame } from '../dom.js';
import type { Feed } from '../feed.js';
import { bytes, count, percent } from '../format.js';
import { CellGrid, type CellRun } from '../grid.js';
import { goTo } from '../route.js';
import { onTheme } from '../theme.js';
import type { OneSpan } from '../types.js';
import { Poller, type View } from '../view.js';
import { ArenaData } from './arena-data.js';
import { ArenaStrip } from './arena-strip.js';
import { legend, MODE_LABELS, MODES, type Mode, pageColour, STATE_WORDS, spanColour } from './colour.js';
import { Side } from './side.js';

const ZOOMS = [1, 1.5, 2, 3, 4];

export class MapView implements View {
  readonly el: HTMLElement;
  readonly #feed: Feed;
  readonly #poller: Poller;
  readonly #strip: ArenaStrip;
  readonly #side: Side;
  readonly #grid: CellGrid;
  readonly #legend = h('div', { class: 'legend', 'aria-label': 'Legend' });
  readonly #zoom = h('span', { class: 'zoom' });
  readonly #draw = oncePerFrame(() => this.#redraw());
  #data: ArenaData;
  #mode: Mode = 'class';
  #zoomAt = 0;
  /** A span that the map shall point out, as soon as its arena is there. */
  #wanted: OneSpan | undefined;

  constructor(feed: Feed) {
    this.#feed = feed;
    this.#data = new ArenaData(feed, 0);
    this.#strip = new ArenaStrip(feed, (index) => this.#chooseArena(index));
    this.#side = new Side(feed, {
      go: (rest) => this.#go(rest),
      span: (span) => this.#pointOut(span),
      closed: () => {
        this.#wanted = undefined;
        this.#grid.select(0, 0);
        this.#go([]);
        this.#grid.el.focus();
      },
    });
    this.#grid = new CellGrid({
      label: 'Pages of the arena',
      columns: (width) => (width >= 600 ? 128 : 64) / (this.#data.pages <= 1024 ? 2 : 1),
      largest: 24,
      smallest: 4,
      describe: (page) => this.#describe(page),
      open: (page) => this.#openPage(page),
    });
    this.#poller = new Poller(feed, (signal) => this.#refresh(signal));
    const map = h('div', { class: 'map-main' }, this.#grid.el, this.#grid.status, this.#legend);
    this.el = h(
      'section',
      { class: 'map', 'aria-label': 'Heap map' },
      this.#toolbar(),
      this.#strip.el,
      h('div', { class: 'map-body' }, map, this.#side.el),
    );
    this.el.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !this.#side.open) return;
      event.preventDefault();
      this.#side.close();
    });
    feed.on('heap', () => this.#reset());
    onTheme(() => {
      this.#strip.draw();
      this.#draw();
    });
  }

  show(rest: string[]): void {
    this.#poller.start();
    if (rest.length === 2) void this.#side.show(rest);
    else if (this.#side.open) this.#side.clear();
  }

  hide(): void {
    this.#poller.stop();
  }

  #go(rest: string[]): void {
    goTo({ heap: this.#feed.heap, tab: 'map', rest });
  }

  #reset(): void {
    this.#side.clear();
    this.#strip.clear();
    this.#data = new ArenaData(this.#feed, 0);
    this.#wanted = undefined;
    this.#grid.select(0, 0);
    this.#draw();
  }

  #toolbar(): HTMLElement {
    const choices = MODES.map((mode) => {
      const input = h('input', { type: 'radio', name: 'map-mode', value: mode, checked: mode === this.#mode });
      input.addEventListener('change', () => {
        this.#mode = mode;
        this.#draw();
      });
      return h('label', {}, input, h('span', {}, MODE_LABELS[mode]));
    });
    const step = (by: number): void => {
      this.#zoomAt = Math.max(0, Math.min(ZOOMS.length - 1, this.#zoomAt + by));
      this.#grid.zoom = ZOOMS[this.#zoomAt];
      this.#zoom.textContent = `${ZOOMS[this.#zoomAt]}×`;
    };
    this.#zoom.textContent = '1×';
    return h(
      'div',
      { class: 'toolbar' },
      h('div', { class: 'segments', role: 'radiogroup', 'aria-label': 'Colour by' }, ...choices),
      h('span', { class: 'space' }),
      button('−', () => step(-1), { class: 'icon', 'aria-label': 'Smaller cells' }),
      this.#zoom,
      button('+', () => step(1), { class: 'icon', 'aria-label': 'Larger cells' }),
    );
  }

  #chooseArena(index: number): void {
    if (index < 0 || index === this.#data.index) return;
    this.#data = new ArenaData(this.#feed, index);
    this.#strip.choose(index);
    this.#grid.select(0, 0);
    this.#poller.soon();
    this.#draw();
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const data = this.#data;
    await this.#strip.refresh(signal);
    if (this.#strip.arenas.length === 0) {
      // A new heap has none yet; after a restart of the server the old one may still be shown.
      if (data === this.#data) this.#data = new ArenaData(this.#feed, 0);
      this.#draw();
      return;
    }
    await data.refresh(signal);
    if (!data.complete) this.#poller.soon();
    await this.#side.refresh(signal);
    if (data !== this.#data) return;
    if (this.#wanted !== undefined) this.#pointOut(this.#wanted);
    this.#draw();
  }

  #redraw(): void {
    const data = this.#data;
    const now = Date.now();
    let unread = 0;
    const runs = data.runs.map((run): CellRun => {
      const span = data.span(run);
      if (run.state === 'inUse' && span === undefined) unread += run.pages;
      const fill = span === undefined ? pageColour(run.state) : spanColour(this.#mode, span, span.changedAt, now);
      return { from: run.page, count: run.pages, fill };
    });
    this.#grid.set(runs, data.pages);
    fill(this.#legend, ...legend(this.#mode, data.counts(), unread));
  }

  #describe(page: number): string {
    const data = this.#data;
    const run = data.runAt(page);
    if (run === undefined) return `page ${page}`;
    const start = Number(data.arena?.address ?? 0) + page * 8192;
    const where = `page ${page} · 0x${start.toString(16)}`;
    const pages = run.pages === 1 ? '1 page' : `${count(run.pages)} pages`;
    if (run.span === undefined) return `${where} · ${STATE_WORDS[run.state]} (${pages})`;
    const span = data.span(run);
    if (span === undefined) return `${where} · span ${run.span} (${pages})`;
    const kind = span.sizeClass === 0 ? 'large' : `class ${span.sizeClass}, ${count(span.slotSize)} B`;
    const scan = span.noscan ? 'noscan' : 'scan';
    const use = `${span.allocated}/${span.slots} slots (${percent(span.occupancy)})`;
    const size = span.requested === undefined ? '' : ` · asked for ${bytes(span.requested)}`;
    const p = span.p === undefined ? '' : ` of P ${span.p}`;
    return `${where} · span ${run.span} (${pages}) · ${kind}, ${scan} · ${use} · ${span.list}${p}${size}`;
  }

  #openPage(page: number): void {
    const run = this.#data.runAt(page);
    if (run?.span === undefined) return;
    this.#grid.select(run.page, run.pages);
    this.#go(['span', String(run.span)]);
  }

  /** Marks a span on the map, in whichever arena it lies. */
  #pointOut(span: OneSpan): void {
    this.#wanted = span;
    if (this.#strip.arenas.length === 0) return;
    const arena = this.#strip.arenaOf(span.address);
    if (arena !== this.#data.index) {
      this.#chooseArena(arena);
      this.#wanted = span;
      return;
    }
    const page = this.#data.pageOf(span.address);
    if (this.#data.runAt(page) === undefined) return;
    this.#wanted = undefined;
    this.#grid.select(page, span.pages);
    this.#grid.reveal(page);
  }
}
