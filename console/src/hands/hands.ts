/** Everything that can be done to a heap, each with the line of curl that does the same. */

import { h } from '../dom.js';
import type { Feed } from '../feed.js';
import type { View } from '../view.js';
import { allocCards, collectCards } from './alloc.js';
import { heapCards } from './heaps.js';
import { settingsCards } from './settings.js';
import { Workloads } from './workloads.js';

export class HandsView implements View {
  readonly el: HTMLElement;
  readonly #workloads: Workloads;

  constructor(feed: Feed) {
    this.#workloads = new Workloads(feed);
    const heaps = h('div', { class: 'stack' }, ...heapCards(feed));
    const settings = h('div', { class: 'stack' }, ...settingsCards(feed));
    const cards = [...allocCards(feed), settings, ...collectCards(feed), ...this.#workloads.cards, heaps];
    this.el = h('section', { class: 'hands', 'aria-label': 'Hands' }, h('div', { class: 'cards' }, ...cards));
  }

  show(): void {
    this.#workloads.show();
  }

  hide(): void {
    this.#workloads.hide();
  }
}
