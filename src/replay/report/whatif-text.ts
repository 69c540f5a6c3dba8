/** The curve with its knee, the sentence, the limit's death spiral, reality beside the prediction, and two recordings side by side. */

import type { Overlay, OverlayRow } from '../profile/overlay.js';
import type { Advice } from '../whatif/advice.js';
import type { Comparison } from '../whatif/compare.js';
import type { LimitSearch } from '../whatif/limit.js';
import { COMPARED_TITLES, comparedNumber } from './compared.js';
import type { Cell } from './document.js';
import { bar } from './plot.js';
import { table, wrap } from './text-table.js';
import { count, countRange, percent, percentRange, size, sizeRange } from './units.js';

const BAR = 20;

export function adviceText(advice: Advice, cells: readonly Cell[], width: number): string[] {
  const { curve, recommended } = advice;
  const lines: string[] = [];
  if (curve.length > 1) {
    lines.push('  Memory (peak retained) against GC CPU, settings that no other one beats in both:');
    const memory = Math.max(...curve.map((p) => p.memory));
    const cpu = Math.max(...curve.map((p) => p.gcCpu), Number.MIN_VALUE);
    const rows = curve.map((p) => [
      cells[p.cell].environment,
      size(p.memory),
      bar(p.memory / memory, BAR),
      percent(p.gcCpu),
      bar(p.gcCpu / cpu, BAR),
      p.cell === recommended ? '◀' : '',
    ]);
    lines.push(...table(rows, { indent: '  ', left: [2, 4, 5] }));
  }
  lines.push(...wrap(advice.why, width, '  '));
  if (recommended === null) return lines;
  lines.push('', ...wrap(`${advice.sentence}.`, width, '  '));
  lines.push(`  Set: ${advice.environment}`);
  return lines;
}

export function limitText(limit: LimitSearch, width: number): string[] {
  const top = Math.max(...limit.curve.map((p) => p.gcCpu[1]), limit.under);
  const rows = [['GOMEMLIMIT', 'GC CPU', '', 'cycles', 'above limit', 'by', '']];
  for (const point of limit.curve) {
    rows.push([
      size(point.limit),
      percentRange(point.gcCpu),
      bar(point.gcCpu[1] / top, 20),
      countRange(point.cycles),
      percentRange(point.overLimit),
      point.overLimitMax[1] === 0 ? '' : sizeRange(point.overLimitMax),
      point.limit === limit.smallest ? '◀' : point.limitedCycles[1] > 0 ? 'CPU limiter' : '',
    ]);
  }
  const lines = table(rows, { indent: '  ', left: [2, 6] });
  lines.push('', ...wrap(limit.text, width, '  '));
  if (limit.environment !== '') lines.push(`  Set: ${limit.environment}`);
  return lines;
}

function overlayNumber(row: OverlayRow, value: number): string {
  if (row.unit === 'bytes') return size(value);
  return row.unit === 'share' ? percent(value) : count(value);
}

export function overlayText(overlay: Overlay, name: string, width: number): string[] {
  const rows = [['', 'simulated', 'measured', 'error']];
  for (const row of overlay.rows) {
    const error =
      row.errorPercent === null ? '' : `${row.errorPercent < 0 ? '−' : '+'}${Math.abs(row.errorPercent).toFixed(1)} %`;
    rows.push([row.name, overlayNumber(row, row.predicted), overlayNumber(row, row.measured), error]);
  }
  const lines = [`  ${name}, beside what the program itself measured:`, ...table(rows, { indent: '  ' })];
  for (const note of overlay.notes) lines.push(...wrap(note, width, '  · ', '    '));
  return lines;
}

export function comparisonText(comparison: Comparison, width: number): string[] {
  const { before, after } = comparison;
  const lines = [...wrap(`before: ${before}`, width, '  '), ...wrap(`after:  ${after}`, width, '  '), ''];
  for (const cell of comparison.cells) {
    const rows = [[cell.name, 'before', 'after', '']];
    for (const { name, before: a, after: b, percent: p, same } of cell.numbers) {
      const digits = p !== null && Math.abs(p) >= 99.95 ? 0 : 1;
      const delta = same ? '~' : p === null ? '' : `${p < 0 ? '−' : '+'}${Math.abs(p).toFixed(digits)} %`;
      rows.push([`  ${COMPARED_TITLES[name]}`, comparedNumber(name, a), comparedNumber(name, b), delta]);
    }
    lines.push(...table(rows, { indent: '  ' }), '');
  }
  const changed = comparison.classes.slice(0, 10);
  if (changed.length > 0) {
    const rows = [['class', 'slot', '', 'asked before', 'after', 'spans before', 'after']];
    for (const { sizeClass, size: slot, noscan, requested, spans } of changed) {
      rows.push([
        sizeClass === 0 ? 'large' : String(sizeClass),
        sizeClass === 0 ? '' : count(slot),
        noscan ? 'noscan' : 'scan',
        size(requested[0]),
        size(requested[1]),
        size(spans[0]),
        size(spans[1]),
      ]);
    }
    lines.push('  Size classes that changed most (spans: when in use was greatest, of the base):');
    lines.push(...table(rows, { indent: '  ', left: [2] }), '');
  }
  lines.pop();
  return lines;
}
