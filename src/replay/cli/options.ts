/** The command line of `goheap replay`: from words to axes and settings, or a UsageError that says what would be right. */

import { parseArgs } from 'node:util';
import { GO_SIZE_WORDS, parseGoSize } from '../../server/gosize.js';
import { DEFAULT_SETTINGS } from '../defaults.js';
import { DEFAULT_MAX_EVENTS } from '../profile/generator.js';
import { CSV_TABLES, type CsvTable } from '../report/csv.js';
import type { SimSettings, TimeBase } from '../settings.js';
import { DEFAULT_MEMORY } from '../store.js';
import type { Axes, Chosen } from '../whatif/axes.js';
import { DEFAULT_VARIATIONS, MAX_VARIATIONS } from '../whatif/ranges.js';

/** A command line that cannot be meant. */
export class UsageError extends Error {}

/** GOGC values unless told otherwise: enough for a curve. */
const DEFAULT_GOGC = [50, 100, 150, 200, 400];
const MAX_CELLS = 1000;
const MAX_PROCS = 1024;

export interface Options {
  readonly files: string[];
  readonly axes: Axes;
  /** Whether the user gave them, or a profile may say something better. */
  readonly given: { readonly procs: boolean; readonly scan: boolean; readonly roots: boolean; readonly time: boolean };
  readonly base: Chosen | undefined;
  /** What all cells have in common. */
  readonly common: SimSettings;
  readonly variations: number;
  /** Share of the CPU to find a limit for; undefined: no search. */
  readonly under: number | undefined;
  readonly calibrate: boolean;
  readonly gctrace: string | undefined;
  readonly memstats: string | undefined;
  readonly profile: {
    readonly seconds: number | undefined;
    readonly operations: number | undefined;
    readonly focus: string | undefined;
    readonly ignore: string | undefined;
    readonly maxEvents: number;
  };
  readonly format: 'text' | 'json' | 'csv';
  readonly table: CsvTable;
  readonly html: string | undefined;
  readonly ascii: boolean | undefined;
  readonly width: number | undefined;
  readonly workers: number | undefined;
  /** Bytes of the parsed recording that stay in memory. */
  readonly memory: number;
}

