/** The timeline of a cell: what it came to, or, while it is simulated, what was seen so far. Cycles are vertical lines, the chosen moment is a thicker one. */

import type uPlot from 'uplot';
import { WHERE_PARTS } from '../../../src/replay/result.js';
import { h } from '../dom.js';
import { bytes, count, seconds, short } from '../format.js';
import { fade, verticals } from '../series/ink.js';
import type { Line } from '../series/plots.js';
import { colour } from '../theme.js';
import { Chart } from './chart.js';
import { LIVE, TIMELINE, WHERE, WHERE_TEXTS } from './texts.js';
import type { Result, Seen } from './types.js';

export type Axis = 'event' | 'seconds';

/** A goal that is so many times what there ever was is left out of the scale: the curve is the point. */
const FAR = 3;

const xFormat = (axis: Axis, x: number): string => (axis === 'event' ? short(x) : seconds(x));
const xLabel = (axis: Axis): string => (axis === 'event' ? 'events' : 'virtual time');

const most = (values: readonly (number | null)[]): number => values.reduce<number>((a, b) => Math.max(a, b ?? 0), 0);

/** Timeline, and where Sys went over time, with one moment. */
export class Timelines {
  readonly el: HTMLElement;
  readonly charts: Chart[];
  readonly where: HTMLElement;
  readonly #result: Result;
  readonly #main: Chart;
  readonly #stack: Chart;
  readonly #yMax: number;
  #axis: Axis = 'event';
  #at: number;

  /** `pick` is told the interval that was clicked. */
  constructor(result: Result, note: () => string, pick: (interval: number) => void) {
    this.#result = result;
    const { timeline, settings, cycles } = result;
    this.#at = timeline.event.length - 1;
    const highest = Math.max(most(timeline.retained.max), most(timeline.inuse.max), 1);
    const goal = most(timeline.goal.max);
    const limit = settings.memoryLimit ?? 0;
    this.#yMax = Math.max(highest, goal <= FAR * highest ? goal : 0, limit <= FAR * highest ? limit : 0) * 1.08;
    const common = {
      note,
      xLabel: () => xLabel(this.#axis),
      xFormat: (x: number) => xFormat(this.#axis, x),
      format: bytes,
      binary: true,
      above: (u: uPlot) => verticals(u, [this.#x[this.#at]], 'ink', 2),
      pick: (x: number) => pick(this.intervalAt(x)),
      sync: 'goheap-replay',
      rest: () => this.#at,
    };
    // The curve of a limit that is off would be an empty entry of the legend.
    const lines = TIMELINE.lines.filter(
      ({ metric }) => metric !== 'settings.memoryLimit' || settings.memoryLimit !== null,
    );
    const first = lines.length + 1;
    this.#main = new Chart({
      ...common,
      id: 'replay-timeline',
      title: TIMELINE.title,
      info: TIMELINE.info,
      lines,
      height: 260,
      unnamed: [{ width: 0 }, { width: 0 }],
      bands: [{ series: [first, first + 1], fill: () => fade(colour('s2'), 0.22) }],
      range: { y: () => [0, this.#yMax] },
      below: (u) => {
        const xs = this.#axis === 'event' ? cycles.map(({ event }) => event) : cycles.map((c) => c.seconds);
        verticals(u, xs, 'gc-line');
      },
    });
    const parts = WHERE_PARTS.map((part): Line => {
      const [label, meaning, name] = WHERE_TEXTS[part];
      return { label, metric: `timeline.where (${part})`, meaning, colour: name };
    });
    this.#stack = new Chart({
      ...common,
      id: 'replay-where-time',
      title: `${WHERE.title}, over the run`,
      info: WHERE.info,
      // Painted from the top of the stack down: each covers what is below it.
      lines: parts.reverse(),
      height: 260,
      series: ({ colour: name }, i) => ({
        width: 0.5,
        stroke: () => colour(name),
        fill: () => colour(name),
        value: (_u, _v, _s, at) => (at === null ? '–' : bytes(timeline.where[parts.length - 1 - i][at])),
      }),
    });
    this.charts = [this.#main, this.#stack];
    this.el = this.#main.el;
    this.where = this.#stack.el;
    const choices = (['event', 'seconds'] as const).map((axis) => {
      const input = h('input', { type: 'radio', name: 'replay-axis', value: axis, checked: axis === this.#axis });
      input.addEventListener('change', () => {
        this.#axis = axis;
        this.#set();
      });
      return h('label', {}, input, h('span', {}, axis === 'event' ? 'by events' : 'by time'));
    });
    const cycleKey = h('span', { class: 'key small-text' }, h('i', { class: 'gc-key' }), 'a GC cycle began');
    this.el
      .querySelector('.plot-head .space')
      ?.after(
        cycleKey,
        h('div', { class: 'segments small-text', role: 'radiogroup', 'aria-label': 'Axis' }, ...choices),
      );
    this.#set();
  }

  get #x(): number[] {
    return this.#result.timeline[this.#axis];
  }

  /** The chosen interval. */
  set at(interval: number) {
    this.#at = interval;
    for (const chart of this.charts) chart.touch();
  }

  intervalAt(x: number): number {
    const xs = this.#x;
    let lo = 0;
    let hi = xs.length - 1;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (xs[mid] < x) lo = mid + 1;
      else hi = mid;
    }
    return lo > 0 && x - xs[lo - 1] < xs[lo] - x ? lo - 1 : lo;
  }

  #set(): void {
    const { timeline, settings } = this.#result;
    const { live, inuse, goal, retained, where } = timeline;
    // uPlot wants ascending x: intervals without time of their own get the least there is.
    const x = ascending(this.#x);
    const lines: (number | null)[][] = [
      live.mean,
      inuse.mean,
      goal.mean.map((g) => (g > this.#yMax ? null : g)),
      retained.mean,
    ];
    if (settings.memoryLimit !== null) lines.push(x.map(() => settings.memoryLimit));
    this.#main.set([x, ...lines, inuse.max, inuse.min]);
    const sums: number[][] = [];
    let below = new Array<number>(x.length).fill(0);
    for (const part of where) {
      below = below.map((sum, i) => sum + part[i]);
      sums.push(below);
    }
    this.#stack.set([x, ...sums.reverse()]);
  }
}

function ascending(xs: readonly number[]): number[] {
  let last = Number.NEGATIVE_INFINITY;
  return xs.map((x) => (last = x > last ? x : last + Math.max(1e-12, Math.abs(last) * 1e-12)));
}

/** What was seen so far. */
export class SoFar {
  readonly chart: Chart;
  #cycles: number[] = [];
  #last = 0;

  constructor(note: () => string) {
    this.chart = new Chart({
      ...LIVE,
      id: 'replay-so-far',
      note,
      xLabel: () => 'events',
      xFormat: (x) => count(x),
      format: bytes,
      binary: true,
      below: (u) => verticals(u, this.#cycles, 'gc-line'),
      rest: () => this.#last,
    });
  }

  set(seen: Seen): void {
    if (seen.event.length === 0) return;
    this.#cycles = seen.event.filter((_, i) => i > 0 && seen.cycles[i] > seen.cycles[i - 1]);
    this.#last = seen.event.length - 1;
    this.chart.set([seen.event, seen.live, seen.inuse]);
  }
}
