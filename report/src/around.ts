/** What stands around the settings: what was recorded, what to keep in mind, reality beside the prediction, two recordings side by side. */

import type { Overlay, OverlayRow } from '../../src/replay/profile/overlay.js';
import { COMPARED_TITLES, comparedNumber } from '../../src/replay/report/compared.js';
import { toleratedIn } from '../../src/replay/report/ingest-text.js';
import type { PageDocument } from '../../src/replay/report/page-data.js';
import { count, percent, size, time } from '../../src/replay/report/units.js';
import type { Comparison } from '../../src/replay/whatif/compare.js';
import { h, section, table } from './dom.js';
import { plot } from './plots.js';

export function ingestSection(document: PageDocument): HTMLElement {
  const { ingest, profile } = document;
  const facts: [string, string][] = [
    [
      'format',
      `${ingest.format} ${ingest.formatVersion}${ingest.compression === 'none' ? '' : `, ${ingest.compression}`}`,
    ],
    ['file', `${size(ingest.bytes)}, SHA-256 ${document.hash.slice(0, 16)}…`],
    [
      'events',
      `${count(ingest.events)}: ${count(ingest.mallocs)} mallocs, ${count(ingest.frees)} frees, ${count(ingest.reallocs)} reallocs`,
    ],
    ['threads', count(ingest.threads)],
    ['recorded time', ingest.durationNs === null ? 'none in this format' : time(ingest.durationNs / 1e9)],
    ['asked for in all', size(ingest.totalBytes)],
    ['held at most', `${size(ingest.peakLiveBytes)} in ${count(ingest.peakLiveObjects)} objects`],
    ['never freed', `${size(ingest.liveBytes)} in ${count(ingest.liveObjects)} objects`],
  ];
  if (profile !== null && profile.seconds !== null) facts.push(['interval of the profile', time(profile.seconds)]);
  if (profile !== null && profile.bytesPerOperation !== null && profile.objectsPerOperation !== null) {
    facts.push([
      'an operation',
      `${size(profile.bytesPerOperation)}, ${count(profile.objectsPerOperation)} allocations`,
    ]);
  }
  const tolerated = toleratedIn(ingest);
  if (ingest.truncated) tolerated.push('the recording is cut off in the middle, and counts up to there');
  if (tolerated.length > 0) facts.push(['tolerated', tolerated.join(', ')]);
  return section(
    'recording',
    'The recording',
    '',
    h('dl', {}, ...facts.flatMap(([name, text]) => [h('dt', {}, name), h('dd', {}, text)])),
    ingest.cannotTell.length === 0 ? null : h('ul', {}, ...ingest.cannotTell.map((text) => h('li', {}, text))),
  );
}

export function caveatsSection(document: PageDocument): HTMLElement {
  const { calibration } = document;
  const costs =
    calibration === null
      ? 'Times and shares of the CPU come from a cost model of one core at about 3 GHz.'
      : `Times and shares of the CPU come from a cost model, scaled to a machine: × ${calibration.factor.toFixed(2)} (${calibration.benchmark}).`;
  return section(
    'caveats',
    'Keep in mind',
    '',
    h('ul', {}, ...[...document.caveats, costs].map((text) => h('li', {}, text))),
  );
}

function overlayText(row: OverlayRow, value: number): string {
  if (row.unit === 'bytes') return size(value);
  return row.unit === 'share' ? percent(value) : count(value);
}

const signed = (p: number | null): string =>
  p === null ? '' : `${p < 0 ? '−' : '+'}${Math.abs(p).toFixed(Math.abs(p) >= 99.95 ? 0 : 1)} %`;

export function overlaySection(overlay: Overlay, name: string): HTMLElement {
  const rows = overlay.rows.map((row) => [
    row.name,
    overlayText(row, row.predicted),
    overlayText(row, row.measured),
    signed(row.errorPercent),
  ]);
  return section(
    'reality',
    `Reality, beside ${name}`,
    'What the simulation says, and what the program itself measured.',
    overlay.measured.length === 0 ? null : overlayPlot(overlay),
    table(['', 'simulated', 'measured', 'error'], rows),
    h('ul', {}, ...overlay.notes.map((note) => h('li', {}, note))),
  );
}

/** Both sides' cycles over the share of everything allocated, which both clocks agree on. */
function overlayPlot({ predicted, measured }: Overlay): HTMLElement {
  const xs = [...new Set([...predicted, ...measured].map((p) => p.allocated))].sort((a, b) => a - b);
  const at = new Map(xs.map((x, i) => [x, i]));
  const values = (points: Overlay['predicted'], of: 'start' | 'live'): (number | null)[] => {
    const out: (number | null)[] = xs.map(() => null);
    for (const point of points) out[at.get(point.allocated) as number] = point[of];
    return out;
  };
  return plot({
    x: xs,
    xText: percent,
    lines: [
      { label: 'start, measured', colour: 's1', values: values(measured, 'start'), points: true },
      { label: 'start, simulated', colour: 's3', values: values(predicted, 'start'), points: true },
      { label: 'live, measured', colour: 's5', values: values(measured, 'live'), points: true },
      { label: 'live, simulated', colour: 's4', values: values(predicted, 'live'), points: true },
    ],
    text: size,
    binary: true,
    label: 'Heap at the start of each cycle and live after it, over the share of all allocation',
  });
}

export function comparisonSection({ before, after, cells, classes }: Comparison): HTMLElement {
  const tables = cells.map((cell) =>
    h(
      'div',
      {},
      h('h3', {}, cell.name),
      table(
        ['', 'before', 'after', ''],
        cell.numbers.map((n) => [
          COMPARED_TITLES[n.name],
          comparedNumber(n.name, n.before),
          comparedNumber(n.name, n.after),
          n.same ? '~' : signed(n.percent),
        ]),
      ),
    ),
  );
  const changed = classes
    .slice(0, 20)
    .map((row) => [
      row.sizeClass === 0 ? 'large' : String(row.sizeClass),
      row.sizeClass === 0 ? '' : count(row.size),
      row.noscan ? 'noscan' : 'scan',
      ...row.requested.map(size),
      ...row.spans.map(size),
    ]);
  return section(
    'comparison',
    'Two recordings',
    `Before: ${before}. After: ${after}. ~: no difference, or none that real Go would not make between two runs.`,
    h('div', { class: 'beside' }, ...tables),
    h('h3', {}, 'Size classes that changed most'),
    table(['class', 'slot', '', 'asked before', 'after', 'spans before', 'after'], changed, { left: [0, 2] }),
  );
}