const SPEC = {
  gogc: { type: 'string' },
  memlimit: { type: 'string', default: 'off' },
  procs: { type: 'string' },
  arena: { type: 'string', default: '64MiB' },
  base: { type: 'string' },
  clock: { type: 'string', default: DEFAULT_SETTINGS.clock },
  frees: { type: 'string', default: DEFAULT_SETTINGS.frees },
  scan: { type: 'string' },
  realloc: { type: 'string', default: DEFAULT_SETTINGS.realloc },
  roots: { type: 'string' },
  time: { type: 'string' },
  from: { type: 'string', default: '0' },
  to: { type: 'string' },
  loops: { type: 'string', default: '1' },
  threads: { type: 'string', default: DEFAULT_SETTINGS.threads },
  baseline: { type: 'string', default: '0' },
  reserve: { type: 'string', default: '256GiB' },
  samples: { type: 'string' },
  seed: { type: 'string', default: String(DEFAULT_SETTINGS.seed) },
  variations: { type: 'string', default: String(DEFAULT_VARIATIONS) },
  under: { type: 'string' },
  calibrate: { type: 'boolean', default: false },
  gctrace: { type: 'string' },
  memstats: { type: 'string' },
  duration: { type: 'string' },
  ops: { type: 'string' },
  focus: { type: 'string' },
  ignore: { type: 'string' },
  'max-events': { type: 'string', default: String(DEFAULT_MAX_EVENTS) },
  json: { type: 'boolean', default: false },
  csv: { type: 'boolean', default: false },
  table: { type: 'string' },
  html: { type: 'string' },
  ascii: { type: 'boolean' },
  width: { type: 'string' },
  workers: { type: 'string' },
  memory: { type: 'string', default: `${DEFAULT_MEMORY}` },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export function parseOptions(argv: readonly string[]): 'help' | Options {
  const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options: SPEC });
  if (values.help) return 'help';
  if (positionals.length === 0) throw new UsageError('no recording is named');
  if (positionals.length > 2) throw new UsageError('at most two recordings can be compared');
  if (positionals.filter((file) => file === '-').length > 1)
    throw new UsageError('standard input can be read once only');
  const axes: Axes = {
    gogc: list('--gogc', values.gogc ?? DEFAULT_GOGC.join(','), gogc),
    memoryLimit: list('--memlimit', values.memlimit, (text) => (text === 'off' ? null : size(text, 2 ** 20))),
    gomaxprocs: list('--procs', values.procs ?? String(DEFAULT_SETTINGS.gomaxprocs), (text) =>
      integer(text, 1, MAX_PROCS),
    ),
    arenaSize: list('--arena', values.arena, (text) =>
      oneOf(size(text, 1), [64 * 2 ** 20, 4 * 2 ** 20], '64MiB or 4MiB'),
    ),
  };
  const cells = axes.gogc.length * axes.memoryLimit.length * axes.gomaxprocs.length * axes.arenaSize.length;
  if (cells > MAX_CELLS)
    throw new UsageError(`the grid has ${cells} settings, and at most ${MAX_CELLS} can be simulated`);
  const one = <T>(name: keyof typeof SPEC, parse: (text: string) => T): T | undefined => {
    const text = values[name];
    return typeof text === 'string' ? named(`--${name}`, text, parse) : undefined;
  };
  const samples = one('samples', sampling) ?? { forcedGCs: 0, readMemStats: 0 };
  const from = one('from', (text) => integer(text, 0, 2 ** 40)) as number;
  const to = one('to', (text) => integer(text, 1, 2 ** 40)) ?? null;
  if (to !== null && to <= from)
    throw new UsageError(`--to has to be more than --from, and ${to} is not more than ${from}`);
  const common: SimSettings = {
    ...DEFAULT_SETTINGS,
    clock: one('clock', choice('stw', 'concurrent')) as SimSettings['clock'],
    frees: one('frees', choice('garbage', 'immediate')) as SimSettings['frees'],
    scan: one('scan', scan) ?? DEFAULT_SETTINGS.scan,
    realloc: one('realloc', choice('new', 'fit')) as SimSettings['realloc'],
    rootsTable: one('roots', choice('exact', 'segments', 'none')) ?? DEFAULT_SETTINGS.rootsTable,
    timeBase: one('time', timeBase) ?? DEFAULT_SETTINGS.timeBase,
    from,
    to,
    loops: one('loops', (text) => integer(text, 1, 1e6)) as number,
    threads: one('threads', choice('one', 'modulo')) as SimSettings['threads'],
    baseline: one('baseline', (text) => size(text, 0)) as number,
    reserve: one('reserve', (text) => reserve(size(text, 1))) as number,
    seed: one('seed', (text) => integer(text, 0, 2 ** 31 - 1)) as number,
    ...samples,
  };
  if (values.json && values.csv) throw new UsageError('--json and --csv exclude each other');
  if (values.table !== undefined && !values.csv) throw new UsageError('--table belongs to --csv');
  return {
    files: positionals,
    axes,
    given: {
      procs: values.procs !== undefined,
      scan: values.scan !== undefined,
      roots: values.roots !== undefined,
      time: values.time !== undefined,
    },
    base: one('base', base),
    common,
    variations: one('variations', (text) => integer(text, 1, MAX_VARIATIONS)) as number,
    under: one('under', share),
    calibrate: values.calibrate,
    gctrace: values.gctrace,
    memstats: values.memstats,
    profile: {
      seconds: one('duration', seconds),
      operations: one('ops', (text) => integer(text, 1, Number.MAX_SAFE_INTEGER)),
      focus: one('focus', pattern),
      ignore: one('ignore', pattern),
      maxEvents: one('max-events', (text) => integer(text, 1000, 2 ** 30)) as number,
    },
    format: values.json ? 'json' : values.csv ? 'csv' : 'text',
    table: one('table', choice(...CSV_TABLES)) ?? 'grid',
    html: values.html,
    ascii: values.ascii,
    width: one('width', (text) => integer(text, 72, 100)),
    workers: one('workers', (text) => integer(text, 1, 64)),
    memory: one('memory', (text) => size(text, 0)) as number,
  };
}

