/**
 * One object: what is known of it, its bytes, where its pointers lead, what keeps it alive and what it keeps alive.
 *
 * The last two stop the world for a moment, so they are asked for by a button, never by looking.
 */

import { ApiError, attempt, get, send } from '../api.js';
import { curlLine } from '../curl.js';
import { button, type Fact, facts, fill, h } from '../dom.js';
import type { Feed } from '../feed.js';
import { bytes, count } from '../format.js';
import { good } from '../toast.js';
import type { ObjectPath, ObjectView, Retained } from '../types.js';
import { hexView } from './hex.js';

export interface Links {
  span(id: number, text?: string): HTMLElement;
  object(address: string, text?: string): HTMLElement;
}

const yesNo = (value: boolean): string => (value ? 'yes' : 'no');

export interface ObjectPanel {
  el: HTMLElement;
  /** Id of its span; 0 for an object of size 0, undefined where there is no object. */
  span?: number;
}

export async function objectPanel(
  feed: Feed,
  address: string,
  links: Links,
  signal: AbortSignal,
): Promise<ObjectPanel> {
  const path = feed.path(`objects/${address}`);
  let object: ObjectView;
  try {
    object = await get<ObjectView>(`${path}?pointers=200`, signal);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const why = h('p', { class: 'notice' }, error.problem.detail);
    return { el: h('div', {}, why, curlLine('GET', path)) };
  }
  const el = h(
    'div',
    {},
    about(object, links),
    h('h4', {}, 'Bytes'),
    hexView(path, object, (to) => links.object(to)),
    ...pointers(object, links),
    h('h4', {}, 'What holds it, what it holds'),
    reach(path, links),
    h('h4', {}, 'Give it back'),
    freeing(feed, object),
    curlLine('GET', path),
  );
  return { el, span: object.span };
}

function about(object: ObjectView, links: Links): HTMLElement {
  const { span, slot, size, slotSize, noscan, rooted, marked, requested, tinyOffset, site } = object;
  const rows: Fact[] = [
    ['span', span === 0 ? 'none' : links.span(span)],
    ['slot', String(slot)],
    ['bytes', `${count(size)} of a slot of ${count(slotSize)}`],
    ['rooted', yesNo(rooted), 'A client holds a root: it will not be collected'],
    ['marked', yesNo(marked), 'The last mark reached it'],
    ['pointers', noscan ? 'none (noscan)' : 'scan'],
  ];
  if (requested !== undefined) rows.push(['asked for', bytes(requested)]);
  if (tinyOffset !== undefined) rows.push(['tiny', `byte ${tinyOffset} of its block`]);
  if (site !== undefined) rows.push(['site', h('code', {}, site), 'Where it was allocated, as the client named it']);
  return facts(rows);
}

function pointers({ pointers: words, pointersTruncated, noscan }: ObjectView, links: Links): HTMLElement[] {
  if (noscan) return [];
  const set = words.filter(({ value }) => value !== null);
  const items = set.map(({ word, value }) =>
    h('li', {}, h('span', { class: 'dim' }, `word ${word} → `), links.object(value as string)),
  );
  const nulls = words.length - set.length;
  const more = pointersTruncated ? ', more words are not shown' : '';
  return [
    h('h4', {}, `Pointers (${set.length}${nulls > 0 ? `, and ${nulls} null` : ''}${more})`),
    items.length === 0 ? h('p', { class: 'dim' }, 'It points at nothing.') : h('ul', { class: 'links' }, ...items),
  ];
}

function reach(path: string, links: Links): HTMLElement {
  const out = h('div', { 'aria-live': 'polite' });
  const showPath = async (): Promise<void> => {
    const found = await attempt(() => get<ObjectPath>(`${path}/path?limit=64`));
    if (found === undefined) return;
    if (!found.reachable) {
      fill(out, h('p', { class: 'notice' }, 'No root leads to it: it is garbage, and the next cycle takes it.'));
      return;
    }
    const steps = found.path.map(({ address, span, word, depth }, i) =>
      h(
        'li',
        {},
        links.object(address),
        h('span', { class: 'dim' }, ` in span ${span}`),
        depth === 0 ? h('span', { class: 'tag' }, 'root') : null,
        word === null ? null : h('span', { class: 'dim' }, ` word ${word} ↓`),
        i === 0 && found.omitted > 0 ? h('span', { class: 'dim' }, ` … ${found.omitted} steps left out`) : null,
      ),
    );
    fill(out, h('ol', { class: 'links' }, ...steps), curlLine('GET', `${path}/path?limit=64`));
  };
  const showRetained = async (): Promise<void> => {
    const r = await attempt(() => get<Retained>(`${path}/retained`));
    if (r === undefined) return;
    const rows: Fact[] = [
      ['goes with it', `${count(r.objects)} objects, ${bytes(r.bytes)}`, 'What would become garbage if it went'],
      ['of that itself', bytes(r.self)],
      ['reachable', yesNo(r.reachable)],
      ['rooted', yesNo(r.rooted)],
    ];
    fill(out, facts(rows), curlLine('GET', `${path}/retained`));
  };
  const stops = 'Stops the world while it looks';
  return h(
    'div',
    {},
    h(
      'p',
      { class: 'row' },
      button('Path from a root', () => void showPath(), { title: stops }),
      button('What it retains', () => void showRetained(), { title: stops }),
    ),
    out,
  );
}

function freeing(feed: Feed, { address }: ObjectView): HTMLElement {
  const way = (reuse: 'sweep' | 'immediate', text: string, title: string, then: string): HTMLElement => {
    const body = { address, reuse };
    const free = async (): Promise<void> => {
      const done = await attempt(() => send<{ freed: number }>('POST', feed.path('free'), body));
      if (done === undefined) return;
      feed.touch();
      good('Freed', then);
    };
    return h(
      'div',
      {},
      button(text, () => void free(), { title }),
      curlLine('POST', feed.path('free'), body),
    );
  };
  const atOnce = 'reuse: immediate, as runtime.freegc: nothing else may refer to it';
  return h(
    'div',
    { class: 'stack' },
    way('sweep', 'Drop the root', 'reuse: sweep, as in Go', 'Its root is dropped; a sweep will take it.'),
    way('immediate', 'Free at once', atOnce, 'Its slot can be used again.'),
  );
}
