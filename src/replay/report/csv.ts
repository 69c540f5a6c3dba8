/**
 * Tables as CSV (RFC 4180, lines end with \n): a header, then a row for each setting and thing. Sizes are bytes, shares 0 to 1, times seconds.
 *
 * Every table begins with the same columns: recording, cell (its name), base (1 or 0), gogc, gomemlimit (`off` or a number), gomaxprocs, arena_size.
 * Columns are added at the end, and not renamed.
 */

import { type Headline, WHERE_PARTS } from '../result.js';
import type { ReportDocument } from './document.js';

export const CSV_TABLES = ['grid', 'timeline', 'where', 'classes', 'lifetimes', 'cycles', 'samples', 'limit'] as const;
export type CsvTable = (typeof CSV_TABLES)[number];

type Value = string | number;

const CELL = ['recording', 'cell', 'base', 'gogc', 'gomemlimit', 'gomaxprocs', 'arena_size'];

/** "peakInuse" → "peak_inuse", "seconds" → "seconds". */
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export function csv(documents: readonly ReportDocument[], what: CsvTable = 'grid'): string {
  const out: string[] = [];
  let header: readonly string[] | undefined;
  for (const document of documents) {
    for (const { columns, rows } of tablesOf(document, what)) {
      if (header === undefined) {
        header = columns;
        out.push(line(columns));
      }
      for (const row of rows) out.push(line(row));
    }
  }
  return out.join('');
}

interface Table {
  readonly columns: readonly string[];
  readonly rows: Iterable<readonly Value[]>;
}

function* tablesOf(document: ReportDocument, what: CsvTable): Generator<Table> {
  if (what === 'limit') {
    yield limitTable(document);
    return;
  }
  for (let i = 0; i < document.results.length; i++) {
    const { columns, rows } = tableOf(document, i, what);
    const cell = cellColumns(document, i);
    yield {
      columns: [...CELL, ...columns],
      rows: (function* () {
        for (const row of rows) yield [...cell, ...row];
      })(),
    };
  }
}

function cellColumns(document: ReportDocument, i: number): Value[] {
  const { gogc, memoryLimit, gomaxprocs, arenaSize } = document.results[i].settings;
  const name = document.cells[i].name;
  return [document.name, name, i === 0 ? 1 : 0, gogc < 0 ? 'off' : gogc, memoryLimit ?? 'off', gomaxprocs, arenaSize];
}

function tableOf(document: ReportDocument, i: number, what: Exclude<CsvTable, 'limit'>): Table {
  const result = document.results[i];
  if (what === 'grid') {
    const names = Object.keys(result.headline) as (keyof Headline)[];
    const { ranges } = document.cells[i];
    return {
      columns: names.flatMap((name) => [snake(name), `${snake(name)}_min`, `${snake(name)}_max`]),
      rows: [names.flatMap((name) => [result.headline[name], ...ranges[name]])],
    };
  }
  if (what === 'timeline') {
    const { timeline } = result;
    const series = ['live', 'heapAlloc', 'inuse', 'retained', 'sys', 'goal'] as const;
    return {
      columns: [
        'event',
        'seconds',
        ...series.flatMap((name) => [`${snake(name)}_min`, `${snake(name)}_mean`, `${snake(name)}_max`]),
        'cycles',
        'gc_cpu',
        ...WHERE_PARTS.map((part) => `where_${snake(part)}`),
      ],
      rows: timeline.event.map((event, k) => [
        event,
        timeline.seconds[k],
        ...series.flatMap((name) => [timeline[name].min[k], timeline[name].mean[k], timeline[name].max[k]]),
        timeline.cycles[k],
        timeline.gcCpu[k],
        ...timeline.where.map((column) => column[k]),
      ]),
    };
  }
  if (what === 'where') {
    const parts = [...WHERE_PARTS, 'total'] as const;
    return {
      columns: ['at', 'event', 'seconds', ...parts.map(snake)],
      rows: (['peak', 'end'] as const).map((at) => {
        const { event, seconds, where } = result[at];
        return [at, event, seconds, ...parts.map((part) => where[part])];
      }),
    };
  }
  if (what === 'lifetimes') {
    const { bytes, objects, objectBytes } = result.lifetimes;
    return {
      columns: ['below_bytes', 'objects', 'object_bytes'],
      rows: bytes.map((bound, k) => [bound ?? 'inf', objects[k], objectBytes[k]]),
    };
  }
  const list = what === 'classes' ? result.classes : what === 'cycles' ? result.cycles : result.samples;
  const columns = COLUMNS[what];
  return {
    columns: columns.map(snake),
    rows: list.map((row) => columns.map((name) => plain((row as unknown as Record<string, unknown>)[name]))),
  };
}

const COLUMNS = {
  classes: ['sizeClass', 'size', 'noscan', 'requests', 'requestedBytes', 'rounding', 'spans', 'occupancy', 'spanBytes'],
  cycles: [
    'number',
    'event',
    'seconds',
    'forced',
    'start',
    'end',
    'marked',
    'goal',
    'trigger',
    'pause',
    'mark',
    'assist',
  ],
  samples: [
    'event',
    'heapAlloc',
    'heapSys',
    'heapInuse',
    'heapIdle',
    'heapReleased',
    'totalAlloc',
    'mallocs',
    'frees',
    'numGC',
    'nextGC',
  ],
} as const;

function limitTable({ name, limit }: ReportDocument): Table {
  const columns = ['recording', 'gogc', 'gomaxprocs', 'limit', 'smallest'];
  for (const key of ['gc_cpu', 'cycles', 'over_limit', 'over_limit_max', 'limited_cycles', 'peak_retained']) {
    columns.push(`${key}_min`, `${key}_max`);
  }
  if (limit === null) return { columns, rows: [] };
  return {
    columns,
    rows: limit.curve.map((p) => [
      name,
      limit.gogc < 0 ? 'off' : limit.gogc,
      limit.gomaxprocs,
      p.limit,
      p.limit === limit.smallest ? 1 : 0,
      ...[p.gcCpu, p.cycles, p.overLimit, p.overLimitMax, p.limitedCycles, p.peakRetained].flat(),
    ]),
  };
}

function plain(value: unknown): Value {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return value as Value;
}

function line(row: readonly Value[]): string {
  return `${row.map(field).join(',')}\n`;
}

/** A name that begins like a formula stays text in a spreadsheet. */
function field(value: Value): string {
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
