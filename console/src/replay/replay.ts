/**
 * The Replay tab: what Go's heap would cost a recorded program. Without a rest of the address a new replay and the list of those that there are;
 * `ID` or `ID/CELL` opens one.
 */

import { h } from '../dom.js';
import type { Feed } from '../feed.js';
import { formatPlace, goTo } from '../route.js';
import type { View } from '../view.js';
import { List } from './list.js';
import { One } from './one.js';
import { Start } from './start.js';

export class ReplayView implements View {
  readonly el = h('section', { class: 'replay', 'aria-label': 'Replay' });
  readonly #feed: Feed;
  readonly #start: Start;
  readonly #list: List;
  readonly #front: HTMLElement;
  #one: One | undefined;
  #loading = new AbortController();

  constructor(feed: Feed) {
    this.#feed = feed;
    this.#start = new Start((id) => this.#go([id]));
    this.#list = new List(
      (id) => formatPlace({ heap: feed.heap, tab: 'replay', rest: [id] }),
      (list) => {
        this.#start.limits = list.limits;
      },
    );
    this.#front = h('div', { class: 'replay-front' }, this.#start.el, this.#list.el);
  }

  show(rest: string[]): void {
    const [id, cell = '0'] = rest;
    if (id === undefined) {
      this.#close();
      if (this.#front.parentNode === null) this.el.replaceChildren(this.#front);
      this.#list.start();
      this.#loading = new AbortController();
      // Without the gallery a file can still be sent; opening the tab again asks again.
      this.#start.load(this.#loading.signal).catch(() => undefined);
      return;
    }
    this.#list.stop();
    if (this.#one?.id !== id) {
      this.#close();
      this.#one = new One(id, {
        go: (number) => this.#go([id, String(number)]),
        again: (from, name) => {
          this.#go([]);
          this.#start.again(from, name);
        },
        leave: () => this.#go([]),
      });
      this.el.replaceChildren(this.#one.el);
    }
    this.#one.choose(/^[0-9]{1,4}$/.test(cell) ? Number(cell) : 0);
  }

  hide(): void {
    this.#list.stop();
    this.#loading.abort();
    // Its stream and its requests end; it is read anew when the tab is opened again.
    this.#close();
    this.el.replaceChildren();
  }

  #close(): void {
    this.#one?.close();
    this.#one = undefined;
  }

  #go(rest: string[]): void {
    goTo({ heap: this.#feed.heap, tab: 'replay', rest });
  }
}
