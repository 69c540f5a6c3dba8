/**
 * A grid of small cells on a canvas: pages of an arena, slots of a span.
 *
 *      runs   | span 1 (2 cells) | span 2 | free (5 cells) …        cells of a run are drawn as one piece
 *
 * Two canvases lie on each other: the cells, drawn when they change, and the highlight (hover, keyboard, selection), drawn
 * when the reader moves. Sizes are whole device pixels, so that 8,192 cells stay sharp.
 *
 * By keyboard: arrows move by a cell, Home and End to the ends of the row, Page Up and Down by eight rows, [ and ] to the
 * run before and after, Enter opens. What is under the cursor stands in `status`, which is also announced.
 */

import { h, oncePerFrame, setText } from './dom.js';
import { colour, onTheme } from './theme.js';

export interface CellRun {
  from: number;
  count: number;
  fill: string;
  /** Drawn into the cell: a dot (marked) or a ring (no root). */
  glyph?: 'dot' | 'ring';
}

export interface GridOptions {
  label: string;
  columns(width: number): number;
  /** Largest and smallest side of a cell in CSS pixels, at zoom 1. */
  largest: number;
  smallest: number;
  describe(cell: number): string;
  open(cell: number): void;
}

export class CellGrid {
  readonly status = h('p', { class: 'grid-status', 'aria-live': 'polite' });
  readonly el: HTMLElement;
  readonly #options: GridOptions;
  readonly #stage = h('div', { class: 'grid-stage' });
  readonly #cells = h('canvas', { 'aria-hidden': true });
  readonly #over = h('canvas', { 'aria-hidden': true });
  readonly #tip = h('div', { class: 'tip', hidden: true });
  readonly #redraw = oncePerFrame(() => this.#draw());
  readonly #highlight = oncePerFrame(() => this.#drawOver());
  #runs: CellRun[] = [];
  #count = 0;
  #columns = 1;
  /** Side of a cell in device pixels. */
  #side = 1;
  #zoom = 1;
  #cursor = 0;
  #hover = -1;
  #selected: [from: number, count: number] | undefined;

