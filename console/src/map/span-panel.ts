/**
 * One span, down to its slots: its fields, the list that it stands in and its neighbours there, and a cell for each slot.
 *
 * A slot's colour is its state; a dot in it says that the last mark reached the object, a ring that no client holds a root.
 */

import { curlLine } from '../curl.js';
import { type Fact, facts, fill, h, updateFacts } from '../dom.js';
import type { Feed } from '../feed.js';
import { bytes, count, percent } from '../format.js';
import { CellGrid, type CellRun } from '../grid.js';
import { colour } from '../theme.js';
import type { OneSpan, Slot } from '../types.js';
import type { Links } from './object-panel.js';

const SLOT_WORDS: Record<Slot['state'], string> = {
  free: 'free',
  cached: 'free, next for the P that has the span',
  allocated: 'allocated, rooted',
  dropped: 'root dropped: the sweep decides',
  reusable: 'freed for immediate reuse',
};

function describe(slot: Slot | undefined): string {
  if (slot === undefined) return '';
  const tiny = slot.tiny === undefined ? '' : `, tiny block with ${slot.tiny.length} objects`;
  const mark = slot.marked ? ', marked' : '';
  return `slot ${slot.slot} · ${slot.address} · ${SLOT_WORDS[slot.state]}${mark}${tiny}`;
}

function runs(slots: readonly Slot[]): CellRun[] {
  return slots.map(({ slot, state, marked, rooted }) => {
    const run: CellRun = { from: slot, count: 1, fill: colour(`slot-${state}`) };
    if (marked) run.glyph = 'dot';
    else if (state === 'dropped' && !rooted) run.glyph = 'ring';
    return run;
  });
}

function legend(span: OneSpan): HTMLElement {
  const totals = new Map<Slot['state'], number>();
  for (const { state } of span.slotList) totals.set(state, (totals.get(state) ?? 0) + 1);
  const keys = Object.entries(SLOT_WORDS).map(([state, words]) => {
    const box = h('i', { class: 'swatch' });
    box.style.background = colour(`slot-${state}`);
    return h('span', { class: 'key' }, box, `${words}: ${count(totals.get(state as Slot['state']) ?? 0)}`);
  });
  const marked = span.slotList.filter((slot) => slot.marked).length;
  return h('p', { class: 'legend' }, ...keys, h('span', { class: 'key' }, `● marked: ${count(marked)}`));
}

/** A panel that can be refreshed with a newer view of the same span. */
export class SpanPanel {
  readonly el = h('div', { class: 'span-panel' });
  readonly #links: Links;
  readonly #facts = facts([]);
  readonly #legend = h('div');
  readonly #tiny = h('div', { 'aria-live': 'polite' });
  readonly #grid: CellGrid;
  #span: OneSpan | undefined;

  constructor(feed: Feed, id: number, links: Links, openObject: (address: string) => void) {
    this.#links = links;
    this.#grid = new CellGrid({
      label: `Slots of span ${id}`,
      columns: () => this.#columns(),
      largest: 40,
      smallest: 7,
      describe: (cell) => describe(this.#span?.slotList[cell]),
      open: (cell) => this.#open(cell, openObject),
    });
    fill(
      this.el,
      this.#facts,
      h('h4', {}, 'Slots'),
      this.#grid.el,
      this.#grid.status,
      this.#tiny,
      this.#legend,
      curlLine('GET', feed.path(`spans/${id}`)),
    );
  }

  focus(): void {
    this.#grid.el.focus();
  }

  /** Few slots stand in short rows of large cells. */
  #columns(): number {
    const slots = this.#span?.slots ?? 1;
    if (slots <= 32) return 8;
    if (slots <= 128) return 16;
    return slots <= 520 ? 24 : 32;
  }

  show(span: OneSpan): void {
    this.#span = span;
    this.#grid.set(runs(span.slotList), span.slots);
    updateFacts(this.#facts, this.#about(span));
    fill(this.#legend, legend(span));
  }

  #about(span: OneSpan): Fact[] {
    const links = this.#links;
    const neighbour = (id: number | null): HTMLElement | string => (id === null ? 'none' : links.span(id));
    const kind = span.noscan ? 'no pointers' : 'with pointers';
    const where = span.p === undefined ? span.list : `${span.list} of P ${span.p}`;
    const rows: Fact[] = [
      ['address', h('code', {}, span.address)],
      ['pages', `${span.pages} (${bytes(span.bytes)})`],
      ['class', span.sizeClass === 0 ? `large, ${kind}` : `${span.sizeClass}: ${count(span.slotSize)} B, ${kind}`],
      ['span class', String(span.spanClass), 'Size class × 2, + 1 without pointers'],
      ['in use', `${count(span.allocated)} of ${count(span.slots)} (${percent(span.occupancy)})`],
      ['freeindex', String(span.freeindex), 'Slots below it have been handed out since the last sweep'],
      ['list', where, 'The list of its mcentral, or that a P has cached it'],
      ['sweepgen', `${span.sweepgen}: ${span.sweepState}`],
      ['prev', neighbour(span.prev), 'The span before it in its list'],
      ['next', neighbour(span.next), 'The span after it: used next'],
      ['needzero', span.needzero ? 'yes' : 'no', 'Its pages were used before'],
    ];
    if (span.requested !== undefined) rows.push(['asked for', bytes(span.requested)]);
    return rows;
  }

  #open(cell: number, openObject: (address: string) => void): void {
    const slot = this.#span?.slotList[cell];
    if (slot === undefined) return;
    this.#grid.select(cell, 1);
    if (slot.tiny !== undefined && slot.tiny.length > 0) {
      const at = (offset: number): string => `0x${(Number(slot.address) + offset).toString(16)}`;
      const items = slot.tiny.map((offset) =>
        h(
          'li',
          {},
          this.#links.object(at(offset)),
          h('span', { class: 'dim' }, slot.tinyRooted?.includes(offset) ? ' rooted' : ' root dropped'),
        ),
      );
      fill(
        this.#tiny,
        h('p', {}, `Slot ${cell} is a tiny block. Its objects live and die together:`),
        h('ul', { class: 'links' }, ...items),
      );
      (this.#tiny.querySelector('a') as HTMLElement | null)?.focus();
      return;
    }
    fill(this.#tiny);
    if (slot.state === 'allocated' || slot.state === 'dropped') openObject(slot.address);
    else fill(this.#tiny, h('p', { class: 'dim' }, `Slot ${cell} holds no object: ${SLOT_WORDS[slot.state]}.`));
  }
}
