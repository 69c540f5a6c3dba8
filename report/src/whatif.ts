/** The grid: what to set, the curve with its knee, the table of which each row can be chosen, and the limit's death spiral. */

import type { PageDocument } from '../../src/replay/report/page-data.js';
import {
  change,
  countRange,
  percent,
  percentRange,
  size,
  sizeRange,
  timeRange,
} from '../../src/replay/report/units.js';
import type { Headline } from '../../src/replay/result.js';
import { tableOrder } from '../../src/replay/whatif/axes.js';
import type { LimitSearch } from '../../src/replay/whatif/limit.js';
import { meet, middle, type Range } from '../../src/replay/whatif/ranges.js';
import { h, section, table } from './dom.js';
import { scatter } from './scatter.js';

export function adviceSection(document: PageDocument): HTMLElement {
  const { advice, cells, results } = document;
  const on = new Set(advice.curve.map((p) => p.cell));
  const [base] = results;
  const candidates = results.flatMap((result, i) =>
    result.settings.gomaxprocs === base.settings.gomaxprocs && result.settings.arenaSize === base.settings.arenaSize
      ? [i]
      : [],
  );
  const curve =
    candidates.length < 2
      ? null
      : scatter({
          points: candidates.map((cell) => {
            const { ranges, environment } = cells[cell];
            const memory = middle(ranges.peakRetained);
            const gcCpu = middle(ranges.gcCpu);
            return {
              x: memory,
              y: gcCpu,
              label: environment.replace('GOGC=', '').replace('GOMEMLIMIT=', '≤ '),
              title: `${environment}: ${size(memory)}, ${percent(gcCpu)} GC CPU`,
              on: on.has(cell),
              chosen: cell === advice.recommended,
            };
          }),
          xText: size,
          yText: percent,
          xTitle: 'peak memory retained from the operating system',
          yTitle: 'GC CPU',
          label: 'Memory against GC CPU of every setting, labelled by GOGC',
        });
  return section(
    'advice',
    'What to set',
    '',
    advice.recommended === null ? null : h('p', { class: 'sentence' }, `${advice.sentence}.`),
    advice.environment === '' ? null : copyable(advice.environment),
    h('p', { class: 'dim' }, advice.why),
    curve,
  );
}

function copyable(text: string): HTMLElement {
  const button = h('button', { type: 'button', class: 'quiet' }, 'Copy');
  button.addEventListener('click', async () => {
    await navigator.clipboard?.writeText(text).catch(() => {});
    button.textContent = 'Copied';
  });
  return h('p', { class: 'environment' }, h('code', {}, text), button);
}

const METRICS: readonly (readonly [key: keyof Headline, title: string, show: (range: Range) => string])[] = [
  ['meanInuse', 'mean in use', sizeRange],
  ['peakInuse', 'peak in use', sizeRange],
  ['peakRetained', 'peak retained', sizeRange],
  ['cycles', 'cycles', countRange],
  ['gcCpu', 'GC CPU', percentRange],
  ['assistCpu', 'assists', percentRange],
  ['pauseMax', 'longest pause', timeRange],
  ['seconds', 'run time', timeRange],
  ['overLimit', 'above limit', percentRange],
];

export function gridSection(document: PageDocument, chosen: number, choose: (cell: number) => void): HTMLElement {
  const { cells, results, variations } = document;
  const settings = results.map((result) => result.settings);
  const limited = settings.some(({ memoryLimit }) => memoryLimit !== null);
  const metrics = METRICS.filter(([key]) => key !== 'overLimit' || limited);
  const order = tableOrder(settings);
  const rows = order.map((cell) => {
    const { name, ranges } = cells[cell];
    const button = h('button', { type: 'button', class: 'row', 'aria-pressed': String(cell === chosen) }, name);
    button.addEventListener('click', () => choose(cell));
    const first = h('span', {}, button, cell === 0 && cells.length > 1 ? h('span', { class: 'tag' }, 'base') : null);
    return [
      first,
      ...metrics.map(([key, , show]) => {
        const base = cells[0].ranges[key];
        const own = ranges[key];
        const delta = cell === 0 ? '' : meet(base, own) ? '~' : change(middle(base), middle(own));
        return h('span', {}, show(own), delta === '' ? null : h('span', { class: 'delta' }, delta));
      }),
    ];
  });
  const words =
    cells.length > 1
      ? `Per cent: against the base; ~: no difference, or none that real Go would not make between two runs${variations > 1 ? ` (a..b: the ends of ${variations} runs with other moments of preemption)` : ''}. Choose a row to see it below.`
      : '';
  return section('grid', 'What if', words, table(['setting', ...metrics.map(([, title]) => title)], rows));
}

export function limitSection(limit: LimitSearch): HTMLElement {
  const points = limit.curve.map((point) => ({
    x: point.limit,
    y: point.gcCpu[1],
    label: point.limit === limit.smallest ? size(point.limit) : '',
    title: `${size(point.limit)}: ${percentRange(point.gcCpu)} GC CPU`,
    on: true,
    chosen: point.limit === limit.smallest,
  }));
  const rows = limit.curve.map((point) => [
    size(point.limit),
    percentRange(point.gcCpu),
    countRange(point.cycles),
    percentRange(point.overLimit),
    size(point.overLimitMax[1]),
    point.limit === limit.smallest ? 'the smallest' : point.limitedCycles[1] > 0 ? 'CPU limiter' : '',
  ]);
  return section(
    'limit',
    'The smallest memory limit',
    'GC CPU against GOMEMLIMIT: near what the program holds, the collector runs without end.',
    h('p', { class: 'sentence' }, limit.text),
    limit.environment === '' ? null : copyable(limit.environment),
    scatter({
      points,
      xText: size,
      yText: percent,
      xTitle: 'GOMEMLIMIT',
      yTitle: 'GC CPU',
      level: { y: limit.under, label: percent(limit.under) },
      label: 'GC CPU against GOMEMLIMIT',
    }),
    table(['GOMEMLIMIT', 'GC CPU', 'cycles', 'above limit', 'by at most', ''], rows, { left: [0, 5] }),
  );
}
