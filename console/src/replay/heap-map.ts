/**
 * The simulated heap's pages at a moment.
 *
 *      slider ──▶ wait 150 ms ──▶ kept? draw ── else ──▶ GET …/map, which ends the one before ──▶ keep, draw
 *
 * The server simulates each map anew, so the one that nobody waits for any more is given up (it ends there too), and the latest are kept here, up to `KEPT`
 * runs: 48 MB.
 */

import type { HeapMap } from '../../../src/replay/result.js';
import { ApiError, get } from '../api.js';
import { fill, h, oncePerFrame, setText } from '../dom.js';
import { bytes, count, percent, seconds } from '../format.js';
import { CellGrid, type CellRun } from '../grid.js';
import { classColour, modeLegend, occupancyColour, pageColour, STATE_WORDS, swatch } from '../map/colour.js';
import { onTheme } from '../theme.js';
import { frame } from './chart.js';
import { type Cells, cellsOf, FIELDS, FREE, flat, MOST, type Runs, runAt, SPAN, starts } from './map-cells.js';
import { MAP } from './texts.js';

const WAIT = 150;
const KEPT = 2_000_000;
const PAGE = 8192;
const STATES = ['free', 'released', 'inUse'] as const;

/** A map as it is kept. */
type Picture = Omit<HeapMap, 'runs'> & { runs: Runs };

const views = new Set<HeapMapView>();
onTheme(() => {
  for (const view of views) view.repaint();
});

export class HeapMapView {
  readonly el: HTMLElement;
  readonly #path: (event: number) => string;
  /** Bytes of a slot, by class. */
  readonly #sizes: Map<number, number>;
  readonly #grid: CellGrid;
  readonly #said = h('p', { class: 'small-text', role: 'status' });
  readonly #legend = h('div', { class: 'legend', 'aria-label': 'Legend' });
  readonly #arena = h('select', { 'aria-label': 'Arena', hidden: true });
  readonly #draw = oncePerFrame(() => this.#redraw());
  readonly #kept = new Map<number, Picture>();
  #keptRuns = 0;
  #mode: 'class' | 'occupancy' = 'class';
  #map: Picture | undefined;
  #first: Float64Array = new Float64Array(1);
  #cells: Cells = { pages: 1, count: 0, run: new Int32Array() };
  #from = 0;
  #wanted = -1;
  #timer: number | undefined;
  #abort = new AbortController();

