/**
 * The grid: a row a setting, its numbers with how far they are from the base's, in per cent. Where the variations of a setting differ, the number is a range; where
 * its range meets the base's, there is no difference to tell. While settings are simulated their rows say how far they are.
 */

import type { Headline } from '../../../src/replay/result.js';
import { h } from '../dom.js';
import { bytes, count, percent, seconds } from '../format.js';
import { change, range } from './ranges.js';
import type { CellView } from './types.js';

interface Column {
  name: keyof Headline;
  head: string;
  help: string;
  format(n: number): string;
}

const COLUMNS: Column[] = [
  { name: 'cycles', head: 'cycles', help: 'Collections', format: count },
  { name: 'meanInuse', head: 'mean in use', help: 'HeapInuse, its mean over time', format: bytes },
  { name: 'peakInuse', head: 'peak in use', help: 'HeapInuse, its greatest value', format: bytes },
  {
    name: 'peakRetained',
    head: 'peak retained',
    help: 'HeapSys - HeapReleased, its greatest value: what the operating system has to provide',
    format: bytes,
  },
  {
    name: 'gcCpu',
    head: 'GC CPU',
    help: 'The collector’s share of GOMAXPROCS × time, its idle workers not counted',
    format: percent,
  },
  { name: 'assistCpu', head: 'of it assists', help: 'Marking that allocations had to do', format: percent },
  { name: 'pauseMax', head: 'longest pause', help: 'With the world stopped, virtual time', format: seconds },
  {
    name: 'overLimit',
    head: 'over the limit',
    help: 'Share of the time in which memory was above GOMEMLIMIT',
    format: percent,
  },
];

export interface GridState {
  cells: CellView[];
  chosen: number;
  recommended: number | null;
  /** Events that each has to do. */
  events: number;
}

function progress({ state, events, cycles, inuse }: CellView, all: number, columns: number): HTMLElement {
  const text =
    state === 'waiting'
      ? 'waits'
      : state === 'done'
        ? 'done; other variations of it go on'
        : `${count(events)} events, ${count(cycles)} cycles, ${bytes(inuse)} in use`;
  const bar = h('progress', { max: Math.max(1, all), value: events, 'aria-label': 'Simulated' });
  return h('td', { colspan: columns, class: 'going' }, bar, h('span', { class: 'dim' }, text));
}

/** `choose` is told the cell whose details shall be shown. */
export function gridTable(
  { cells, chosen, recommended, events }: GridState,
  choose: (cell: number) => void,
): HTMLElement {
  const limited = cells.some(({ memlimit }) => memlimit !== 'off');
  const columns = COLUMNS.filter(({ name }) => name !== 'overLimit' || limited);
  const base = cells[0]?.ranges ?? null;
  const rows = cells.map((cell) => {
    const { cell: i, name, ranges, sentence } = cell;
    const pick = h(
      'button',
      { type: 'button', class: 'pick', 'aria-pressed': String(i === chosen), 'data-cell': i, title: sentence },
      name,
    );
    pick.addEventListener('click', () => choose(i));
    const tags = [
      i === 0 && h('span', { class: 'tag' }, 'base'),
      i === recommended && h('span', { class: 'tag knee' }, 'recommended'),
    ];
    const numbers =
      ranges === null
        ? [progress(cell, events, columns.length)]
        : columns.map(({ name: key, format }) => {
            const diff = base === null || i === 0 ? '' : change(base[key], ranges[key]);
            return h(
              'td',
              {},
              range(ranges[key], format),
              h('small', { class: diff.startsWith('−') ? 'less' : 'more' }, diff),
            );
          });
    return h('tr', { class: i === chosen ? 'chosen' : '' }, h('th', { scope: 'row' }, pick, ...tags), ...numbers);
  });
  const head = columns.map(({ head: text, help }) => h('th', { scope: 'col', title: help }, text));
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Grid of settings' },
    h(
      'table',
      { class: 'numbers grid-table' },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'setting'), ...head)),
      h('tbody', {}, ...rows),
    ),
  );
}
