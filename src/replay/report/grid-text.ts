/**
 * The grid in benchstat's manner: a row a setting, and beside each number how far it is from the base.
 *
 * Where variations of a setting differ, both ends of the range are shown. `~` says that the ranges of the setting and of the base meet: a difference
 * that real Go might make between two runs.
 */

import { formatGoSize } from '../../server/gosize.js';
import type { Headline } from '../result.js';
import type { SimSettings } from '../settings.js';
import { type Axis, tableOrder, varying } from '../whatif/axes.js';
import { meet, middle, type Range } from '../whatif/ranges.js';
import type { ReportDocument } from './document.js';
import { table } from './text-table.js';
import { change, countRange, percentRange, sizeRange, timeRange } from './units.js';

interface Metric {
  readonly key: keyof Headline;
  readonly title: string;
  readonly show: (range: Range) => string;
}

const GROUPS: readonly { readonly title: string; readonly metrics: readonly Metric[] }[] = [
  {
    title: 'Memory',
    metrics: [
      { key: 'meanInuse', title: 'mean in use', show: sizeRange },
      { key: 'peakInuse', title: 'peak in use', show: sizeRange },
      { key: 'peakRetained', title: 'peak retained', show: sizeRange },
    ],
  },
  {
    title: 'Collector',
    metrics: [
      { key: 'cycles', title: 'cycles', show: countRange },
      { key: 'gcCpu', title: 'GC CPU', show: percentRange },
      { key: 'gcCpuSeconds', title: 'GC CPU time', show: timeRange },
    ],
  },
  {
    title: 'What the program feels',
    metrics: [
      { key: 'assistCpu', title: 'assists', show: percentRange },
      { key: 'pauseMax', title: 'longest pause', show: timeRange },
      { key: 'seconds', title: 'run time', show: timeRange },
    ],
  },
];

const LIMIT: Metric = { key: 'overLimit', title: 'above limit', show: percentRange };

/** A column for each axis that varies: its title, and what stands under it. */
const COLUMNS: Record<Axis, readonly [title: string, show: (settings: SimSettings) => string]> = {
  gogc: ['GOGC', ({ gogc }) => (gogc < 0 ? 'off' : String(gogc))],
  memoryLimit: ['MEMLIMIT', ({ memoryLimit }) => (memoryLimit === null ? 'off' : formatGoSize(memoryLimit))],
  gomaxprocs: ['PROCS', ({ gomaxprocs }) => String(gomaxprocs)],
  arenaSize: ['ARENA', ({ arenaSize }) => formatGoSize(arenaSize)],
};

/** Columns of text at most. */
const MOST = 100;

export function gridText(document: ReportDocument): string[] {
  const { results } = document;
  const settings = results.map((result) => result.settings);
  const limited = settings.some(({ memoryLimit }) => memoryLimit !== null);
  const lines: string[] = [];
  GROUPS.forEach(({ title, metrics }, group) => {
    const shown = limited && group === GROUPS.length - 1 ? [metrics[0], metrics[1], LIMIT] : metrics;
    lines.push(title, ...fitting(document, settings, shown), '');
  });
  lines.pop();
  return lines;
}

/** One table, or two where one would be too wide. */
function fitting(document: ReportDocument, settings: readonly SimSettings[], metrics: readonly Metric[]): string[] {
  const one = metricTable(document, settings, metrics);
  if (metrics.length === 1 || one.every((line) => line.length <= MOST)) return one;
  const half = Math.ceil(metrics.length / 2);
  return [
    ...fitting(document, settings, metrics.slice(0, half)),
    '',
    ...fitting(document, settings, metrics.slice(half)),
  ];
}

function metricTable(
  { cells }: ReportDocument,
  settings: readonly SimSettings[],
  metrics: readonly Metric[],
): string[] {
  const varied = varying(settings);
  const axes = varied.length === 0 ? (['gogc'] as const) : varied;
  const rows = [['', ...axes.map((axis) => COLUMNS[axis][0]), ...metrics.flatMap((metric) => ['│', metric.title, ''])]];
  for (const cell of tableOrder(settings)) {
    const { ranges } = cells[cell];
    const row = [cell === 0 && cells.length > 1 ? 'base' : '', ...axes.map((axis) => COLUMNS[axis][1](settings[cell]))];
    for (const metric of metrics) {
      const base = cells[0].ranges[metric.key];
      const own = ranges[metric.key];
      const delta = cell === 0 ? '' : meet(own, base) ? '~' : change(middle(base), middle(own));
      row.push('│', metric.show(own), delta);
    }
    rows.push(row);
  }
  return table(rows, { gap: ' ', indent: '  ' });
}