/** Runs a parser, and puts the option's name before what it complains about. */
function named<T>(name: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    throw new UsageError(`${name} ${JSON.stringify(text.slice(0, 60))}: ${(error as Error).message}`);
  }
}

function list<T>(name: string, text: string, parse: (text: string) => T): T[] {
  return named(name, text, (all) => [...new Set(all.split(',').map((part) => parse(part.trim())))]);
}

function integer(text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new Error(`has to be a whole number from ${min} to ${max}`);
  return value;
}

function gogc(text: string): number {
  if (text === 'off') return -1;
  try {
    return integer(text, 0, 1_000_000);
  } catch {
    throw new Error('has to be off, or a whole number of per cent');
  }
}

function size(text: string, min: number): number {
  const value = parseGoSize(text);
  if (value === undefined || !Number.isFinite(value)) throw new Error(`has to be ${GO_SIZE_WORDS}`);
  if (value < min) throw new Error(`has to be at least ${min} bytes`);
  return value;
}

function reserve(bytes: number): number {
  if (bytes < 64 * 2 ** 20 || bytes > 256 * 2 ** 30 || bytes % (64 * 2 ** 20) !== 0) {
    throw new Error('has to be a multiple of 64MiB, up to 256GiB');
  }
  return bytes;
}

function oneOf<T>(value: T, allowed: readonly T[], words: string): T {
  if (!allowed.includes(value)) throw new Error(`has to be ${words}`);
  return value;
}

function choice<const T extends string>(...allowed: T[]): (text: string) => T {
  return (text) => oneOf(text as T, allowed, `one of ${allowed.join(', ')}`);
}

function scan(text: string): SimSettings['scan'] {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (match !== null && Number(match[1]) <= 100) return Number(match[1]);
  return oneOf(
    text as 'recorded' | 'none' | 'all',
    ['recorded', 'none', 'all'],
    'recorded, none, all, or per cent such as 30%',
  );
}

const RATES: Record<string, number> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

function timeBase(text: string): TimeBase {
  if (text === 'costs' || text === 'recorded') return { kind: text };
  const ns = /^(\d+(?:\.\d+)?)ns$/.exec(text);
  if (ns !== null) return { kind: 'nsPerEvent', ns: Number(ns[1]) };
  const rate = /^(\d+(?:\.\d+)?)(B|kB|KB|MB|GB|KiB|MiB|GiB)\/s$/.exec(text);
  if (rate !== null && Number(rate[1]) > 0) return { kind: 'bytesPerSecond', bytes: Number(rate[1]) * RATES[rate[2]] };
  throw new Error('has to be costs, recorded, ns per event such as 25ns, or a rate such as 100MB/s');
}

function share(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%?$/.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]) / 100;
  if (!(value > 0 && value <= 0.5))
    throw new Error('has to be per cent of the CPU, more than 0 and at most 50, such as 5%');
  return value;
}

const UNITS: Record<string, number> = { ms: 1e-3, s: 1, m: 60, h: 3600 };

function seconds(text: string): number {
  let rest = text;
  let sum = 0;
  for (
    let match = /^(\d+(?:\.\d+)?)(ms|s|m|h)/.exec(rest);
    match !== null;
    match = /^(\d+(?:\.\d+)?)(ms|s|m|h)/.exec(rest)
  ) {
    sum += Number(match[1]) * UNITS[match[2]];
    rest = rest.slice(match[0].length);
  }
  if (rest !== '' || !(sum > 0)) throw new Error('has to be a duration such as 30s or 1m30s');
  return sum;
}

function pattern(text: string): string {
  new RegExp(text);
  return text;
}

function sampling(text: string): { forcedGCs: number; readMemStats: number } {
  const match = /^(gc|memstats):(\d{1,6})$/.exec(text);
  const n = match === null ? 0 : Number(match[2]);
  if (n === 0 || n > 100_000) throw new Error('has to be gc:N or memstats:N, with N from 1 to 100000');
  return match?.[1] === 'gc' ? { forcedGCs: n, readMemStats: 0 } : { forcedGCs: 0, readMemStats: n };
}

