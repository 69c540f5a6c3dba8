/**
 * An arrow between two levels, as thick and as fast as what passes it.
 *
 * Thickness and speed grow with the logarithm of the rate, from nothing at 0 to full at a million a second.
 */

import { h, setText } from '../dom.js';
import { perSecond } from '../format.js';

export class Flow {
  readonly el: HTMLElement;
  readonly #line = h('span', { class: 'flow-line', 'aria-hidden': true });
  readonly #rate = h('b', {}, '–');
  readonly #back = h('span', { class: 'flow-back' });

  constructor(what: string, help: string) {
    const words = h('span', { class: 'flow-what' }, what);
    this.el = h('div', { class: 'flow', title: help }, this.#rate, words, this.#line, this.#back);
  }

  show(rate: number | null, back = ''): void {
    setText(this.#rate, perSecond(rate));
    setText(this.#back, back);
    const strength = rate === null || rate <= 0 ? 0 : Math.min(1, Math.log10(1 + rate) / 6);
    this.#line.style.setProperty('--strength', strength.toFixed(2));
    this.#line.classList.toggle('still', strength === 0);
  }
}
