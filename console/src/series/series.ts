/** The series: every plot of `plots.ts` over the same stretch of time, and the size classes below. */

import { button, h, oncePerFrame } from '../dom.js';
import type { Feed } from '../feed.js';
import { clock } from '../format.js';
import { Poller, type View } from '../view.js';
import { Heatmap, LOOK_EVERY } from './heatmap.js';
import { SeriesPlot } from './plot.js';
import { PLOTS } from './plots.js';
import { MINUTES, Window } from './window.js';

/** Milliseconds between two drawings: more would not show. */
const DRAW_EVERY = 250;

export class SeriesView implements View {
  readonly el: HTMLElement;
  readonly #window: Window;
  readonly #plots: SeriesPlot[];
  readonly #heatmap: Heatmap;
  readonly #poller: Poller;
  readonly #draw = oncePerFrame(() => this.#redraw());
  #shown = false;
  #drawnAt = 0;

  constructor(feed: Feed) {
    this.#window = new Window(feed);
    const note = (): string => `heap ${feed.heap}, ${new Date(this.#window.end).toISOString()}`;
    this.#plots = PLOTS.map((plot) => new SeriesPlot(plot, this.#window, note));
    this.#heatmap = new Heatmap(feed, this.#window, note);
    this.#poller = new Poller(feed, (signal) => this.#heatmap.read(signal), LOOK_EVERY);
    this.el = h(
      'section',
      { class: 'series', 'aria-label': 'Series' },
      this.#toolbar(),
      h('div', { class: 'plots' }, ...this.#plots.map(({ el }) => el), this.#heatmap.el),
    );
    feed.on('sample', () => {
      if (this.#shown && !this.#window.paused && performance.now() - this.#drawnAt >= DRAW_EVERY) this.#draw();
    });
    feed.on('heap', () => {
      this.#window.paused = false;
    });
    new ResizeObserver(this.#draw).observe(this.el);
  }

  show(): void {
    this.#shown = true;
    this.#poller.start();
    this.#draw();
  }

  hide(): void {
    this.#shown = false;
    this.#poller.stop();
  }

  #redraw(): void {
    if (!this.#shown) return;
    this.#drawnAt = performance.now();
    for (const plot of this.#plots) plot.draw();
    this.#heatmap.draw();
  }

  #toolbar(): HTMLElement {
    const ranges = MINUTES.map((minutes) => {
      const input = h('input', {
        type: 'radio',
        name: 'range',
        value: minutes,
        checked: minutes === this.#window.minutes,
      });
      input.addEventListener('change', () => {
        this.#window.minutes = minutes;
        this.#draw();
      });
      return h('label', {}, input, h('span', {}, `${minutes} min`));
    });
    const state = h('span', { class: 'dim', role: 'status' });
    const pause = button('Pause', () => {
      this.#window.paused = !this.#window.paused;
      const { paused, end } = this.#window;
      pause.textContent = paused ? 'Go on' : 'Pause';
      pause.setAttribute('aria-pressed', String(paused));
      state.textContent = paused ? `stands at ${clock(end)}` : '';
      this.#draw();
    });
    const key = h('span', { class: 'key' }, h('i', { class: 'gc-key' }), 'a GC cycle began');
    return h(
      'div',
      { class: 'toolbar' },
      h('div', { class: 'segments', role: 'radiogroup', 'aria-label': 'Range' }, ...ranges),
      pause,
      state,
      h('span', { class: 'space' }),
      key,
    );
  }
}
