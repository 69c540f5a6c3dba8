/**
 * The top of the page: which heap, how the connection fares, the colours, and the pulse: six numbers that say how
 * the heap is, wherever the reader looks.
 */

import { get } from './api.js';
import { button, fill, h, oncePerFrame, setText } from './dom.js';
import type { Feed } from './feed.js';
import { bytes, count, perSecond } from './format.js';
import { themeButton } from './theme.js';
import type { HeapView } from './types.js';

/** Calls back with the heap that was chosen. */
export class HeapChoice {
  readonly el = h('label', { class: 'heap-choice' }, h('span', { class: 'dim' }, 'heap '));
  readonly #select = h('select', { 'aria-label': 'Heap' });
  names: string[] = [];

  constructor(chosen: (heap: string) => void) {
    this.el.append(this.#select);
    this.#select.addEventListener('change', () => chosen(this.#select.value));
    // The list is read again when somebody is about to look at it.
    this.#select.addEventListener('focus', () => void this.load().catch(() => undefined));
  }

  async load(): Promise<string[]> {
    const { heaps } = await get<{ heaps: HeapView[] }>('v1/heaps');
    this.names = heaps.map(({ name }) => name);
    this.show(this.#select.value);
    return this.names;
  }

  show(heap: string | null): void {
    const names = heap !== null && heap !== '' && !this.names.includes(heap) ? [...this.names, heap] : this.names;
    const now = [...this.#select.options].map(({ value }) => value);
    if (now.join() !== names.join()) fill(this.#select, ...names.map((name) => h('option', { value: name }, name)));
    if (heap !== null) this.#select.value = heap;
  }
}

function connection(feed: Feed): HTMLElement {
  const text = h('span');
  const retry = button('Now', () => feed.retryNow(), { class: 'small' });
  const el = h('span', { class: 'connection', role: 'status', 'data-state': 'idle' }, h('i'), text, retry);
  let ticking: number | undefined;
  const show = (): void => {
    const { state, hello } = feed;
    el.dataset.state = state.kind;
    el.title = 'why' in state ? state.why : (hello?.version ?? '');
    setText(retry, state.kind === 'waiting' ? 'Now' : 'Try again');
    retry.hidden = !(state.kind === 'waiting' || state.kind === 'ended' || state.kind === 'gone');
    clearInterval(ticking);
    ticking = undefined;
    if (state.kind === 'live') setText(text, 'live');
    else if (state.kind === 'connecting') setText(text, 'connecting');
    else if (state.kind === 'waiting') {
      const left = (): void => setText(text, `again in ${Math.max(0, Math.ceil((state.at - Date.now()) / 1000))} s`);
      left();
      ticking = setInterval(left, 500);
    } else setText(text, state.kind === 'gone' ? 'heap deleted' : state.kind === 'ended' ? 'no stream' : 'no heap');
  };
  feed.on('state', show);
  feed.on('hello', show);
  show();
  return el;
}

function pulse(feed: Feed): HTMLElement {
  const cell = (label: string, title: string): [HTMLElement, HTMLElement] => {
    const value = h('b', {}, '–');
    return [h('div', { title }, h('span', {}, label), value), value];
  };
  const [liveEl, live] = cell(
    'live',
    'Live heap as the pacer counts it (goheap_live_bytes), and the goal it is to stay below',
  );
  const [inuseEl, inuse] = cell('in use', 'Bytes of pages in spans: HeapInuse (go_memstats_heap_inuse_bytes)');
  const [rssEl, rss] = cell(
    'RSS',
    'What the process holds of the memory of the machine (process_resident_memory_bytes)',
  );
  const [objectsEl, objects] = cell('objects', 'Objects allocated and not swept (go_memstats_heap_objects)');
  const [rateEl, rate] = cell('allocs', 'Objects allocated a second (rate of go_memstats_mallocs_total)');
  const [gcEl, gc] = cell('GC', 'Cycles completed (go_gc_cycles_total_gc_cycles_total)');
  const meter = h('meter', { min: 0, max: 1, 'aria-label': 'Live heap against its goal' });
  liveEl.append(meter);
  const draw = oncePerFrame(() => {
    const s = feed.last;
    if (s === undefined) {
      for (const el of [live, inuse, rss, objects, rate, gc]) setText(el, '–');
      return;
    }
    setText(live, `${bytes(s.heapLive)} / ${s.nextGC === null ? 'no goal' : bytes(s.nextGC)}`);
    meter.value = s.nextGC ? Math.min(1, s.heapLive / s.nextGC) : 0;
    setText(inuse, bytes(s.heapInuse));
    setText(rss, bytes(s.rss));
    setText(objects, count(s.objects));
    setText(rate, perSecond(feed.rate((x) => x.mallocs)));
    const phase = s.phase === 'off' ? (s.sweepDone ? '' : ' sweeping') : ' marking';
    setText(gc, `${count(s.numGC)}${phase}`);
    gcEl.classList.toggle('active', phase !== '');
  });
  feed.on('sample', draw);
  feed.on('heap', draw);
  return h('div', { class: 'pulse', 'aria-label': 'The heap now' }, liveEl, inuseEl, rssEl, objectsEl, rateEl, gcEl);
}

export function header(feed: Feed, choice: HeapChoice, tabs: HTMLElement): HTMLElement[] {
  return [
    h(
      'div',
      { class: 'bar' },
      h('h1', {}, 'goheap'),
      choice.el,
      connection(feed),
      h('span', { class: 'space' }),
      h('a', { href: './docs', target: '_blank', rel: 'noopener', class: 'link' }, 'API'),
      themeButton(),
    ),
    pulse(feed),
    tabs,
  ];
}
