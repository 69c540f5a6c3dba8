/**
 * The path of an allocation, alive: P → mcache → mcentral → mheap → operating system.
 *
 * Each level says how many allocations it served, and how many a second; the arrows say how often one level had to ask the
 * next. What the levels hold (cached spans, lists, arenas) is read at most once a second while somebody looks.
 */

import { get } from '../api.js';
import { type Child, type Fact, facts, fill, h, oncePerFrame, setText, updateFacts } from '../dom.js';
import type { Feed } from '../feed.js';
import { bytes, count, parseGoSize, percent, perSecond, seconds, short } from '../format.js';
import { colour, onTheme } from '../theme.js';
import type { Level, Mcentral, Ps, Sample } from '../types.js';
import { Poller, type View } from '../view.js';
import { Flow } from './flow.js';
import { drawMcache, drawMcentrals, mcacheCanvas, mcacheKey, mcentralCanvas, mcentralKey } from './mini.js';

/** Ps that are drawn one by one; a heap may have a thousand. */
const MOST_PS = 8;

const WORDS: Record<'p' | 'mcache' | 'mcentral' | 'mheap' | 'os', [title: string, what: string]> = {
  p: ['P', 'A processor: a thread that runs the requests of its queue, one after the other.'],
  mcache: ['mcache', 'Of each P, a span for every class. No lock: the next free slot is found in a bitmap.'],
  mcentral: ['mcentral', 'Of each span class, lists of spans with and without free slots. A lock for each class.'],
  mheap: ['mheap', 'Pages. Hands out runs of them as spans; large objects come straight from here. One lock.'],
  os: ['OS', 'Address space and memory. The heap grows by 4 MiB or more; scavenged pages go back.'],
};

class LevelBox {
  readonly el: HTMLElement;
  readonly body = h('div', { class: 'level-body' });
  readonly #facts = facts([]);
  readonly #served: { level: Level; rate: HTMLElement; rest: HTMLElement }[];

  constructor(name: keyof typeof WORDS, serves: Level[]) {
    const [title, what] = WORDS[name];
    this.#served = serves.map((level) => ({ level, rate: h('b', {}, '–'), rest: h('span') }));
    const rows = this.#served.map(({ level, rate, rest }) =>
      h('div', { class: 'served' }, h('i', { class: `served-key served-${level}` }), h('span', {}, level), rate, rest),
    );
    this.el = h(
      'section',
      { class: 'level card', 'aria-label': title },
      h('h3', {}, title),
      h('p', { class: 'dim what' }, what),
      ...rows,
      this.body,
      this.#facts,
    );
  }

  tell(rows: Fact[]): void {
    updateFacts(this.#facts, rows);
  }

  show(feed: Feed, now: Sample, all: number): void {
    for (const { level, rate, rest } of this.#served) {
      setText(rate, perSecond(feed.rate((s) => s.served[level])));
      setText(rest, `${count(now.served[level])} · ${percent(all === 0 ? 0 : now.served[level] / all)}`);
    }
  }
}

export class PathView implements View {
  readonly el: HTMLElement;
  readonly #feed: Feed;
  readonly #poller: Poller;
  readonly #bar = h('div', { class: 'served-bar', role: 'img' });
  readonly #p = new LevelBox('p', []);
  readonly #mcache = new LevelBox('mcache', ['tiny', 'mcache']);
  readonly #mcentral = new LevelBox('mcentral', ['mcentral']);
  readonly #mheap = new LevelBox('mheap', ['mheap']);
  readonly #os = new LevelBox('os', ['os']);
  readonly #allocs = new Flow('allocations', 'Objects allocated a second: rate of go_memstats_mallocs_total');
  readonly #refills = new Flow('refills', 'Spans that mcaches asked for: rate of goheap_refills_total');
  readonly #grows = new Flow('new spans', 'Spans made new from pages: rate of goheap_span_grows_total');
  readonly #osGrows = new Flow('growth', 'Times the heap took more address space: rate of goheap_heap_grows_total');
  readonly #draw = oncePerFrame(() => this.#redraw());
  readonly #mcentralCanvas = mcentralCanvas();
  readonly #heapBar = h('div', { class: 'tile-bar heap-bar', role: 'img' });
  #ps: Ps | undefined;
  #mcentrals: Mcentral[] = [];
  #refilled = new Map<number, number>();
  #shown = false;

