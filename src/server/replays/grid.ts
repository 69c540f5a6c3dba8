/**
 * From a query to the grid of settings that a replay simulates.
 *
 * Four of the settings are lists, and the grid is all their combinations, in the order of `whatif/axes.ts`: the base first. Names and grammar are those
 * of Go's own variables where Go has them. Every bad value is answered by what it may be; nothing is rounded, ignored or guessed.
 */

import { DEFAULT_SETTINGS } from '../../replay/defaults.js';
import type { SimSettings, TimeBase } from '../../replay/settings.js';
import { gridOf as gridOfAxes } from '../../replay/whatif/axes.js';
import { DEFAULT_VARIATIONS, MAX_VARIATIONS } from '../../replay/whatif/ranges.js';
import { ARENA_SIZES } from '../config.js';
import { formatGoSize, GO_SIZE_WORDS, parseGoSize } from '../gosize.js';
import { Problem } from '../problem.js';
import { quote } from '../quote.js';
import type { ProfileOptions } from './profile.js';

/** The settings of a query, as they came. */
export interface GridQuery {
  gogc?: string;
  memlimit?: string;
  procs?: string;
  arena?: string;
  clock?: string;
  frees?: string;
  scan?: string;
  realloc?: string;
  roots?: string;
  threads?: string;
  time?: string;
  from?: string;
  to?: string;
  loops?: string;
  seed?: string;
  variations?: string;
  seconds?: string;
  operations?: string;
}

export interface GridLimits {
  readonly cells: number;
  readonly procs: number;
}

const MAX_GOGC = 2 ** 31 - 1;
const MAX_LOOPS = 10_000;
const MAX_SEED = 2 ** 31 - 1;
/** Of the program's own time an event, ns. */
const MAX_NS = 1e9;

function invalid(field: string, allowed: string, value: string): Problem {
  return new Problem('invalid-setting', `"${field}" must be ${allowed}, not ${quote(value)}.`, {
    field,
    allowed,
  });
}

type Parse<T> = (text: string) => T | undefined;

function list<T>(query: GridQuery, field: keyof GridQuery, allowed: string, parse: Parse<T>): T[] | undefined {
  const text = query[field];
  if (text === undefined) return undefined;
  const values = text.split(',').map((item) => {
    const value = parse(item.trim());
    if (value === undefined) throw invalid(field, `${allowed}; or several of them, with commas between`, item);
    return value;
  });
  return [...new Set(values)];
}

function one<T>(query: GridQuery, field: keyof GridQuery, allowed: string, parse: Parse<T>): T | undefined {
  const text = query[field];
  if (text === undefined) return undefined;
  const value = parse(text);
  if (value === undefined) throw invalid(field, allowed, text);
  return value;
}

function choice<T extends string>(query: GridQuery, field: keyof GridQuery, values: readonly T[]): T | undefined {
  return one(query, field, `one of ${values.join(', ')}`, (text) => values.find((value) => value === text));
}

function whole(min: number, max: number): Parse<number> {
  return (text) => {
    const n = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return n >= min && n <= max ? n : undefined;
  };
}

function integer(query: GridQuery, field: keyof GridQuery, min: number, max: number): number | undefined {
  return one(query, field, `a whole number from ${min} to ${max}`, whole(min, max));
}

const gogc: Parse<number> = (text) => (text === 'off' ? -1 : whole(0, MAX_GOGC)(text));

/** null: off. What is beyond all memory is off, as in Go. */
const memlimit: Parse<number | null> = (text) => {
  if (text === 'off') return null;
  const bytes = parseGoSize(text);
  return bytes === Number.POSITIVE_INFINITY ? null : bytes;
};

const arena: Parse<number> = (text) => ARENA_SIZES.find((bytes) => bytes === parseGoSize(text));

const timeBase: Parse<TimeBase> = (text) => {
  if (text === 'costs' || text === 'recorded') return { kind: text };
  const ns = /^([0-9]{1,10}(?:\.[0-9]{1,3})?)ns$/.exec(text);
  if (ns !== null) return Number(ns[1]) <= MAX_NS ? { kind: 'nsPerEvent', ns: Number(ns[1]) } : undefined;
  const bytes = text.endsWith('/s') ? parseGoSize(text.slice(0, -2)) : undefined;
  return bytes !== undefined && bytes > 0 && Number.isFinite(bytes) ? { kind: 'bytesPerSecond', bytes } : undefined;
};

