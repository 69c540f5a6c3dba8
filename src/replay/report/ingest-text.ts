/** What was in the recording, in a few lines: what it is, how large, and whatever had to be tolerated. */

import type { IngestReport } from '../events.js';
import { wrap } from './text-table.js';
import { count, size, time } from './units.js';

/** Sentences of the reader that are shown; the document has all. */
const SHOWN = 6;

export function ingestText(name: string, ingest: IngestReport, width: number): string[] {
  const { format, formatVersion, compression } = ingest;
  const kind = [`${format}${formatVersion === '' ? '' : ` ${formatVersion}`}`];
  if (compression !== 'none') kind.push(compression);
  kind.push(size(ingest.bytes));
  const events = [
    `${many(ingest.events, 'event')}: ${many(ingest.mallocs, 'malloc')}, ${many(ingest.frees, 'free')}`,
    ...(ingest.reallocs > 0 ? [`${many(ingest.reallocs, 'realloc')} (${count(ingest.movedReallocs)} moved)`] : []),
    many(ingest.threads, 'thread'),
    ...(ingest.durationNs === null ? [] : [`${time(ingest.durationNs / 1e9)} recorded`]),
  ];
  const memory = [
    `${size(ingest.totalBytes)} asked for in all`,
    `at most ${size(ingest.peakLiveBytes)} in ${count(ingest.peakLiveObjects)} objects held at once`,
    ingest.liveObjects === 0
      ? 'all freed'
      : `${size(ingest.liveBytes)} in ${count(ingest.liveObjects)} objects never freed`,
  ];
  const lines = [
    ...wrap(`${name}: ${kind.join(', ')}`, width),
    ...wrap(events.join(', '), width, '  '),
    ...wrap(memory.join(', '), width, '  '),
  ];
  const tolerated = toleratedIn(ingest);
  if (tolerated.length > 0) lines.push(...wrap(`Tolerated: ${tolerated.join(', ')}.`, width, '  '));
  for (const { at, unit, text, why } of ingest.bad.slice(0, 3)) {
    lines.push(...wrap(`${unit} ${count(at)}: ${why}: ${JSON.stringify(text.slice(0, 60))}`, width, '    '));
  }
  if (ingest.truncated) {
    lines.push(...wrap('The recording is cut off in the middle: it counts up to there.', width, '  '));
  }
  if (ingest.pairing === 'approximate' && format !== 'pprof') {
    lines.push(...wrap('Which object a free means is approximate in this format.', width, '  '));
  }
  const { cannotTell } = ingest;
  for (const sentence of cannotTell.slice(0, SHOWN)) lines.push(...wrap(sentence, width, '  · ', '    '));
  if (cannotTell.length > SHOWN) lines.push(`  · and ${cannotTell.length - SHOWN} more, in --json`);
  return lines;
}

const many = (n: number, what: string): string => `${count(n)} ${what}${n === 1 ? '' : 's'}`;

export function toleratedIn(ingest: IngestReport): string[] {
  const counts: [number, string][] = [
    [ingest.badLines, 'bad lines'],
    [ingest.unknownFrees, 'frees of unknown addresses (double frees among them)'],
    [ingest.unknownReallocs, 'reallocs of unknown addresses'],
    [ingest.implicitFrees, 'mallocs at addresses still in use'],
    [ingest.failedReallocs, 'failed reallocs'],
    [ingest.nilAllocs, 'allocations that returned null'],
  ];
  return counts.filter(([n]) => n > 0).map(([n, what]) => `${count(n)} ${what}`);
}
