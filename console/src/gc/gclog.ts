/**
 * The log of the collector: a line for each cycle, as Go's gctrace writes it, newest first; opened, what it did in full.
 *
 * Lines come with the stream. What the sweep after a cycle gave back is known only later, so while the tab is open the newest
 * cycles are read again, at most once in two seconds.
 */

import { attempt, send } from '../api.js';
import { curlLine } from '../curl.js';
import { button, type Fact, facts, fill, h, oncePerFrame, setText } from '../dom.js';
import type { Feed } from '../feed.js';
import { bytes, clock, count, percent, seconds } from '../format.js';
import type { Cycle } from '../types.js';
import { Poller, type View } from '../view.js';

const AGAIN = 8;

const WHY: Record<string, string> = {
  heap: 'the live heap came to the trigger',
  forced: 'a request asked for it',
  periodic: 'two minutes without a cycle',
};

function details(c: Cycle): HTMLElement {
  const { heap, pauses, cpu, mark, pacer, sweep } = c;
  const group = (title: string, rows: Fact[]): HTMLElement => h('div', {}, h('h4', {}, title), facts(rows));
  return h(
    'div',
    { class: 'cycle-details' },
    group('Heap', [
      ['at its beginning', bytes(heap.start)],
      ['at the end of the mark', bytes(heap.end)],
      ['reachable', bytes(heap.marked)],
      ['goal', bytes(heap.goal)],
      ['trigger', bytes(heap.trigger)],
    ]),
    group('Pauses', [
      ['sweep termination', seconds(pauses.sweepTermination)],
      ['of it, stopping', seconds(pauses.stoppingSweepTermination)],
      ['mark termination', seconds(pauses.markTermination)],
      ['of it, stopping', seconds(pauses.stoppingMarkTermination)],
      ['concurrent mark', seconds(c.markSeconds)],
    ]),
    group('CPU', [
      ['assists', seconds(cpu.assist)],
      ['dedicated', seconds(cpu.dedicated)],
      ['fractional', seconds(cpu.fractional)],
      ['idle', seconds(cpu.idle)],
      ['pauses × Ps', seconds(cpu.pauses)],
      ['share since the start', percent(cpu.fraction)],
    ]),
    group('Mark', [
      ['scanned', bytes(mark.scanBytes)],
      ['objects scanned', count(mark.objectsScanned)],
      ['roots', count(mark.rootsMarked)],
      ['by the write barrier', count(mark.shaded)],
      ['assists', count(mark.assists)],
      ['scanned by assists', bytes(mark.assistScanBytes)],
    ]),
    group('Pacer', [
      ['cons/mark', pacer.consMark.toFixed(3)],
      ['utilisation', percent(pacer.utilization)],
      ['assist work a byte', pacer.assistWorkPerByte.toFixed(3)],
      ['runway', bytes(pacer.runway)],
    ]),
    group('Sweep after it', [
      ['state', sweep.done ? 'done' : 'under way'],
      ['spans swept', count(sweep.spansSwept)],
      ['spans given back', count(sweep.spansFreed)],
      ['pages given back', count(sweep.pagesFreed)],
      ['objects reclaimed', count(sweep.objectsFreed)],
    ]),
  );
}

/** The heap at the beginning, of it what was reachable, against the goal. */
function bar({ heap }: Cycle): HTMLElement {
  const whole = Math.max(heap.goal, heap.end, 1);
  const part = (size: number, name: string): HTMLElement => {
    const el = h('i', { class: name });
    el.style.width = `${Math.min(100, (size / whole) * 100).toFixed(1)}%`;
    return el;
  };
  const words = `${bytes(heap.end)}, of it ${bytes(heap.marked)} reachable; the goal was ${bytes(heap.goal)}`;
  return h('span', { class: 'cycle-bar', title: words }, part(heap.end, 'all'), part(heap.marked, 'marked'));
}

class Row {
  readonly el = h('details', { class: 'cycle' });
  #cycle: Cycle;
  #body = h('div');

