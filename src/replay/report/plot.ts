/**
 * The timeline of one simulation as text, within 100 columns.
 *
 *      █ live   ▒ in use   ░ retained   ─ goal         ▲ below: a collection began in this column
 *
 * A column is a stretch of equally many events. Where memory changes inside it, in use and retained are the greatest, live and goal the mean. The
 * goal is cut off where it is far above everything else, as with GOGC=off.
 */

import type { SimResult, Timeline } from '../result.js';
import { short, size } from './units.js';

export interface PlotOptions {
  /** Characters in all. */
  readonly width?: number;
  /** Lines of the picture itself. */
  readonly height?: number;
}

const LABEL = 10;

export function timelinePlot(result: SimResult, options: PlotOptions = {}): string[] {
  const { timeline } = result;
  const height = options.height ?? 12;
  const width = Math.max(20, Math.min(options.width ?? 96, 100) - LABEL - 2);
  const columns = bin(timeline, width);
  const most = Math.max(1, ...columns.map((c) => Math.max(c.retained, c.inuse, c.live)));
  const goals = columns.map((c) => c.goal);
  const top = Math.max(most, Math.min(Math.max(...goals), most * 1.25));
  const lines: string[] = [];
  for (let row = height - 1; row >= 0; row--) {
    const level = ((row + 0.5) / height) * top;
    const label =
      row === height - 1
        ? size(top)
        : row === Math.floor(height / 2)
          ? size(((row + 1) / height) * top)
          : row === 0
            ? '0'
            : '';
    let line = '';
    for (const c of columns) {
      const goalRow = c.goal >= top * 1.0001 ? -1 : Math.min(height - 1, Math.floor((c.goal / top) * height));
      if (goalRow === row && level > c.live) line += '─';
      else if (level <= c.live) line += '█';
      else if (level <= c.inuse) line += '▒';
      else if (level <= c.retained) line += '░';
      else line += ' ';
    }
    lines.push(`${label.padStart(LABEL)} ${label === '' ? '│' : '┤'}${line}`.trimEnd());
  }
  lines.push(`${' '.repeat(LABEL)} └${'─'.repeat(columns.length)}`);
  lines.push(`${'GC'.padStart(LABEL)}  ${columns.map((c) => (c.cycles > 0 ? '▲' : ' ')).join('')}`.trimEnd());
  const last = timeline.event.length === 0 ? 0 : timeline.event[timeline.event.length - 1];
  const end = `${short(last)} events`;
  lines.push(`${' '.repeat(LABEL + 2)}0${end.padStart(columns.length - 1)}`);
  lines.push(`${' '.repeat(LABEL + 2)}█ live   ▒ in use   ░ retained from the OS   ─ heap goal   ▲ collection`);
  return lines;
}

interface Column {
  live: number;
  inuse: number;
  retained: number;
  goal: number;
  cycles: number;
}

/** The timeline in `width` columns of equally many events; fewer where it has fewer intervals. */
function bin(timeline: Timeline, width: number): Column[] {
  const { event } = timeline;
  const n = event.length;
  if (n === 0) return [];
  const events = event[n - 1] || 1;
  const out: Column[] = [];
  let before = 0;
  let i = 0;
  for (let c = 0; c < width; c++) {
    const until = ((c + 1) / width) * events;
    const from = i;
    while (i < n && event[i] <= until) i++;
    // No interval ends in this column: the one that covers it.
    const [a, b] = i > from ? [from, i] : [Math.min(from, n - 1), Math.min(from, n - 1) + 1];
    const column: Column = { live: 0, inuse: 0, retained: 0, goal: 0, cycles: 0 };
    for (let k = a; k < b; k++) {
      column.live += timeline.live.mean[k] / (b - a);
      column.goal += timeline.goal.mean[k] / (b - a);
      column.inuse = Math.max(column.inuse, timeline.inuse.max[k]);
      column.retained = Math.max(column.retained, timeline.retained.max[k]);
    }
    if (i > from) {
      column.cycles = timeline.cycles[i - 1] - before;
      before = timeline.cycles[i - 1];
    }
    out.push(column);
  }
  return out;
}

/** A bar of a share, 0 to 1. */
export function bar(share: number, width: number): string {
  const n = Math.round(Math.max(0, Math.min(1, share)) * width);
  return '█'.repeat(share > 0 && n === 0 ? 1 : n);
}