/** "gogc=100,memlimit=off,procs=4,arena=64MiB", any of them. */
function base(text: string): Chosen {
  const out: { -readonly [K in keyof Chosen]: Chosen[K] } = {};
  for (const part of text.split(',')) {
    const [name, value] = part.split('=').map((word) => word.trim());
    if (value === undefined) throw new Error('has to be like gogc=100,memlimit=off,procs=4');
    if (name === 'gogc') out.gogc = gogc(value);
    else if (name === 'memlimit') out.memoryLimit = value === 'off' ? null : size(value, 1);
    else if (name === 'procs') out.gomaxprocs = integer(value, 1, MAX_PROCS);
    else if (name === 'arena') out.arenaSize = size(value, 1);
    else throw new Error('has only gogc, memlimit, procs and arena');
  }
  return out;
}

export const USAGE = `Usage: goheap replay FILE [FILE] [options]

What would Go's heap cost this program, and which GOGC and GOMEMLIMIT should it have? FILE is a recording
of its allocations (mtrace, AOSP, valgrind, heaptrack, ltrace, bpftrace, …; plain, gzip, zstd or zip), - for
standard input, or a Go heap profile, as a file or a URL of net/http/pprof. Two recordings are compared; two
profiles of one program are the beginning and the end of an interval.

What to try: lists, every combination is simulated
  --gogc LIST           per cent or off (default ${DEFAULT_GOGC.join(',')})
  --memlimit LIST       GOMEMLIMIT: sizes such as 512MiB, or off (default off)
  --procs LIST          GOMAXPROCS (default 1)
  --arena LIST          64MiB, 4MiB (default 64MiB)
  --base gogc=100,…     what the others are compared with (default: GOGC=100 without a limit)
  --under 5%            finds the smallest GOMEMLIMIT that keeps GC CPU under so much, with its death spiral

How to read the recording
  --scan WHICH          objects with pointers: recorded, none, all, or a share such as 30% (default recorded)
  --frees garbage|immediate      what frees mean: Go's garbage, or a slot that is free at once (default garbage)
  --realloc new|fit     a new object always, or only where the old one is too small (default new)
  --roots segments|exact|none    the table that holds the objects (default segments)
  --time BASE           costs, recorded, ns per event such as 25ns, a rate such as 100MB/s (default costs)
  --threads one|modulo  all on one P, or thread modulo GOMAXPROCS (default one)
  --from N  --to N      only these events; what is live at N is allocated first
  --loops N             plays it N times
  --baseline SIZE       live bytes that the program has besides

Profiles of Go programs
  --duration 30s        length of the interval;  --ops N  its operations
  --focus RE  --ignore RE        which stacks count, as in go tool pprof
  --max-events N        events that are played at most (default ${DEFAULT_MAX_EVENTS})

Reality
  --gctrace FILE        GODEBUG=gctrace=1 of the program: shown beside the simulation, with the error
  --memstats FILE       its MemStats, as JSON or as the end of a ?debug=1 profile
  --calibrate           measures this machine and scales the cost model by it (results then differ from run to run)

How to simulate
  --clock concurrent|stw         the collector beside the program by a cost model, or exact (default concurrent)
  --variations N        runs of each setting with other moments of preemption: ranges (default ${DEFAULT_VARIATIONS})
  --seed N              which objects have pointers, of --scan 30%
  --reserve SIZE        address space of the heap (default 256GiB)
  --samples gc:N|memstats:N      collects, or reads MemStats, at N even distances
  --workers N           simulations at once (default 2; each takes memory of its own)
  --memory SIZE         of the parsed recording that stays in memory; the rest goes to a file (default 64MiB)

Output
  --json                the whole document
  --csv                 a table of it: --table ${CSV_TABLES.join('|')}
  --html FILE           one self-contained page with plots
  --ascii               no characters beyond ASCII (default: where the locale is not UTF-8)
  --width N             columns, 72 to 100

Exit status: 0 done, 1 it failed or was interrupted, 2 the command line or the input cannot be used.
docs/replay.md explains every number.
`;
