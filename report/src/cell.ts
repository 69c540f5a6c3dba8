/** One setting in detail: memory over time, where it went, size classes, lifetimes, the log of its collections. */

import { classCells } from '../../src/replay/report/objects-text.js';
import type { PageResult } from '../../src/replay/report/page-data.js';
import { count, percent, short, size, time } from '../../src/replay/report/units.js';
import { WHERE_PARTS, type Where } from '../../src/replay/result.js';
import { h, section, table } from './dom.js';
import { gcCpuPlot, memoryPlot, PART_NAMES, wherePlot } from './plots.js';

const MEANINGS: Record<(typeof WHERE_PARTS)[number], string> = {
  requested: 'asked for and held by the program, with the table of its objects',
  rounding: 'size classes and pages rounded up',
  tiny: 'gaps in blocks of tiny objects',
  tails: 'ends of spans, and the bitmaps in them',
  freeSlots: 'free slots of partly used spans',
  mcache: 'free slots cached by the Ps',
  garbage: 'given up, not yet found or swept',
  idle: 'free pages with memory',
  released: 'free pages without memory: address space only',
  metadata: 'spans, bitmaps, page maps, the runtime’s own',
};
const SUMS: Partial<Record<(typeof WHERE_PARTS)[number], string>> = {
  garbage: 'HeapInuse',
  released: 'HeapSys',
  metadata: 'Sys',
};

export function timelineSection(result: PageResult, name: string): HTMLElement {
  const { headline } = result;
  return section(
    'timeline',
    `Memory over time, ${name}`,
    `${count(headline.events)} events in ${time(headline.seconds)} of virtual time, ${count(headline.cycles)} collections (vertical lines). Drag to zoom, double-click to see all.`,
    memoryPlot(result, result.settings.memoryLimit),
    gcCpuPlot(result),
  );
}

export function whereSection(result: PageResult, name: string): HTMLElement {
  const { peak } = result;
  return section(
    'where',
    `Where memory went, ${name}`,
    `Over the run, and when most was in use: event ${count(peak.event)}, ${time(peak.seconds)}. The parts add up to Sys.`,
    wherePlot(result),
    whereBar(peak.where),
    whereTable(peak.where),
  );
}

function whereBar(where: Where): HTMLElement {
  const parts = WHERE_PARTS.filter((part) => where[part] > 0).map((part) =>
    h('span', {
      style: `flex-grow:${where[part]};background:var(--w-${part})`,
      title: `${PART_NAMES[part]}: ${size(where[part])}`,
    }),
  );
  return h('div', { class: 'stackbar', role: 'img', 'aria-label': 'Shares of memory at the peak' }, ...parts);
}

function whereTable(where: Where): HTMLElement {
  const rows: (Node | string)[][] = [];
  let sum = 0;
  for (const part of WHERE_PARTS) {
    sum += where[part];
    const swatch = h('i', { class: 'swatch', style: `background:var(--w-${part})` });
    rows.push([
      h('span', {}, swatch, PART_NAMES[part]),
      count(where[part]),
      size(where[part]),
      percent(where[part] / where.total),
      MEANINGS[part],
    ]);
    const name = SUMS[part];
    if (name !== undefined)
      rows.push([h('b', {}, `= ${name}`), h('b', {}, count(sum)), size(sum), percent(sum / where.total), '']);
  }
  return table(['part', 'bytes', '', 'of Sys', ''], rows, { left: [0, 4] });
}

export function classesSection(result: PageResult, name: string): HTMLElement {
  const rows = result.classes.map((row) => [
    ...classCells(row),
    row.spans === 0 ? '' : meter(row.occupancy),
    size(row.spanBytes),
  ]);
  const head = ['class', 'slot', '', 'requests', 'asked for', 'rounding', 'spans', 'full', 'span bytes'];
  const suggestions = result.suggestions.map(({ text }) => h('li', {}, text));
  return section(
    'classes',
    `Size classes, ${name}`,
    'Requests over the whole run; spans when most was in use.',
    suggestions.length === 0 ? null : h('ul', { class: 'suggestions' }, ...suggestions),
    table(head, rows, { left: [0, 2], class: 'classes' }),
  );
}