  constructor(feed: Feed) {
    this.#feed = feed;
    this.#poller = new Poller(feed, (signal) => this.#read(signal));
    const levels = [this.#p, this.#allocs, this.#mcache, this.#refills, this.#mcentral];
    const more = [this.#grows, this.#mheap, this.#osGrows, this.#os];
    this.el = h(
      'section',
      { class: 'path-view', 'aria-label': 'Path of an allocation' },
      h('p', { class: 'dim' }, 'Which level served the allocations so far, and how often one had to ask the next.'),
      this.#bar,
      h('div', { class: 'path' }, ...[...levels, ...more].map(({ el }) => el)),
    );
    feed.on('sample', () => this.#shown && this.#draw());
    feed.on('heap', () => {
      this.#ps = undefined;
      this.#mcentrals = [];
      for (const box of [this.#p, this.#mcache, this.#mcentral, this.#mheap, this.#os]) fill(box.body);
    });
    onTheme(this.#draw);
  }

  show(): void {
    this.#shown = true;
    this.#poller.start();
    this.#draw();
  }

  hide(): void {
    this.#shown = false;
    this.#poller.stop();
  }

  async #read(signal: AbortSignal): Promise<void> {
    this.#ps = await get<Ps>(this.#feed.path('ps'), signal);
    const { mcentrals } = await get<{ mcentrals: Mcentral[] }>(this.#feed.path('mcentrals'), signal);
    const before = new Map(this.#mcentrals.map(({ spanClass, refills }) => [spanClass, refills]));
    this.#refilled = new Map(
      mcentrals.map(({ spanClass, refills }) => [spanClass, refills - (before.get(spanClass) ?? refills)]),
    );
    this.#mcentrals = mcentrals;
    this.#draw();
  }

  #redraw(): void {
    const feed = this.#feed;
    const now = feed.last;
    if (now === undefined) return;
    const levels = Object.entries(now.served) as [Level, number][];
    const all = levels.reduce((sum, [, n]) => sum + n, 0);
    const parts = levels.map(([level, n]) => {
      const part = h('i', {
        class: `served-${level}`,
        title: `${level}: ${count(n)} (${percent(all === 0 ? 0 : n / all)})`,
      });
      part.style.flexGrow = String(n);
      return part;
    });
    fill(this.#bar, ...parts);
    this.#bar.setAttribute('aria-label', levels.map(([level, n]) => `${level} ${count(n)}`).join(', '));
    for (const box of [this.#mcache, this.#mcentral, this.#mheap, this.#os]) box.show(feed, now, all);
    this.#flows(now);
    this.#drawPs(now);
    this.#drawMcentral(now);
    this.#drawMheap(now);
    this.#os.tell([
      ['HeapSys', bytes(now.heapSys), 'Address space in use: go_memstats_heap_sys_bytes'],
      [
        'reserved',
        bytes(parseGoSize(String(feed.settings?.reserve ?? '')) ?? null),
        'It can never grow beyond: goheap_reservation_bytes',
      ],
      ['released', bytes(now.heapReleased), 'Pages without memory: go_memstats_heap_released_bytes'],
      ['RSS', bytes(now.rss), 'Memory of the whole process: process_resident_memory_bytes'],
      ['grown', `${count(now.osGrows)} times`, 'goheap_heap_grows_total'],
    ]);
  }

  #flows(now: Sample): void {
    const feed = this.#feed;
    const freed = feed.rate((s) => s.frees);
    this.#allocs.show(
      feed.rate((s) => s.mallocs),
      `swept ${perSecond(freed)}`,
    );
    this.#refills.show(
      feed.rate((s) => s.refills),
      `${count(now.refills)} so far`,
    );
    this.#grows.show(
      feed.rate((s) => s.grows),
      `${count(now.grows)} so far`,
    );
    this.#osGrows.show(
      feed.rate((s) => s.osGrows),
      `${count(now.osGrows)} so far`,
    );
  }

  #drawPs(now: Sample): void {
    const feed = this.#feed;
    const rows = now.ps.slice(0, MOST_PS).map(({ status, queued, ran }, i) => {
      const rate = feed.rate((s) => s.ps[i]?.ran ?? ran);
      return h(
        'div',
        { class: 'p-row', title: `Gs run: ${count(ran)}` },
        h('i', { class: `p-dot p-${status}` }),
        h('b', {}, `P${i}`),
        h('span', {}, status),
        h('span', { class: 'dim' }, `${perSecond(rate)}${queued > 0 ? `, ${short(queued)} wait` : ''}`),
      );
    });
    const procs = feed.settings?.gomaxprocs ?? now.ps.length;
    const rest: Child = procs > MOST_PS ? h('p', { class: 'dim' }, `and ${procs - MOST_PS} more`) : null;
    fill(this.#p.body, ...rows, rest);
    if (this.#ps === undefined) return;
    const shown = this.#ps.ps.slice(0, MOST_PS);
    if (this.#mcache.body.querySelectorAll('.mcache-row').length !== shown.length) {
      const mcaches = shown.map(({ id }) =>
        h('div', { class: 'mcache-row' }, mcacheCanvas(id), h('p', { class: 'dim' })),
      );
      fill(this.#mcache.body, ...mcaches, mcacheKey());
    }
    shown.forEach((p, i) => {
      const row = this.#mcache.body.children[i];
      drawMcache(row.children[0] as HTMLCanvasElement, p);
      const free = p.mcache.reduce((sum, span) => sum + span.free, 0);
      const tiny = p.tiny === null ? '' : `, tiny block ${p.tiny.offset}/16 B`;
      const reusable = p.reusable === 0 ? '' : `, ${count(p.reusable)} reusable`;
      const cache = `page cache ${p.pageCache.pages}`;
      setText(
        row.children[1],
        `P${p.id}: ${p.mcache.length} ${p.mcache.length === 1 ? 'span' : 'spans'}, ${count(free)} slots free${tiny}${reusable}, ${cache}`,
      );
    });
  }

  #drawMcentral(now: Sample): void {
    const { body } = this.#mcentral;
    if (this.#mcentrals.length === 0) return;
    const sum = (of: (m: Mcentral) => number): number => this.#mcentrals.reduce((n, m) => n + of(m), 0);
    const contended = this.#feed.rate((s) => s.lockContended);
    const waited = this.#feed.rate((s) => s.lockWaitSeconds);
    const worst = [...this.#mcentrals].sort((a, b) => b.lock.waitSeconds - a.lock.waitSeconds)[0];
    const busiest =
      worst.lock.waitSeconds > 0 ? `class ${worst.sizeClass} (${count(worst.slotSize)} B)` : 'none has waited';
    this.#mcentral.tell([
      ['partial', count(sum((m) => m.partial.swept.spans)), 'Swept spans with a free slot'],
      ['full', count(sum((m) => m.full.swept.spans)), 'Swept spans without'],
      ['unswept', count(sum((m) => m.partial.unswept.spans + m.full.unswept.spans)), 'Spans that wait for their sweep'],
      [
        'lock waits',
        `${perSecond(contended)}, ${seconds(waited)}/s`,
        'All locks of the heap: goheap_lock_wait_seconds_total',
      ],
      ['waited in all', seconds(now.lockWaitSeconds), 'All locks of the heap'],
      ['most waited for', busiest],
    ]);
    if (body.firstChild !== this.#mcentralCanvas) fill(body, this.#mcentralCanvas, mcentralKey());
    drawMcentrals(this.#mcentralCanvas, this.#mcentrals, this.#refilled);
  }

  #drawMheap(now: Sample): void {
    const free = now.heapIdle - now.heapReleased;
    const parts = [
      ['in use', now.heapInuse, 'accent'],
      ['free', free, 'page-free'],
      ['released', now.heapReleased, 'page-released'],
    ] as const;
    fill(
      this.#heapBar,
      ...parts.map(([name, size, fillColour]) => {
        const part = h('i', { title: `${name}: ${bytes(size)}` });
        part.style.flexGrow = String(size);
        part.style.background = colour(fillColour);
        return part;
      }),
    );
    this.#heapBar.setAttribute('aria-label', parts.map(([name, size]) => `${name} ${bytes(size)}`).join(', '));
    if (this.#mheap.body.firstChild !== this.#heapBar) fill(this.#mheap.body, this.#heapBar);
    this.#mheap.tell([
      ['in use', bytes(now.heapInuse), 'Pages in spans: go_memstats_heap_inuse_bytes'],
      ['free', bytes(free), 'Free pages that hold memory: go_memory_classes_heap_free_bytes'],
      ['objects', bytes(now.heapAlloc), 'What of the spans is objects: go_memstats_heap_alloc_bytes'],
      ['sweep', now.sweepDone ? 'done' : 'under way', 'goheap_sweep_done'],
    ]);
  }
}
