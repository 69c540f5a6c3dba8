/**
 * The scrubber: one moment of the run for everything that can be seen at a moment. The slider goes by intervals of the timeline, arrows by one,
 * Page Up and Page Down by a tenth.
 *
 *      ├────────────────●──────┤   after 60,000 of 112,709 events, 5.34 ms, 2 cycles
 *      ███████▒▒░░░                where Sys went, adding up
 */

import { WHERE_PARTS } from '../../../src/replay/result.js';
import { button, h, setText } from '../dom.js';
import { bytes, count, percent, seconds } from '../format.js';
import { frame, key } from './chart.js';
import { WHERE, WHERE_TEXTS } from './texts.js';
import type { Result } from './types.js';

export class Moment {
  readonly el: HTMLElement;
  readonly #result: Result;
  readonly #moved: (interval: number) => void;
  readonly #slider: HTMLInputElement;
  readonly #said = h('output', { class: 'moment-said' });
  readonly #bar = h('div', { class: 'where-bar', role: 'img' });
  readonly #parts: HTMLElement[];
  readonly #rows: HTMLElement[][];
  readonly #sum = h('td');

  /** `moved` is told the interval, as soon as it changes. */
  constructor(result: Result, moved: (interval: number) => void) {
    this.#result = result;
    this.#moved = moved;
    const last = Math.max(0, result.timeline.event.length - 1);
    this.#slider = h('input', { type: 'range', min: 0, max: last, step: 1, 'aria-label': 'Moment', class: 'scrubber' });
    this.#slider.addEventListener('input', () => this.#show());
    this.#slider.addEventListener('keydown', (event) => {
      const by = { PageUp: 1, PageDown: -1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.at = this.at + by * Math.max(1, Math.round(last / 10));
    });
    const peak = button('At the peak', () => this.#goTo(result.peak.event), { class: 'small' });
    const cycle = (by: 1 | -1): void => {
      const now = result.timeline.event[this.at];
      const found =
        by > 0
          ? result.cycles.find(({ event }) => event > now)
          : result.cycles.findLast(({ event }) => event < this.#before);
      if (found !== undefined) this.#goTo(found.event);
    };
    const buttons = h(
      'div',
      { class: 'row' },
      peak,
      button('◂ GC', () => cycle(-1), {
        class: 'small',
        'aria-label': 'The collection before',
        disabled: result.cycles.length === 0,
      }),
      button('GC ▸', () => cycle(1), {
        class: 'small',
        'aria-label': 'The next collection',
        disabled: result.cycles.length === 0,
      }),
      this.#said,
    );
    this.#parts = WHERE_PARTS.map((part) => {
      const el = h('i');
      el.style.background = `var(--${WHERE_TEXTS[part][2]})`;
      return el;
    });
    this.#bar.append(...this.#parts);
    this.#rows = WHERE_PARTS.map(() => [h('td'), h('td', { class: 'dim' })]);
    const rows = WHERE_PARTS.map((part, i) => {
      const [label, meaning, name] = WHERE_TEXTS[part];
      return h('tr', { title: meaning }, h('th', { scope: 'row' }, key(name, label)), ...this.#rows[i]);
    });
    const sum = h(
      'tr',
      { class: 'sum' },
      h('th', { scope: 'row' }, 'Sys, the sum'),
      this.#sum,
      h('td', { class: 'dim' }, '100%'),
    );
    const fields = WHERE_PARTS.map((part) => ({
      label: WHERE_TEXTS[part][0],
      metric: `timeline.where (${part})`,
      meaning: WHERE_TEXTS[part][1],
    }));
    const { el, body } = frame('replay-where', WHERE.title, WHERE.info, fields);
    el.classList.add('replay-where');
    body.append(this.#bar, h('table', { class: 'numbers where-table' }, h('tbody', {}, ...rows, sum)));
    this.stack = el;
    this.el = h('div', { class: 'moment' }, this.#slider, buttons);
    this.#slider.value = String(this.#intervalOf(result.peak.event));
  }

  /** The bar and its numbers. */
  readonly stack: HTMLElement;

  get at(): number {
    return Number(this.#slider.value);
  }

  set at(interval: number) {
    this.#slider.value = String(interval);
    this.#show();
  }

  /** Tells everybody where it begins. */
  begin(): void {
    this.#show();
  }

  /** Events at the end of the interval before. */
  get #before(): number {
    return this.at === 0 ? 0 : this.#result.timeline.event[this.at - 1];
  }

  /** The first interval that has the event. */
  #intervalOf(event: number): number {
    const at = this.#result.timeline.event.findIndex((end) => end >= event);
    return at < 0 ? this.#result.timeline.event.length - 1 : at;
  }

  #goTo(event: number): void {
    this.at = this.#intervalOf(event);
  }

  #show(): void {
    const { timeline, headline } = this.#result;
    const { at } = this;
    if (timeline.event.length === 0) return;
    const cycles = timeline.cycles[at];
    const words = `after ${count(timeline.event[at])} of ${count(headline.events)} events, ${seconds(timeline.seconds[at])}, ${count(cycles)} ${cycles === 1 ? 'cycle' : 'cycles'}`;
    setText(this.#said, words);
    this.#slider.setAttribute('aria-valuetext', words);
    const values = timeline.where.map((part) => part[at]);
    const sum = values.reduce((a, b) => a + b, 0);
    values.forEach((value, i) => {
      this.#parts[i].style.flexGrow = String(value);
      this.#parts[i].title = `${WHERE_TEXTS[WHERE_PARTS[i]][0]}: ${bytes(value)}`;
      const [size, share] = this.#rows[i];
      setText(size, bytes(value));
      setText(share, percent(sum === 0 ? 0 : value / sum));
    });
    setText(this.#sum, bytes(sum));
    this.#bar.setAttribute('aria-label', `Where ${bytes(sum)} of Sys went; the table has the numbers`);
    this.#moved(at);
  }
}
