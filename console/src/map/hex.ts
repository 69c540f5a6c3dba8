/**
 * An object's bytes in hexadecimal, sixteen a row, with its pointer words as links.
 *
 *     0040  60 00 01 00 c0 00 00 00  00 00 00 00 00 00 00 00   `.......
 *
 * At most `SHOWN` bytes at a time are fetched (a Range request), whatever the object's size.
 */

import { request } from '../api.js';
import { button, fill, h } from '../dom.js';
import { count } from '../format.js';
import type { ObjectView } from '../types.js';

const SHOWN = 512;

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
const visible = (byte: number): string => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·');

/** `link` makes a link to the object at an address. */
function rows(bytes: Uint8Array, from: number, pointers: Map<number, string>, link: (to: string) => Node): Node[] {
  const out: Node[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    out.push(h('span', { class: 'dim' }, hex(from + at, 4)), document.createTextNode('  '));
    for (const half of [0, 8]) {
      const part = row.subarray(half, half + 8);
      const text = Array.from(part, (byte) => hex(byte, 2)).join(' ');
      const to = pointers.get((from + at + half) / 8);
      if (to === undefined) out.push(document.createTextNode(text.padEnd(23)));
      else {
        const word = link(to);
        word.textContent = text;
        out.push(word, document.createTextNode(''.padEnd(23 - text.length)));
      }
      out.push(document.createTextNode('  '));
    }
    out.push(h('span', { class: 'dim' }, Array.from(row, visible).join('')), document.createTextNode('\n'));
  }
  return out;
}

export function hexView(path: string, object: ObjectView, link: (to: string) => Node): HTMLElement {
  const text = h('pre', { class: 'hex', tabindex: 0, 'aria-label': 'Bytes of the object' });
  const where = h('span', { class: 'dim' });
  const pointers = new Map(object.pointers.flatMap(({ word, value }) => (value === null ? [] : [[word, value]])));
  let from = 0;

  const load = async (to: number): Promise<void> => {
    from = Math.max(0, Math.min(Math.floor((object.size - 1) / SHOWN) * SHOWN, to));
    const last = Math.min(object.size, from + SHOWN) - 1;
    back.disabled = from === 0;
    on.disabled = last >= object.size - 1;
    where.textContent = `bytes ${count(from)} to ${count(last)} of ${count(object.size)}`;
    try {
      const response = await request(`${path}/data`, { headers: { range: `bytes=${from}-${last}` } });
      fill(text, ...rows(new Uint8Array(await response.arrayBuffer()), from, pointers, link));
    } catch (error) {
      fill(text, (error as Error).message);
    }
  };
  const back = button('‹', () => void load(from - SHOWN), { 'aria-label': 'Bytes before', class: 'small' });
  const on = button('›', () => void load(from + SHOWN), { 'aria-label': 'Bytes after', class: 'small' });
  if (object.size === 0) return h('p', { class: 'dim' }, 'It has no bytes.');
  void load(0);
  return h('div', {}, text, h('p', { class: 'row' }, object.size > SHOWN && back, object.size > SHOWN && on, where));
}