  constructor(cycle: Cycle) {
    this.#cycle = cycle;
    const { skipped = 0, why, startedAt, gctrace } = cycle;
    this.el.append(
      h(
        'summary',
        {},
        h('span', { class: 'dim cycle-time' }, clock(Date.parse(startedAt))),
        h('span', { class: `tag why-${why}`, title: WHY[why] }, why),
        bar(cycle),
        h('code', { class: 'gctrace' }, gctrace),
        skipped > 0 && h('span', { class: 'dim' }, `and ${count(skipped)} before it that the stream left out`),
      ),
      this.#body,
    );
    this.el.addEventListener('toggle', () => this.#fill());
  }

  update(cycle: Cycle): void {
    if (cycle === this.#cycle) return;
    this.#cycle = cycle;
    this.#fill();
  }

  #fill(): void {
    if (this.el.open) fill(this.#body, details(this.#cycle));
  }
}

export class GcLogView implements View {
  readonly el: HTMLElement;
  readonly #feed: Feed;
  readonly #state = h('p', { class: 'dim' });
  readonly #curls = h('div');
  readonly #list = h('div', { class: 'cycles', 'aria-label': 'Cycles, newest first' });
  readonly #rows = new Map<string, Row>();
  readonly #draw = oncePerFrame(() => this.#redraw());
  readonly #poller: Poller;
  #shown = false;

  constructor(feed: Feed) {
    this.#feed = feed;
    this.#poller = new Poller(feed, () => feed.refreshCycles(AGAIN), 2_000);
    const copied = button('Copy all lines', () => this.#copy(copied));
    const collect = button('Collect now', () => void attempt(() => send('POST', feed.path('gc'), {})), {
      class: 'primary',
    });
    const showCurls = (): void =>
      fill(this.#curls, curlLine('GET', feed.path('gc')), curlLine('POST', feed.path('gc'), {}));
    showCurls();
    this.el = h(
      'section',
      { class: 'gclog', 'aria-label': 'GC log' },
      h('div', { class: 'toolbar' }, collect, copied, this.#state),
      this.#list,
      this.#curls,
    );
    feed.on('cycles', this.#draw);
    feed.on('sample', this.#draw);
    feed.on('heap', () => {
      this.#rows.clear();
      fill(this.#list);
      showCurls();
    });
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

  #redraw(): void {
    if (!this.#shown) return;
    const { cycles, last } = this.#feed;
    if (last !== undefined) {
      const phase = last.phase === 'off' ? (last.sweepDone ? 'at rest' : 'sweeping') : 'marking';
      const next = last.trigger === null ? 'no next cycle: GOGC is off' : `the next begins at ${bytes(last.trigger)}`;
      setText(this.#state, `${count(last.numGC)} cycles, ${phase}; live ${bytes(last.heapLive)}, ${next}`);
    }
    const keys = new Set<string>();
    const rows = cycles
      .map((cycle) => {
        const key = `${cycle.number} ${cycle.startedAt}`;
        keys.add(key);
        let row = this.#rows.get(key);
        if (row === undefined) this.#rows.set(key, (row = new Row(cycle)));
        else row.update(cycle);
        return row.el;
      })
      .reverse();
    for (const key of this.#rows.keys()) if (!keys.has(key)) this.#rows.delete(key);
    this.#place(rows);
  }

  /** Puts new rows in, and leaves what stands where it should: an opened row keeps its focus. */
  #place(rows: HTMLElement[]): void {
    if (rows.length === 0) {
      fill(this.#list, h('p', { class: 'dim' }, 'No cycle has run yet.'));
      return;
    }
    const wanted = new Set<Element>(rows);
    for (const child of [...this.#list.children]) if (!wanted.has(child)) child.remove();
    rows.forEach((row, i) => {
      const there = this.#list.children[i];
      if (there !== row) this.#list.insertBefore(row, there ?? null);
    });
  }

  #copy(press: HTMLElement): void {
    const text = this.#feed.cycles.map(({ gctrace }) => gctrace).join('\n');
    const say = (word: string): void => {
      setText(press, word);
      setTimeout(() => setText(press, 'Copy all lines'), 1500);
    };
    navigator.clipboard?.writeText(text).then(
      () => say('Copied'),
      () => say('Refused'),
    );
  }
}