  constructor(path: (event: number) => string, sizes: Map<number, number>) {
    this.#path = path;
    this.#sizes = sizes;
    this.#grid = new CellGrid({
      label: 'Pages of the simulated heap',
      columns: (width) => (width >= 600 ? 128 : 64) / (this.#cells.count <= 1024 ? 2 : 1),
      largest: 16,
      smallest: 3,
      describe: (cell) => this.#describe(cell),
      open: () => undefined,
    });
    const { el, body } = frame('replay-map', MAP.title, MAP.info, MAP.fields);
    const modes = (['class', 'occupancy'] as const).map((mode) => {
      const input = h('input', { type: 'radio', name: 'replay-map-mode', value: mode, checked: mode === this.#mode });
      input.addEventListener('change', () => {
        this.#mode = mode;
        this.#draw();
      });
      return h('label', {}, input, h('span', {}, mode === 'class' ? 'Size class' : 'Occupancy'));
    });
    this.#arena.addEventListener('change', () => this.#lay());
    el.querySelector('.plot-head')?.append(
      this.#arena,
      h('div', { class: 'segments small-text', role: 'radiogroup', 'aria-label': 'Colour by' }, ...modes),
    );
    body.append(this.#said, this.#grid.el, this.#grid.status, this.#legend);
    this.el = el;
    el.classList.add('replay-map');
    views.add(this);
  }

  /** Shows the heap after so many events, soon. */
  show(event: number): void {
    if (event === this.#wanted) return;
    this.#wanted = event;
    this.#abort.abort();
    clearTimeout(this.#timer);
    const kept = this.#kept.get(event);
    if (kept !== undefined) {
      this.#put(kept);
      return;
    }
    this.el.setAttribute('aria-busy', 'true');
    this.#timer = setTimeout(() => void this.#read(event), WAIT);
  }

  repaint(): void {
    this.#draw();
  }

  destroy(): void {
    views.delete(this);
    this.#abort.abort();
    clearTimeout(this.#timer);
  }

  async #read(event: number): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    setText(this.#said, `Simulating up to event ${count(event)} …`);
    try {
      const { runs, ...rest } = await get<HeapMap>(this.#path(event), abort.signal);
      if (abort.signal.aborted) return;
      const map = { ...rest, runs: flat(runs) };
      this.#keep(event, map);
      this.#put(map);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      this.el.removeAttribute('aria-busy');
      this.#wanted = -1;
      setText(this.#said, `${error.problem.title}. ${error.problem.detail}`);
    }
  }

  #keep(event: number, map: Picture): void {
    this.#kept.set(event, map);
    this.#keptRuns += map.runs.length / FIELDS;
    for (const [old, { runs }] of this.#kept) {
      if (this.#keptRuns <= KEPT || old === event) break;
      this.#kept.delete(old);
      this.#keptRuns -= runs.length / FIELDS;
    }
  }

  #put(map: Picture): void {
    this.#map = map;
    this.#first = starts(map.runs);
    this.el.removeAttribute('aria-busy');
    const pages = `${count(map.pages)} pages, ${bytes(map.pages * PAGE)}`;
    setText(this.#said, `After ${count(map.event)} events, ${seconds(map.seconds)}: ${pages}.`);
    this.el.dataset.event = String(this.#wanted);
    const arenas = Math.ceil(map.pages / map.arenaPages);
    this.#arena.hidden = arenas < 2;
    if (this.#arena.options.length !== arenas + 1) {
      const chosen = Math.min(Number(this.#arena.value || -1), arenas - 1);
      const choices = Array.from({ length: arenas }, (_, i) => h('option', { value: i }, `arena ${i}`));
      fill(this.#arena, h('option', { value: -1 }, 'all arenas'), ...choices);
      this.#arena.value = String(chosen);
    }
    this.#lay();
  }

  #lay(): void {
    const map = this.#map;
    if (map === undefined) return;
    const arena = Number(this.#arena.value || -1);
    this.#from = arena < 0 ? 0 : arena * map.arenaPages;
    const to = arena < 0 ? map.pages : Math.min(map.pages, this.#from + map.arenaPages);
    this.#cells = cellsOf(this.#first, this.#from, to);
    this.#draw();
  }

  #colour(runs: Runs, run: number): string {
    const [state, , sizeClass, noscan, slots, used] = runs.subarray(run * FIELDS, (run + 1) * FIELDS);
    if (state !== SPAN) return pageColour(state === FREE ? 'free' : 'released');
    return this.#mode === 'class'
      ? classColour(sizeClass, noscan === 1)
      : occupancyColour(slots === 0 ? 0 : used / slots);
  }

  #redraw(): void {
    const map = this.#map;
    if (map === undefined) return;
    const { run, count: n, pages: each } = this.#cells;
    const runs: CellRun[] = [];
    for (let cell = 0; cell < n; ) {
      let end = cell + 1;
      while (end < n && run[end] === run[cell]) end++;
      runs.push({ from: cell, count: end - cell, fill: this.#colour(map.runs, run[cell]) });
      cell = end;
    }
    this.#grid.set(runs, n);
    const pages = [0, 0, 0];
    for (let i = 0; i < map.runs.length; i += FIELDS) pages[map.runs[i]] += map.runs[i + 1];
    const states = (['free', 'released'] as const).map((state, i) =>
      swatch(pageColour(state), `${STATE_WORDS[state]}: ${count(pages[i])}`),
    );
    const coarse =
      each === 1
        ? null
        : h('span', { class: 'key' }, `a cell is ${count(each)} pages: there are more than ${count(MOST)}`);
    fill(
      this.#legend,
      ...modeLegend(this.#mode),
      ...states,
      h('span', { class: 'key dim' }, `in use: ${count(pages[SPAN])} pages`),
      coarse,
    );
  }

  #describe(cell: number): string {
    const map = this.#map;
    if (map === undefined || map.runs.length === 0) return '';
    const { pages: each, run } = this.#cells;
    const page = this.#from + cell * each;
    const at = (run[cell] ?? runAt(this.#first, page)) * FIELDS;
    const [state, pages, sizeClass, noscan, slots, used] = map.runs.subarray(at, at + FIELDS);
    const where = each === 1 ? `page ${page}` : `pages ${page} to ${Math.min(page + each, map.pages) - 1}, mostly`;
    const many = pages === 1 ? '1 page' : `${count(pages)} pages`;
    if (state !== SPAN) return `${where} · ${STATE_WORDS[STATES[state]]} (${many})`;
    const size = this.#sizes.get(sizeClass);
    const kind = sizeClass === 0 ? 'large' : `class ${sizeClass}${size === undefined ? '' : `, ${count(size)} B`}`;
    return `${where} · ${many} of ${kind}, ${noscan === 1 ? 'noscan' : 'scan'} · ${count(used)}/${count(slots)} slots (${percent(slots === 0 ? 0 : used / slots)})`;
  }
}
