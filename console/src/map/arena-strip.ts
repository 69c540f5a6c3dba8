/**
 * The heap from far away: a tile for each arena, filled by the state of its pages. Choosing one shows its pages.
 *
 * The list is read in pages of 256 arenas (16 GiB of arenas of 64 MiB); a heap of more small arenas shows the page
 * that the reader is in.
 */

import { get } from '../api.js';
import { button, fill, h } from '../dom.js';
import type { Feed } from '../feed.js';
import { bytes, count, percent } from '../format.js';
import { colour } from '../theme.js';
import type { Arena } from '../types.js';

const PAGE = 256;
const STATES = ['inUse', 'cached', 'free', 'released', 'unmapped'] as const;

export class ArenaStrip {
  readonly el = h('div', { class: 'strip' });
  arenas: Arena[] = [];
  /** Address of arena 0. */
  base = 0;
  readonly #feed: Feed;
  readonly #choose: (index: number) => void;
  #chosen = 0;
  #first = 0;
  #more = false;

  constructor(feed: Feed, choose: (index: number) => void) {
    this.#feed = feed;
    this.#choose = choose;
  }

  async refresh(signal: AbortSignal): Promise<void> {
    this.#first = Math.floor(this.#chosen / PAGE) * PAGE;
    const path = this.#feed.path(`arenas?limit=${PAGE}&cursor=${this.#first.toString(36)}`);
    const { arenas, next } = await get<{ arenas: Arena[]; next?: string }>(path, signal);
    this.arenas = arenas;
    this.#more = next !== undefined;
    if (arenas.length > 0) this.base = Number(arenas[0].address) - arenas[0].index * arenas[0].bytes;
    this.draw();
  }

  clear(): void {
    this.arenas = [];
    this.#chosen = 0;
    fill(this.el);
  }

  choose(index: number): void {
    this.#chosen = index;
    this.draw();
  }

  /** The arena that an address lies in. */
  arenaOf(address: string): number {
    const size = this.arenas[0]?.bytes ?? 1;
    return Math.floor((Number(address) - this.base) / size);
  }

  draw(): void {
    const focused = this.el.contains(document.activeElement);
    const tiles = this.arenas.map((arena) => this.#tile(arena));
    const step = (by: number, text: string): HTMLElement =>
      button(text, () => this.#choose(this.#first + by), { class: 'small' });
    fill(this.el, this.#first > 0 && step(-1, '‹ before'), ...tiles, this.#more && step(PAGE, 'further ›'));
    if (focused) tiles.find((tile) => tile.getAttribute('aria-pressed') === 'true')?.focus();
  }

  #tile({ index, pages, bytes: size, address, state }: Arena): HTMLElement {
    const bar = h('span', { class: 'tile-bar' });
    for (const name of STATES) {
      const part = h('i');
      part.style.flexGrow = String(pages[name]);
      part.style.background = name === 'inUse' ? colour('accent') : colour(`page-${name}`);
      bar.append(part);
    }
    const share = percent(pages.inUse / pages.total);
    const parts = STATES.map((name) => `${name} ${count(pages[name])}`).join(', ');
    const title = `arena ${index} at ${address}, ${bytes(size)}, ${state}; pages: ${parts}`;
    const label = h('span', {}, `arena ${index}`, h('b', {}, ` ${share}`));
    const tile = h('button', { type: 'button', class: 'tile', title }, label, bar);
    tile.setAttribute('aria-pressed', String(index === this.#chosen));
    tile.addEventListener('click', () => this.#choose(index));
    return tile;
  }
}