function meter(share: number): HTMLElement {
  return h(
    'span',
    { class: 'meter' },
    h('span', { class: 'meter-bar' }, h('span', { style: `width:${(share * 100).toFixed(1)}%` })),
    percent(share),
  );
}

/** A power of two: without a fraction. */
const whole = (bytes: number): string => size(bytes).replace(/\.0+ /, ' ');

const SURVIVED = ['0', '1', '2', '3', '4 to 7', '8 to 15', '16 or more'];

export function lifetimesSection(result: PageResult, name: string): HTMLElement {
  const { bytes, objects, objectBytes, cycles, sizes, map, neverFreed } = result.lifetimes;
  const died = objects.reduce((a, b) => a + b, 0);
  const used = bytes.flatMap((_, i) => (objects[i] > 0 ? [i] : []));
  const [from, to] = used.length === 0 ? [0, -1] : [used[0], used[used.length - 1]];
  const columns = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const bound = (value: number | null): string => (value === null ? 'longer' : `< ${whole(value)}`);
  const most = Math.max(1, ...map.flat());
  const heat = table(
    ['size', ...columns.map((i) => h('span', { class: 'turned' }, bound(bytes[i])))],
    sizes.flatMap((limit, s) => {
      if (!map[s].some((n) => n > 0)) return [];
      const label = limit === null ? 'larger' : `≤ ${whole(limit)}`;
      return [
        [
          label,
          ...columns.map((i) => {
            const n = map[s][i];
            // By the logarithm: one object has to be seen beside a million.
            const strength = n === 0 ? 0 : 0.12 + 0.88 * (Math.log2(1 + n) / Math.log2(1 + most));
            const title = `${count(n)} objects, ${label}, ${bound(bytes[i])} allocated while they lived`;
            return h(
              'span',
              { class: 'heat', style: `--strength:${strength.toFixed(3)}`, title },
              n === 0 ? '' : short(n),
            );
          }),
        ],
      ];
    }),
    { class: 'heatmap' },
  );
  const survived = cycles.map((n, i) => [SURVIVED[i], count(n), percent(died === 0 ? 0 : n / died)]);
  const ages = columns.map((i) => [
    bound(bytes[i]),
    count(objects[i]),
    percent(died === 0 ? 0 : objects[i] / died),
    size(objectBytes[i]),
  ]);
  ages.push(['never freed', count(neverFreed.objects), '', size(neverFreed.bytes)]);
  return section(
    'lifetimes',
    `Lifetimes, ${name}`,
    'How much the whole program allocated between an object’s birth and its death: objects by size (rows) and lifetime (columns).',
    columns.length === 0 ? h('p', {}, 'No object died.') : heat,
    h(
      'div',
      { class: 'beside' },
      h('div', {}, h('h3', {}, 'By lifetime'), table(['allocated meanwhile', 'objects', '', 'bytes'], ages)),
      h('div', {}, h('h3', {}, 'Collections begun while they lived'), table(['collections', 'objects', ''], survived)),
    ),
  );
}

export function logSection(result: PageResult, name: string): HTMLElement {
  const { gctrace, headline } = result;
  const hidden = headline.cycles - gctrace.length;
  return section(
    'gctrace',
    `GC log, ${name}`,
    hidden > 0
      ? `The last ${count(gctrace.length)} of ${count(headline.cycles)} lines, as GODEBUG=gctrace=1 would print them.`
      : 'As GODEBUG=gctrace=1 would print it.',
    gctrace.length === 0
      ? h('p', {}, 'Nothing was collected.')
      : h('pre', { class: 'log', tabindex: '0' }, gctrace.join('\n')),
  );
}
