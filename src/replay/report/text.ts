/**
 * The report in a terminal: at most 100 columns, no colours, so that it can be piped into a file or a ticket as it stands.
 *
 * Everything in it comes from the document. Pictures and tables of a single simulation are the base's: what the program gets unless something is set.
 */

import type { ComparisonDocument, ProfileFacts, ReportDocument } from './document.js';
import { gridText } from './grid-text.js';
import { ingestText } from './ingest-text.js';
import { classesText, lifetimesText } from './objects-text.js';
import { timelinePlot } from './plot.js';
import { wrap } from './text-table.js';
import { count, percent, size, time } from './units.js';
import { warningsOf } from './warnings.js';
import { adviceText, comparisonText, limitText, overlayText } from './whatif-text.js';
import { whereText } from './where-text.js';

export const DEFAULT_WIDTH = 96;

export function reportText(document: ReportDocument, width = DEFAULT_WIDTH): string {
  const [base] = document.results;
  const name = document.cells[0].name;
  const lines: string[] = [...ingestText(document.name, document.ingest, width)];
  if (document.profile !== null) lines.push(...profileText(document.profile, width));
  const section = (title: string, body: readonly string[]): void => {
    lines.push('', title, '', ...body);
  };
  for (const warning of warningsOf(document)) lines.push('', ...wrap(`! ${warning}`, width));
  section('WHAT IF', gridText(document));
  lines.push(...explained(document, width));
  section(`MEMORY OVER TIME, ${name}`, timelinePlot(base, { width }));
  const moment = `event ${count(base.peak.event)}, ${time(base.peak.seconds)}`;
  section(`WHERE IT WENT WHEN MOST WAS IN USE, ${name} (${moment})`, whereText(base.peak, width));
  section(`SIZE CLASSES, ${name}`, classesText(base, width));
  section(`LIFETIMES, ${name}`, lifetimesText(base.lifetimes, width));
  if (document.overlay !== null && document.overlayCell !== null) {
    section('REALITY', overlayText(document.overlay, document.cells[document.overlayCell].name, width));
  }
  if (document.limit !== null) section('THE SMALLEST LIMIT', limitText(document.limit, width));
  section('WHAT TO SET', adviceText(document.advice, document.cells, width));
  section(
    'KEEP IN MIND',
    [...document.caveats, ...costWords(document)].flatMap((text) => wrap(text, width, '  · ', '    ')),
  );
  return `${lines.join('\n')}\n`;
}

export function comparisonReport(document: ComparisonDocument, width = DEFAULT_WIDTH): string {
  const lines: string[] = [];
  for (const each of document.documents) {
    lines.push(...ingestText(each.name, each.ingest, width));
    for (const warning of warningsOf(each)) lines.push(...wrap(`! ${warning}`, width, '  '));
    lines.push('');
  }
  lines.push('TWO RECORDINGS', '', ...comparisonText(document.comparison, width), '');
  for (const each of document.documents) {
    lines.push(`WHAT TO SET, ${each.name}`, '', ...adviceText(each.advice, each.cells, width), '');
  }
  const texts = new Set(document.documents.flatMap((each) => [...each.caveats, ...costWords(each)]));
  lines.push('KEEP IN MIND', '', ...[...texts].flatMap((text) => wrap(text, width, '  · ', '    ')));
  return `${lines.join('\n')}\n`;
}

function explained(document: ReportDocument, width: number): string[] {
  if (document.cells.length === 1 && document.variations === 1) return [];
  const ranges = document.variations > 1 && document.results.some((r) => r.settings.clock === 'concurrent');
  const text = [
    ...(document.cells.length > 1
      ? ['Per cent: against the base. ~: no difference, or none that real Go would not make between two runs.']
      : []),
    ...(ranges ? [`a..b: the ends over ${document.variations} runs with other moments of preemption.`] : []),
  ].join(' ');
  return text === '' ? [] : ['', ...wrap(text, width, '  ')];
}

function profileText(profile: ProfileFacts, width: number): string[] {
  const { seconds, operations, bytesPerOperation, objectsPerOperation, timeShare, heapShare } = profile;
  const parts: string[] = [];
  if (seconds !== null) parts.push(`an interval of ${time(seconds)}`);
  if (operations !== null && bytesPerOperation !== null && objectsPerOperation !== null) {
    parts.push(
      `${count(operations)} operations of ${size(bytesPerOperation)} and ${count(objectsPerOperation)} allocations each`,
    );
  }
  if (timeShare < 1) parts.push(`${percent(timeShare)} of the interval played: counts of cycles are of that part`);
  if (heapShare < 1) parts.push(`${percent(heapShare)} of the objects played: sizes are of that part`);
  return parts.length === 0 ? [] : wrap(`Profile: ${parts.join('; ')}.`, width, '  ');
}

function costWords({ calibration, results }: ReportDocument): string[] {
  if (results[0].settings.clock === 'stw') return [];
  return [
    calibration === null
      ? 'Times and shares of the CPU come from a cost model of one core at about 3 GHz; --calibrate scales it to this machine.'
      : `Times and shares of the CPU come from a cost model, scaled to this machine: × ${calibration.factor.toFixed(2)} (${calibration.benchmark}).`,
  ];
}
