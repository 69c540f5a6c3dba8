/**
 * runtime.MemStats as text: the comment lines that end a legacy heap profile, or a JSON object, alone or as `memstats` of /debug/vars.
 *
 *     # Alloc = 4903856
 *     # Stack = 327680 / 327680          in use / obtained from the system
 *     # PauseNs = [274262 305337 0 0]
 *
 * What is not a field of MemStats is passed over: profiles add MaxRSS, /debug/vars whatever the program publishes.
 */

import type { GCMemStats } from '../../gc/memstats.js';
import { ReplayInputError } from '../events.js';
import { linesOf } from './lines.js';

/** Fields by Go's names, those that the text had. */
export type GoMemStats = Partial<GCMemStats>;

const NUMBERS = new Set([
  'Alloc',
  'TotalAlloc',
  'Sys',
  'Lookups',
  'Mallocs',
  'Frees',
  'HeapAlloc',
  'HeapSys',
  'HeapIdle',
  'HeapInuse',
  'HeapReleased',
  'HeapObjects',
  'StackInuse',
  'StackSys',
  'MSpanInuse',
  'MSpanSys',
  'MCacheInuse',
  'MCacheSys',
  'BuckHashSys',
  'GCSys',
  'OtherSys',
  'NextGC',
  'LastGC',
  'PauseTotalNs',
  'NumGC',
  'NumForcedGC',
  'GCCPUFraction',
]);
const ARRAYS = new Set(['PauseNs', 'PauseEnd']);
const PAIRS = new Set(['Stack', 'MSpan', 'MCache']);

const LINE = /^# (\w{1,40}) = (.*)$/;
/** Entries of an array: Go keeps the last 256 pauses. */
const ENTRIES = 256;

/** A number of these statistics: not negative. */
function number(text: unknown): number | null {
  const n = typeof text === 'string' && text.trim() !== '' ? Number(text) : text;
  return typeof n === 'number' && Number.isFinite(n) && n >= 0 ? n : null;
}

function array(values: unknown[]): number[] {
  return values
    .slice(0, ENTRIES)
    .map(number)
    .filter((n): n is number => n !== null);
}

/** @returns null where the lines hold none of it */
export function parseMemStatsLines(lines: Iterable<string>): GoMemStats | null {
  const out: Record<string, number | number[]> = {};
  for (const line of lines) {
    const match = LINE.exec(line.trimEnd());
    if (match === null) continue;
    const [, name, value] = match;
    if (ARRAYS.has(name)) {
      out[name] = array(value.replace(/^\[|\]$/g, '').split(' ', ENTRIES));
    } else if (PAIRS.has(name)) {
      const [inuse, sys] = value.split(' / ', 2).map(number);
      if (inuse !== null && inuse !== undefined) out[`${name}Inuse`] = inuse;
      if (sys !== null && sys !== undefined) out[`${name}Sys`] = sys;
    } else if (NUMBERS.has(name)) {
      const n = number(value);
      if (n !== null) out[name] = n;
    }
  }
  return Object.keys(out).length === 0 ? null : (out as GoMemStats);
}

function parseObject(text: string): GoMemStats | null {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new ReplayInputError('replay-damaged', `MemStats as JSON: ${(error as Error).message}`);
  }
  const object = (document as { memstats?: unknown } | null)?.memstats ?? document;
  if (typeof object !== 'object' || object === null) return null;
  const out: Record<string, number | number[]> = {};
  for (const [name, value] of Object.entries(object)) {
    if (ARRAYS.has(name) && Array.isArray(value)) out[name] = array(value);
    const n = NUMBERS.has(name) ? number(value) : null;
    if (n !== null) out[name] = n;
  }
  return Object.keys(out).length === 0 ? null : (out as GoMemStats);
}

/** @throws ReplayInputError where the text holds no MemStats */
export function parseMemStats(text: string): GoMemStats {
  const stats = text.trimStart().startsWith('{') ? parseObject(text) : parseMemStatsLines(linesOf(Buffer.from(text)));
  if (stats === null) {
    throw new ReplayInputError(
      'replay-memstats-empty',
      'no MemStats: neither lines of "# HeapAlloc = number" nor a JSON object with such fields',
    );
  }
  return stats;
}
