/** Plots over a run, by uPlot: memory, where it went, the collector's share of the CPU. One cursor for all of them. */

import uPlot from 'uplot';
import type { PageResult } from '../../src/replay/report/page-data.js';
import { percent, short, size } from '../../src/replay/report/units.js';
import { WHERE_PARTS } from '../../src/replay/result.js';
import { h } from './dom.js';
import { colour, onTheme } from './theme.js';

/** Names of the parts, in the order of WHERE_PARTS. */
export const PART_NAMES: Record<(typeof WHERE_PARTS)[number], string> = {
  requested: 'requested',
  rounding: 'rounding',
  tiny: 'tiny packing',
  tails: 'span tails',
  freeSlots: 'free slots',
  mcache: 'mcache',
  garbage: 'garbage',
  idle: 'idle',
  released: 'released',
  metadata: 'metadata',
};

const POWERS = Array.from({ length: 50 }, (_, i) => 2 ** i);

export interface Line {
  readonly label: string;
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly fill?: boolean;
  readonly dash?: readonly number[];
  readonly points?: boolean;
  /** What the legend tells instead of `values`, where these are sums. */
  readonly told?: readonly number[];
}

export interface Plot {
  readonly x: readonly number[];
  readonly xText: (x: number) => string;
  readonly lines: readonly Line[];
  readonly text: (value: number) => string;
  readonly height?: number;
  readonly binary?: boolean;
  readonly max?: number;
  /** Vertical marks, by x. */
  readonly marks?: readonly number[];
  readonly sync?: string;
  readonly label: string;
}

export function plot(spec: Plot): HTMLElement {
  const el = h('div', { class: 'plot', role: 'img', 'aria-label': spec.label });
  let made: uPlot | undefined;
  const height = spec.height ?? 240;
  const draw = (): void => {
    const width = el.clientWidth;
    if (width === 0) return;
    if (made === undefined) made = new uPlot(options(spec, width, height), data(spec), el);
    else made.setSize({ width, height });
  };
  new ResizeObserver(draw).observe(el);
  onTheme(el, () => made?.redraw(false, true));
  return el;
}

const data = (spec: Plot): uPlot.AlignedData =>
  [[...spec.x], ...spec.lines.map((line) => [...line.values])] as uPlot.AlignedData;

function options(spec: Plot, width: number, height: number): uPlot.Options {
  const grid = { stroke: () => colour('line'), width: 1 };
  const axis = { stroke: () => colour('dim'), grid, ticks: { ...grid, size: 4 }, font: '11px system-ui, sans-serif' };
  const value = (_u: uPlot, v: number | null): string => (v === null || v === undefined ? '' : spec.text(v));
  return {
    width,
    height,
    cursor: { y: false, drag: { x: true, y: false }, ...(spec.sync === undefined ? {} : { sync: { key: spec.sync } }) },
    scales: {
      x: { time: false },
      y: { range: (_u, _min, max) => [0, spec.max ?? (max === null || !(max > 0) ? 1 : max * 1.06)] },
    },
    axes: [
      { ...axis, size: 30, space: 80, values: (_u, ticks) => ticks.map((v) => spec.xText(v)) },
      {
        ...axis,
        size: 72,
        ...(spec.binary === true ? { incrs: POWERS } : {}),
        values: (_u, ticks) => ticks.map((v) => spec.text(v)),
      },
    ],
    series: [
      { label: 'at', value: (_u, v) => (v === null || v === undefined ? '' : spec.xText(v)) },
      ...spec.lines.map((line): uPlot.Series => {
        const stroke = (): string => colour(line.colour);
        return {
          label: line.label,
          stroke,
          width: 1.5,
          value:
            line.told === undefined
              ? value
              : (_u, _v, _s, at) => (at === null ? '' : spec.text((line.told as number[])[at])),
          points: { show: line.points ?? false, size: 6, fill: stroke },
          ...(line.points === true ? { paths: () => null } : {}),
          ...(line.fill === true ? { fill: stroke } : {}),
          ...(line.dash === undefined ? {} : { dash: [...line.dash] }),
        };
      }),
    ],
    hooks: { drawClear: [(u) => drawMarks(u, spec.marks ?? [])] },
  };
}

/** Collections, as lines behind everything; where they are too many to be seen, none. */
function drawMarks(u: uPlot, marks: readonly number[]): void {
  const { ctx, bbox } = u;
  const seen = marks.filter((x) => x >= (u.scales.x.min ?? 0) && x <= (u.scales.x.max ?? 0));
  if (seen.length > bbox.width / 4 / devicePixelRatio) return;
  ctx.save();
  ctx.fillStyle = colour('mark');
  for (const x of seen)
    ctx.fillRect(Math.round(u.valToPos(x, 'x', true)), bbox.top, Math.max(1, devicePixelRatio), bbox.height);
  ctx.restore();
}

const events = (n: number): string => short(n);

export function memoryPlot({ timeline, cycles }: PageResult, limit: number | null): HTMLElement {
  const { event, live, inuse, retained, goal } = timeline;
  const most = Math.max(...retained.max, ...inuse.max, 1);
  // A goal far above everything else would leave no room for the rest.
  const near = (v: number): number | null => (v > most * 1.6 ? null : v);
  const lines: Line[] = [
    { label: 'retained', colour: 'w-released-line', values: retained.max },
    { label: 'in use', colour: 's1', values: inuse.max },
    { label: 'live', colour: 's5', values: live.mean },
    { label: 'heap goal', colour: 's4', values: goal.mean.map(near), dash: [5, 4] },
  ];
  if (limit !== null && limit < most * 1.6) {
    lines.push({ label: 'GOMEMLIMIT', colour: 'bad', values: event.map(() => limit), dash: [2, 3] });
  }
  return plot({
    x: event,
    xText: events,
    lines,
    text: size,
    binary: true,
    marks: cycles.map((cycle) => cycle.event),
    sync: 'run',
    label: 'Memory over the run: retained, in use, live and the heap goal',
  });
}

export function gcCpuPlot({ timeline }: PageResult): HTMLElement {
  return plot({
    x: timeline.event,
    xText: events,
    lines: [{ label: 'GC CPU', colour: 's3', values: timeline.gcCpu }],
    text: percent,
    height: 150,
    sync: 'run',
    label: 'The collector’s share of the CPU over the run',
  });
}

/** Areas on top of each other: each line is the sum of the parts up to it, and the band between two is the part. */
export function wherePlot({ timeline }: PageResult): HTMLElement {
  const { event, where } = timeline;
  const sums: number[][] = [];
  let below = event.map(() => 0);
  for (const column of where) {
    below = below.map((sum, i) => sum + column[i]);
    sums.push(below);
  }
  // From the top down, so that each area covers the one above it.
  const lines = WHERE_PARTS.map(
    (part, i): Line => ({ label: PART_NAMES[part], colour: `w-${part}`, values: sums[i], told: where[i], fill: true }),
  ).reverse();
  const el = plot({
    x: event,
    xText: events,
    lines,
    text: size,
    binary: true,
    height: 280,
    sync: 'run',
    label: 'Where memory went over the run, stacked',
  });
  el.classList.add('stack');
  return el;
}
