/**
 * The panel beside the map: a span, or an object of it, with a way back.
 *
 * Each look is one request; while a span is shown it is read again as the heap changes. Escape closes one step: the object,
 * then the span, then the reader is back on the map.
 */

import { ApiError, get } from '../api.js';
import { button, fill, h } from '../dom.js';
import type { Feed } from '../feed.js';
import type { OneSpan } from '../types.js';
import { type Links, objectPanel } from './object-panel.js';
import { SpanPanel } from './span-panel.js';

export interface SideEvents {
  /** The reader wants to see something: the address of the page changes, and `show` follows. */
  go(rest: string[]): void;
  /** A span is shown: the map points it out. */
  span(span: OneSpan): void;
  closed(): void;
}

export class Side {
  readonly el = h('aside', { class: 'side', hidden: true, 'aria-label': 'Details' });
  readonly #feed: Feed;
  readonly #on: SideEvents;
  readonly #title = h('h3', { tabindex: -1 });
  readonly #body = h('div');
  readonly #links: Links;
  #shown: string[] = [];
  #back: string[] | undefined;
  #panel: SpanPanel | undefined;
  #abort = new AbortController();

  constructor(feed: Feed, on: SideEvents) {
    this.#feed = feed;
    this.#on = on;
    const link = (rest: string[], text: string): HTMLElement => {
      const href = `#/${encodeURIComponent(feed.heap ?? '')}/map/${rest.join('/')}`;
      return h('a', { href }, text);
    };
    this.#links = {
      span: (id, text) => link(['span', String(id)], text ?? `span ${id}`),
      object: (address, text) => link(['object', address], text ?? address),
    };
    const close = button('×', () => this.close(), {
      class: 'icon',
      'aria-label': 'Close (Escape)',
      title: 'Close (Escape)',
    });
    this.el.append(h('div', { class: 'side-head' }, this.#title, close), this.#body);
  }

  get open(): boolean {
    return this.#shown.length > 0;
  }

  /** One step back: from an object to its span, from a span to the map. */
  close(): void {
    if (this.#back !== undefined) this.#on.go(this.#back);
    else {
      this.clear();
      this.#on.closed();
    }
  }

  clear(): void {
    this.#abort.abort();
    this.#shown = [];
    this.#back = undefined;
    this.#panel = undefined;
    this.el.hidden = true;
    fill(this.#body);
  }

  /** `span/12`, or `object/0xc000012000`. */
  async show(rest: string[]): Promise<void> {
    if (rest.join() === this.#shown.join()) return;
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const [kind, name] = rest;
    // At once, not when the answer is there: Escape may come before it.
    if (kind === 'span') this.#back = undefined;
    else if (this.#shown[0] === 'span') this.#back = this.#shown;
    this.#shown = rest;
    this.#panel = undefined;
    this.el.hidden = false;
    this.#title.textContent = kind === 'span' ? `Span ${name}` : `Object ${name}`;
    try {
      if (kind === 'span') await this.#showSpan(Number(name), signal);
      else await this.#showObject(name, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      fill(this.#body, h('p', { class: 'notice' }, error.problem.detail));
      this.#title.focus();
    }
  }

  async #showSpan(id: number, signal: AbortSignal): Promise<void> {
    const span = await get<OneSpan>(this.#feed.path(`spans/${id}`), signal);
    this.#panel = new SpanPanel(this.#feed, id, this.#links, (address) => this.#on.go(['object', address]));
    fill(this.#body, this.#panel.el);
    this.#panel.show(span);
    this.#panel.focus();
    this.#on.span(span);
  }

  async #showObject(address: string, signal: AbortSignal): Promise<void> {
    const { el, span = 0 } = await objectPanel(this.#feed, address, this.#links, signal);
    if (signal.aborted) return;
    if (span !== 0) this.#back = ['span', String(span)];
    fill(this.#body, el);
    this.#title.focus();
    if (span === 0) return;
    const one = await get<OneSpan>(this.#feed.path(`spans/${span}`), signal);
    if (!signal.aborted) this.#on.span(one);
  }

  /** Reads the shown span again. */
  async refresh(signal: AbortSignal): Promise<void> {
    const panel = this.#panel;
    if (panel === undefined) return;
    try {
      const span = await get<OneSpan>(this.#feed.path(`spans/${this.#shown[1]}`), signal);
      if (panel === this.#panel) panel.show(span);
    } catch (error) {
      if (!(error instanceof ApiError) || error.problem.code !== 'span-not-found') throw error;
      if (panel !== this.#panel) return;
      this.#panel = undefined;
      fill(this.#body, h('p', { class: 'notice' }, 'The span was given back: its pages are free.'));
    }
  }
}
