/**
 * The console: a page that shows one heap at a time.
 *
 *      address (#/heap/tab/…) ──▶ the heap's stream ──▶ feed ──▶ header, the open view
 *
 * Nothing here decides anything about memory: what is shown is what the API says, and what is done is a request that
 * anybody could send (the page shows the curl line of each).
 */

import { attempt } from './api.js';
import { DoctorView } from './doctor/doctor.js';
import { fill } from './dom.js';
import { Feed } from './feed.js';
import { GcLogView } from './gc/gclog.js';
import { HandsView } from './hands/hands.js';
import { HeapChoice, header } from './header.js';
import { MapView } from './map/map.js';
import { PathView } from './path/path.js';
import { ReplayView } from './replay/replay.js';
import { goTo, readPlace } from './route.js';
import { SeriesView } from './series/series.js';
import { Tabs } from './tabs.js';
import { startTheme } from './theme.js';
import { bad } from './toast.js';
import type { View } from './view.js';

const VIEWS: [id: string, label: string, make: (feed: Feed) => View][] = [
  ['map', 'Map', (feed) => new MapView(feed)],
  ['path', 'Path', (feed) => new PathView(feed)],
  ['series', 'Series', (feed) => new SeriesView(feed)],
  ['gc', 'GC log', (feed) => new GcLogView(feed)],
  ['hands', 'Hands', (feed) => new HandsView(feed)],
  ['doctor', 'Doctor', (feed) => new DoctorView(feed)],
  ['replay', 'Replay', (feed) => new ReplayView(feed)],
];

function start(): void {
  startTheme();
  const feed = new Feed();
  const main = document.getElementById('view') as HTMLElement;
  const views = new Map<string, View>();
  let open: View | undefined;

  const tabs = new Tabs(
    VIEWS.map(([id, label]) => [id, label]),
    (tab) => goTo({ heap: feed.heap, tab, rest: [] }),
  );
  const choice = new HeapChoice((heap) => goTo({ heap, tab: readPlace().tab, rest: [] }));
  fill(document.getElementById('header') as HTMLElement, ...header(feed, choice, tabs.el));

  const show = (): void => {
    const { heap, tab, rest } = readPlace();
    if (heap !== feed.heap) {
      feed.watch(heap);
      choice.show(heap);
    }
    const [id, , make] = VIEWS.find(([name]) => name === tab) ?? VIEWS[0];
    let view = views.get(id);
    if (view === undefined) views.set(id, (view = make(feed)));
    if (view !== open) {
      open?.hide();
      open = view;
      fill(main, view.el);
      main.setAttribute('aria-labelledby', `tab-${id}`);
      tabs.show(id);
    }
    view.show(rest);
    document.title = `${heap ?? 'no heap'} · goheap`;
  };

  /** The heap of the address, or `default`, or the first there is. */
  const begin = async (): Promise<void> => {
    const names = (await attempt(() => choice.load())) ?? [];
    const place = readPlace();
    const wanted = place.heap ?? (names.includes('default') ? 'default' : (names[0] ?? null));
    if (wanted !== place.heap) goTo({ ...place, tab: place.tab || 'map', heap: wanted }, true);
    show();
  };

  addEventListener('hashchange', show);
  feed.on('state', (state) => {
    if (state.kind !== 'gone') return;
    const note = { type: '/problems/heap-not-found', code: 'heap-not-found', status: 404 };
    bad({ ...note, title: 'The heap was deleted', detail: `${feed.heap} is gone. Choose another one.` });
    void choice.load().catch(() => undefined);
  });
  feed.on('restart', () => {
    const note = { type: '/problems/m-died', code: 'm-died', status: 503 };
    bad({ ...note, title: 'An M was replaced', detail: 'A thread of the heap died; its P has another one.' });
  });
  void begin();
}

start();
