/**
 * The size classes over time: a row each, coloured by how full their spans are, as strong as there are many of them.
 *
 * Bounded: a column for each look (two seconds), at most `MOST` of them. Looks are made only while the tab is open, so there are gaps.
 */

import { get } from '../api.js';
import { h, setText } from '../dom.js';
import type { Feed } from '../feed.js';
import { bytes, clock, count, percent } from '../format.js';
import { occupancyColour } from '../map/colour.js';
import { colour, onTheme } from '../theme.js';
import type { Cycle, SizeClass } from '../types.js';
import { type Panel, panel, savePng } from './panel.js';
import { HEATMAP } from './plots.js';
import type { Window } from './window.js';

const CLASSES = 67;
const ROW = 6;
const LEFT = 66;
const MOST = 400;
export const LOOK_EVERY = 2_000;

interface Column {
  t: number;
  spans: Uint32Array;
  /** 0 to 1; NaN where there is no span. */
  full: Float32Array;
}

export class Heatmap {
  readonly #panel: Panel;
  readonly #feed: Feed;
  readonly #window: Window;
  readonly #canvas = h('canvas', {
    class: 'heat',
    role: 'img',
    'aria-label': 'Spans and occupancy by size class, over time',
  });
  readonly #text = h('p', { class: 'grid-status' });
  #columns: Column[] = [];
  #sizes: number[] = [];

  constructor(feed: Feed, window: Window, note: () => string) {
    this.#feed = feed;
    this.#window = window;
    this.#panel = panel('classes', HEATMAP.title, HEATMAP.info, HEATMAP.metrics, () =>
      savePng('goheap-size-classes', HEATMAP.title, note(), [], this.#canvas),
    );
    this.#panel.el.classList.add('wide');
    this.#panel.body.append(this.#canvas, this.#text);
    this.#canvas.addEventListener('pointermove', (event) => this.#point(event));
    this.#canvas.addEventListener('pointerleave', () => setText(this.#text, ''));
    feed.on('heap', () => {
      this.#columns = [];
    });
    onTheme(() => this.draw());
  }

  get el(): HTMLElement {
    return this.#panel.el;
  }

  async read(signal: AbortSignal): Promise<void> {
    const { sizeClasses } = await get<{ sizeClasses: SizeClass[] }>(this.#feed.path('size-classes'), signal);
    const column: Column = {
      t: this.#feed.last?.t ?? Date.now(),
      spans: new Uint32Array(CLASSES),
      full: new Float32Array(CLASSES),
    };
    sizeClasses.forEach(({ spans, slots, objects }, i) => {
      const all = spans.scan * slots.scan + spans.noscan * slots.noscan;
      column.spans[i] = spans.scan + spans.noscan;
      column.full[i] = all === 0 ? Number.NaN : Math.min(1, objects / all);
    });
    this.#sizes = sizeClasses.map(({ size }) => size);
    this.#columns.push(column);
    if (this.#columns.length > MOST) this.#columns.splice(0, this.#columns.length - MOST);
  }

  draw(): void {
    const width = this.#panel.body.clientWidth;
    const ctx = this.#canvas.getContext('2d');
    if (width === 0 || ctx === null) return;
    const ratio = devicePixelRatio;
    const height = CLASSES * ROW;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    this.#canvas.style.height = `${height}px`;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = colour('sunk');
    ctx.fillRect(LEFT, 0, width - LEFT, height);
    const x = (t: number): number =>
      LEFT + ((t - this.#window.start) / (this.#window.end - this.#window.start)) * (width - LEFT);
    const most = Math.max(16, ...this.#columns.flatMap(({ spans }) => Math.max(...spans)));
    this.#columns.forEach((column, i) => {
      const next = this.#columns[i + 1];
      const left = Math.max(LEFT, x(column.t));
      // A look counts until the next one, or for a while.
      const right = x(Math.min(next?.t ?? Number.POSITIVE_INFINITY, column.t + 3 * LOOK_EVERY, this.#window.end));
      if (right > left) this.#drawColumn(ctx, column, left, right - left + 0.5, most);
    });
    this.#drawCycles(ctx, this.#window.cycles, x, height);
    this.#drawSizes(ctx);
  }

  #drawColumn(ctx: CanvasRenderingContext2D, { spans, full }: Column, x: number, w: number, most: number): void {
    for (let i = 0; i < CLASSES; i++) {
      if (spans[i] === 0) continue;
      ctx.globalAlpha = 0.25 + 0.75 * (Math.log2(1 + spans[i]) / Math.log2(1 + most));
      ctx.fillStyle = occupancyColour(full[i]);
      ctx.fillRect(x, i * ROW, w, ROW - 0.5);
    }
    ctx.globalAlpha = 1;
  }

  #drawCycles(ctx: CanvasRenderingContext2D, cycles: Cycle[], x: (t: number) => number, height: number): void {
    ctx.fillStyle = colour('gc-line');
    for (const cycle of cycles) ctx.fillRect(x(Date.parse(cycle.startedAt)), 0, 1, height);
  }

  #drawSizes(ctx: CanvasRenderingContext2D): void {
    ctx.clearRect(0, 0, LEFT - 2, CLASSES * ROW);
    ctx.fillStyle = colour('dim');
    ctx.font = '10.5px sans-serif';
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    let last = -20;
    this.#sizes.forEach((size, i) => {
      const y = i * ROW + ROW / 2;
      // Powers of two, where there is room.
      if ((size & (size - 1)) !== 0 || y - last < 11) return;
      last = y;
      ctx.fillText(bytes(size).replace('.00', '').replace('.0', ''), LEFT - 8, Math.max(6, y));
    });
  }

  #point(event: PointerEvent): void {
    const box = this.#canvas.getBoundingClientRect();
    const i = Math.floor((event.clientY - box.top) / ROW);
    const share = (event.clientX - box.left - LEFT) / (box.width - LEFT);
    const t = this.#window.start + share * (this.#window.end - this.#window.start);
    const column = this.#columns.findLast((c) => c.t <= t && t - c.t <= 3 * LOOK_EVERY);
    const size = this.#sizes[i];
    if (size === undefined) return;
    const what = `class ${i + 1}, ${count(size)} B`;
    if (column === undefined) setText(this.#text, what);
    else if (column.spans[i] === 0) setText(this.#text, `${clock(t)} · ${what} · no span`);
    else
      setText(this.#text, `${clock(t)} · ${what} · ${count(column.spans[i])} spans, ${percent(column.full[i])} full`);
  }
}