const scan: Parse<SimSettings['scan']> = (text) =>
  text === 'recorded' || text === 'none' || text === 'all' ? text : whole(0, 100)(text);

export interface Grid {
  /** The base first. */
  readonly cells: SimSettings[];
  /** Simulations of each concurrent setting (whatif/ranges.ts). */
  readonly variations: number;
}

/** Throws a Problem. `suggested`: for what the query does not name. */
export function gridOf(query: GridQuery, limits: GridLimits, suggested: Partial<SimSettings> = {}): Grid {
  const base: SimSettings = { ...DEFAULT_SETTINGS, ...suggested };
  const from = integer(query, 'from', 0, Number.MAX_SAFE_INTEGER) ?? base.from;
  const to = integer(query, 'to', 1, Number.MAX_SAFE_INTEGER) ?? base.to;
  if (to !== null && to <= from) throw invalid('to', `more than "from", which is ${from}`, String(to));
  const common: SimSettings = {
    ...base,
    clock: choice(query, 'clock', ['concurrent', 'stw']) ?? base.clock,
    frees: choice(query, 'frees', ['garbage', 'immediate']) ?? base.frees,
    scan: one(query, 'scan', 'recorded, none, all, or a whole number of per cent from 0 to 100', scan) ?? base.scan,
    realloc: choice(query, 'realloc', ['new', 'fit']) ?? base.realloc,
    rootsTable: choice(query, 'roots', ['segments', 'exact', 'none']) ?? base.rootsTable,
    threads: choice(query, 'threads', ['one', 'modulo']) ?? base.threads,
    timeBase: one(query, 'time', TIME_WORDS, timeBase) ?? base.timeBase,
    loops: integer(query, 'loops', 1, MAX_LOOPS) ?? base.loops,
    seed: integer(query, 'seed', 0, MAX_SEED) ?? base.seed,
    from,
    to,
  };
  const axes = {
    gogc: list(query, 'gogc', `a whole number of per cent from 0 to ${MAX_GOGC}, or off`, gogc) ?? [base.gogc],
    memoryLimit: list(query, 'memlimit', `${GO_SIZE_WORDS}, or off`, memlimit) ?? [base.memoryLimit],
    gomaxprocs: list(query, 'procs', `a whole number from 1 to ${limits.procs}`, whole(1, limits.procs)) ?? [
      base.gomaxprocs,
    ],
    arenaSize: list(query, 'arena', '64MiB or 4MiB', arena) ?? [base.arenaSize],
  };
  const variations = integer(query, 'variations', 1, MAX_VARIATIONS) ?? DEFAULT_VARIATIONS;
  const size = Object.values(axes).reduce((n, values) => n * values.length, 1);
  if (size > limits.cells) {
    throw new Problem('grid-too-large', `The grid has ${size} cells, and ${limits.cells} are accepted.`, {
      limit: limits.cells,
    });
  }
  // Without a chosen base there always is one.
  return { cells: gridOfAxes(common, axes) as SimSettings[], variations };
}

const positive: Parse<number> = (text) => {
  const n = /^[0-9]{1,15}(?:\.[0-9]{1,9})?$/.test(text) ? Number(text) : 0;
  return n > 0 ? n : undefined;
};

/** What a query says of a heap profile. Throws a Problem. */
export function profileOptions(query: GridQuery): ProfileOptions {
  const words = 'a positive number';
  return {
    seconds: one(query, 'seconds', words, positive),
    operations: one(query, 'operations', words, positive),
  };
}

const TIME_WORDS =
  'costs, recorded, nanoseconds of its own between two events such as 250ns, or a rate of allocation such as 100MiB/s';

/** How a cell's four coordinates are shown: sent back in a query they mean the same. */
export function coordinates(settings: SimSettings) {
  const { gogc: percent, memoryLimit, gomaxprocs, arenaSize } = settings;
  return {
    gogc: percent < 0 ? ('off' as const) : percent,
    memlimit: memoryLimit === null ? 'off' : formatGoSize(memoryLimit),
    procs: gomaxprocs,
    arena: formatGoSize(arenaSize),
  };
}
