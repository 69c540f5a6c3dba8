/** Heaps: making another one, and deleting the one that is shown. What a heap is made with stays, but for GOGC and GOMEMLIMIT. */

import { attempt, send } from '../api.js';
import { curlLine } from '../curl.js';
import { button, fill, h } from '../dom.js';
import type { Feed } from '../feed.js';
import { goTo } from '../route.js';
import { good } from '../toast.js';
import type { HeapView } from '../types.js';
import { actionCard } from './action.js';
import { choiceField, numberField, textField, valuesOf } from './field.js';

/** How long the second press of a delete may take, in ms. */
const SURE = 4_000;

export function heapCards(feed: Feed): HTMLElement[] {
  const name = textField('name', 'Name', 'web', 'Lower-case letters, digits, "-" and "_"');
  const fields = [
    numberField('gomaxprocs', 'GOMAXPROCS', { min: 1, max: 1024, help: 'Its Ps, each with a thread' }),
    choiceField<string | undefined>('arenaSize', 'Arenas of', [
      ['64 MiB', undefined],
      ['4 MiB', '4MiB'],
    ]),
    textField('reserve', 'Reserve', '4GiB', 'It can never grow beyond'),
  ];
  const create = actionCard<HeapView>(feed, {
    title: 'New heap',
    what: 'Another Go heap, with Ps, arenas and settings of its own. What is left empty has the default of the server.',
    run: 'Create',
    method: 'PUT',
    target: () => `v1/heaps/${encodeURIComponent(String(name.value() ?? 'NAME'))}`,
    fields: [h('div', { class: 'fields' }, name.el, ...fields.map(({ el }) => el))],
    body: () => valuesOf(fields),
    ready: () => (name.value() === undefined ? 'It needs a name.' : undefined),
    done: (heap) => {
      goTo({ heap: heap.name, tab: 'hands', rest: [] });
      return [`${heap.name} is there`];
    },
  });

  const line = h('div');
  let sure: number | undefined;
  const calm = (): void => {
    clearTimeout(sure);
    sure = undefined;
    press.textContent = `Delete ${feed.heap ?? ''}`;
  };
  const press = button('', async () => {
    if (sure === undefined) {
      press.textContent = 'Press again to delete it';
      sure = setTimeout(calm, SURE);
      return;
    }
    const { heap } = feed;
    calm();
    press.disabled = true;
    const before = feed.path();
    if ((await attempt(() => send('DELETE', before).then(() => true))) === true) good('Deleted', `${heap} is gone.`);
    press.disabled = feed.heap === null;
  });
  const show = (): void => {
    calm();
    press.disabled = feed.heap === null;
    fill(line, curlLine('DELETE', feed.path()));
  };
  feed.on('heap', show);
  show();
  const remove = h(
    'section',
    { class: 'card action', 'aria-label': 'Delete the heap' },
    h('h3', {}, 'Delete the heap'),
    h('p', { class: 'dim' }, 'Its threads end, its memory goes back. Its objects are lost.'),
    h('p', {}, press),
    line,
  );
  return [create.el, remove];
}