  constructor(options: GridOptions) {
    this.#options = options;
    this.#stage.append(this.#cells, this.#over);
    const label = `${options.label}. Arrow keys move, brackets jump, Enter opens.`;
    this.el = h(
      'div',
      { class: 'grid', tabindex: 0, role: 'application', 'aria-label': label },
      this.#stage,
      this.#tip,
    );
    this.#listen();
    new ResizeObserver(this.#redraw).observe(this.el);
    onTheme(this.#redraw);
  }

  set(runs: CellRun[], count: number): void {
    this.#runs = runs;
    this.#count = count;
    this.#cursor = Math.min(this.#cursor, Math.max(0, count - 1));
    // What it said may not be so any more.
    if (this.status.textContent !== '') this.#tell();
    this.#redraw();
  }

  select(from: number, count: number): void {
    this.#selected = count > 0 ? [from, count] : undefined;
    if (count > 0) {
      this.#cursor = from;
      this.#tell();
    }
    this.#highlight();
  }

  set zoom(zoom: number) {
    this.#zoom = zoom;
    this.#redraw();
  }

  /** Scrolls a cell into sight. */
  reveal(cell: number): void {
    const side = this.#side / devicePixelRatio;
    const x = (cell % this.#columns) * side;
    const y = Math.floor(cell / this.#columns) * side;
    const { scrollLeft: left, scrollTop: top, clientWidth: w, clientHeight: height } = this.el;
    if (x < left || x + side > left + w) this.el.scrollLeft = x - w / 2;
    if (y < top || y + side > top + height) this.el.scrollTop = y - height / 2;
  }

  #run(cell: number): number {
    let lo = 0;
    let hi = this.#runs.length - 1;
    while (lo <= hi) {
      const mid = (lo + hi) >> 1;
      const { from, count } = this.#runs[mid];
      if (cell < from) hi = mid - 1;
      else if (cell >= from + count) lo = mid + 1;
      else return mid;
    }
    return -1;
  }

  #at(event: MouseEvent): number {
    const box = this.#over.getBoundingClientRect();
    const side = this.#side / devicePixelRatio;
    const column = Math.floor((event.clientX - box.left) / side);
    const row = Math.floor((event.clientY - box.top) / side);
    const cell = row * this.#columns + column;
    return column >= 0 && column < this.#columns && row >= 0 && cell < this.#count ? cell : -1;
  }

  #listen(): void {
    this.#over.addEventListener('pointermove', (event) => this.#point(this.#at(event), event));
    this.#over.addEventListener('pointerleave', () => this.#point(-1));
    this.#over.addEventListener('click', (event) => {
      const cell = this.#at(event);
      if (cell < 0) return;
      this.#cursor = cell;
      this.#tell();
      this.#options.open(cell);
    });
    this.el.addEventListener('focus', () => {
      this.#tell();
      this.#highlight();
    });
    this.el.addEventListener('blur', this.#highlight);
    this.el.addEventListener('keydown', (event) => this.#key(event));
  }

  #point(cell: number, event?: PointerEvent): void {
    this.#tip.hidden = cell < 0;
    if (cell >= 0 && event !== undefined) {
      setText(this.#tip, this.#options.describe(cell));
      const right = event.clientX > innerWidth - 280;
      const { style } = this.#tip;
      style.left = `${right ? event.clientX - this.#tip.offsetWidth - 12 : event.clientX + 14}px`;
      style.top = `${Math.min(event.clientY + 16, innerHeight - this.#tip.offsetHeight - 8)}px`;
    }
    if (cell === this.#hover) return;
    this.#hover = cell;
    this.#highlight();
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || this.#count === 0) return;
    const { key } = event;
    if (key === 'Enter' || key === ' ') {
      event.preventDefault();
      this.#options.open(this.#cursor);
      return;
    }
    const column = this.#cursor % this.#columns;
    const run = this.#run(this.#cursor);
    const moves: Record<string, number> = {
      ArrowRight: this.#cursor + 1,
      ArrowLeft: this.#cursor - 1,
      ArrowDown: this.#cursor + this.#columns,
      ArrowUp: this.#cursor - this.#columns,
      Home: this.#cursor - column,
      End: this.#cursor - column + this.#columns - 1,
      PageDown: this.#cursor + 8 * this.#columns,
      PageUp: this.#cursor - 8 * this.#columns,
      ']': this.#runs[run + 1]?.from ?? this.#cursor,
      '[': this.#runs[run - 1]?.from ?? this.#cursor,
    };
    const to = moves[key];
    if (to === undefined) return;
    event.preventDefault();
    this.#cursor = Math.max(0, Math.min(this.#count - 1, to));
    this.reveal(this.#cursor);
    this.#tell();
    this.#highlight();
  }

  #tell(): void {
    setText(this.status, this.#count === 0 ? '' : this.#options.describe(this.#cursor));
  }

  #draw(): void {
    const width = this.el.clientWidth;
    if (width === 0) return;
    const { largest, smallest } = this.#options;
    const ratio = devicePixelRatio;
    this.#columns = Math.max(1, Math.min(this.#options.columns(width), this.#count || 1));
    const fit = Math.floor((width * ratio) / this.#columns);
    const side = Math.round(Math.max(smallest * ratio, Math.min(largest * ratio, fit)) * this.#zoom);
    this.#side = side;
    const rows = Math.ceil(this.#count / this.#columns);
    for (const canvas of [this.#cells, this.#over]) {
      const w = this.#columns * side;
      const height = rows * side;
      if (canvas.width !== w || canvas.height !== height) {
        canvas.width = w;
        canvas.height = height;
        canvas.style.width = `${w / ratio}px`;
        canvas.style.height = `${height / ratio}px`;
      }
    }
    const ctx = this.#cells.getContext('2d');
    if (ctx === null) return;
    ctx.clearRect(0, 0, this.#cells.width, this.#cells.height);
    const gap = side >= 4 * ratio ? Math.max(1, Math.round(ratio)) : 0;
    for (const run of this.#runs) this.#drawRun(ctx, run, side, gap);
    this.#drawOver();
  }

  #drawRun(ctx: CanvasRenderingContext2D, { from, count, fill, glyph }: CellRun, side: number, gap: number): void {
    const columns = this.#columns;
    const end = Math.min(from + count, this.#count);
    ctx.fillStyle = fill;
    for (let cell = from; cell < end; ) {
      const row = Math.floor(cell / columns);
      const stop = Math.min(end, (row + 1) * columns);
      const x = (cell - row * columns) * side;
      ctx.fillRect(x, row * side, (stop - cell) * side - gap, side - gap);
      // The part of this row that the run goes on below: no gap between.
      const below = Math.min(stop + columns, end) - columns;
      const first = Math.max(cell, from);
      if (below > first) ctx.fillRect((first - row * columns) * side, row * side, (below - first) * side - gap, side);
      cell = stop;
    }
    if (glyph === undefined || side < 6) return;
    const x = (from % columns) * side + (side - gap) / 2;
    const y = Math.floor(from / columns) * side + (side - gap) / 2;
    ctx.beginPath();
    ctx.arc(x, y, Math.max(1.5, side * 0.18), 0, 2 * Math.PI);
    ctx.fillStyle = ctx.strokeStyle = colour('glyph');
    ctx.lineWidth = Math.max(1, side / 12);
    if (glyph === 'dot') ctx.fill();
    else ctx.stroke();
  }

  #drawOver(): void {
    const ctx = this.#over.getContext('2d');
    if (ctx === null) return;
    ctx.clearRect(0, 0, this.#over.width, this.#over.height);
    if (this.#selected !== undefined) this.#outline(ctx, ...this.#selected, colour('select'), 2);
    if (this.#hover >= 0) {
      const run = this.#runs[this.#run(this.#hover)];
      if (run !== undefined) this.#outline(ctx, run.from, run.count, colour('ink'), 1);
    }
    if (document.activeElement === this.el && this.#count > 0) {
      this.#outline(ctx, this.#cursor, 1, colour('accent'), 2);
    }
  }

  #outline(ctx: CanvasRenderingContext2D, from: number, count: number, style: string, width: number): void {
    const columns = this.#columns;
    const side = this.#side;
    const line = (x0: number, y0: number, x1: number, y1: number): void => {
      ctx.moveTo(x0, y0);
      ctx.lineTo(x1, y1);
    };
    ctx.strokeStyle = style;
    ctx.lineWidth = width * devicePixelRatio;
    const end = Math.min(from + count, this.#count);
    // The edges of the shape: of each row segment the top and bottom where no cell of it adjoins, and the ends.
    ctx.beginPath();
    for (let cell = from; cell < end; ) {
      const row = Math.floor(cell / columns);
      const stop = Math.min(end, (row + 1) * columns);
      const [x0, x1] = [(cell - row * columns) * side, (stop - row * columns) * side];
      const [y0, y1] = [row * side, (row + 1) * side];
      const above = Math.max(cell, Math.min(stop, from + columns));
      if (above > cell) line(x0, y0, (above - row * columns) * side, y0);
      const below = Math.max(cell, Math.min(stop, end - columns));
      if (below < stop) line((below - row * columns) * side, y1, x1, y1);
      line(x0, y0, x0, y1);
      line(x1, y0, x1, y1);
      cell = stop;
    }
    ctx.stroke();
  }
}
