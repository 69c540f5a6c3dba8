/**
 * The configuration: everything that can be chosen when the process starts, from the environment and nowhere else.
 *
 * One table declares each variable once: its name, what it may be, its default, its meaning, and whether it is a
 * secret. Parsing, `goheap --help`, the log line at start and `docs/configuration.md` are all made from the table
 * (`config-text.ts`). Names are Go's where Go has them, with Go's grammar; but where Go ignores a malformed value, a
 * server must not: every bad value ends the process with status 2 and one line that says what would be right.
 *
 * An empty variable counts as absent, so that `AUTH_TOKEN=` in a compose file means no token.
 */

import { isIP } from 'node:net';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { formatGoDuration, GO_DURATION_WORDS, parseGoDuration } from './goduration.js';
import { formatGoSize, GO_SIZE_WORDS, parseGoSize } from './gosize.js';
import type { EffectiveSettings } from './hosted.js';
import { memoryOfContainer } from './memory-budget.js';

const KiB = 2 ** 10;
const MiB = 2 ** 20;
const GiB = 2 ** 30;

export const MIN_RESERVE = 64 * MiB;
export const MAX_RESERVE = 8 * GiB;
export const ARENA_SIZES: readonly number[] = [64 * MiB, 4 * MiB];

export type Group = 'Go' | 'Heaps' | 'Limits' | 'Replays' | 'Server';

export interface Variable<T> {
  readonly env: string;
  readonly group: Group;
  /** What it may be, in words, completing "must be …". */
  readonly allowed: string;
  readonly default: T;
  /** The default in words, where it depends on the machine. */
  readonly defaultText?: string;
  readonly help: string;
  readonly secret?: boolean;
  /** The value, or undefined if the text is malformed. */
  parse(text: string): T | undefined;
  show(value: T): string;
}

type Common<T> = Pick<Variable<T>, 'env' | 'group' | 'default' | 'help'> & { defaultText?: string };

function integer(of: Common<number> & { min: number; max: number }): Variable<number> {
  return {
    ...of,
    allowed: `a whole number from ${of.min} to ${of.max}`,
    parse: (text) => {
      const n = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return n >= of.min && n <= of.max ? n : undefined;
    },
    show: String,
  };
}

function size(of: Common<number> & { min: number; max: number }): Variable<number> {
  return {
    ...of,
    allowed: `${GO_SIZE_WORDS}, from ${formatGoSize(of.min)} to ${formatGoSize(of.max)}`,
    parse: (text) => {
      const n = parseGoSize(text);
      return n !== undefined && n >= of.min && n <= of.max ? n : undefined;
    },
    show: formatGoSize,
  };
}

function duration(of: Common<number> & { max: number }): Variable<number> {
  return {
    ...of,
    allowed: `${GO_DURATION_WORDS}, at most ${formatGoDuration(of.max)}`,
    parse: (text) => {
      const n = parseGoDuration(text);
      return n !== undefined && n <= of.max ? n : undefined;
    },
    show: formatGoDuration,
  };
}

/** "off", or what `inner` takes. */
function orOff<T>(inner: Variable<T>, byDefault: T | 'off' = inner.default): Variable<T | 'off'> {
  return {
    ...inner,
    default: byDefault,
    allowed: `${inner.allowed}, or off`,
    parse: (text) => (text === 'off' ? 'off' : inner.parse(text)),
    show: (value) => (value === 'off' ? 'off' : inner.show(value)),
  };
}

function choice<T extends string>(of: Common<T> & { values: readonly T[] }): Variable<T> {
  return {
    ...of,
    allowed: `one of ${of.values.join(', ')}`,
    parse: (text) => of.values.find((value) => value === text),
    show: String,
  };
}

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const gogc: Variable<number | 'off'> = {
  env: 'GOGC',
  group: 'Go',
  default: 100,
  allowed: 'a whole number of percent, or off',
  help: 'By how many percent a heap may grow between two collections. A negative number is off, as in Go.',
  parse: (text) => {
    if (text === 'off' || /^-[0-9]{1,9}$/.test(text)) return 'off';
    const n = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
    return n < 2 ** 31 ? n : undefined;
  },
  show: String,
};

const gomemlimit: Variable<number | 'off'> = {
  env: 'GOMEMLIMIT',
  group: 'Go',
  default: 'off',
  allowed: `${GO_SIZE_WORDS}, or off`,
  help: "Go's soft limit on the memory of a heap.",
  parse: (text) => {
    if (text === 'off') return 'off';
    const n = parseGoSize(text);
    // Go writes "no limit" as 2^63-1; anything beyond 2^53 is no limit here either.
    return n === Number.POSITIVE_INFINITY ? 'off' : n;
  },
  show: (value) => (value === 'off' ? 'off' : formatGoSize(value)),
};

const godebug: Variable<Readonly<Record<string, string>>> = {
  env: 'GODEBUG',
  group: 'Go',
  default: {},
  defaultText: 'empty',
  allowed: 'a comma-separated list of key=value',
  help: "Go's debugging switches, such as gctrace=1. Keys that have no meaning here are ignored, as in Go.",
  parse: (text) => {
    const pairs = text.split(',').map((pair) => /^([a-z][a-z0-9]*)=([^=,]*)$/.exec(pair.trim()));
    if (pairs.includes(null)) return undefined;
    return Object.fromEntries((pairs as RegExpExecArray[]).map(([, key, value]) => [key, value]));
  },
  show: (value) =>
    Object.entries(value)
      .map(([k, v]) => `${k}=${v}`)
      .join(','),
};

const arenaSize: Variable<number> = {
  env: 'GOHEAP_ARENA_SIZE',
  group: 'Heaps',
  default: 64 * MiB,
  allowed: '64MiB or 4MiB',
  help: "The size of an arena: 64MiB as on linux/amd64, 4MiB as on Go's other platforms.",
  parse: (text) => ARENA_SIZES.find((bytes) => bytes === parseGoSize(text)),
  show: formatGoSize,
};

const authToken: Variable<string | undefined> = {
  env: 'AUTH_TOKEN',
  group: 'Server',
  default: undefined,
  defaultText: 'none',
  allowed: 'at most 256 letters, digits and -._~+/ with = at the end (RFC 6750)',
  help: 'Bearer token that every request to /v1 and /metrics must carry. Health, docs and problem pages stay open.',
  secret: true,
  parse: (text) => (/^[A-Za-z0-9\-._~+/]+=*$/.test(text) && text.length <= 256 ? text : undefined),
  show: (value) => value ?? '',
};

const replayFetch: Variable<readonly string[] | 'off'> = {
  env: 'GOHEAP_REPLAY_FETCH',
  group: 'Replays',
  default: 'off',
  allowed: 'a comma-separated list of origins such as http://127.0.0.1:6060, or off',
  help: 'Where heap profiles may be fetched from, when a client names their URL. No other address is connected to.',
  parse: (text) => {
    if (text === 'off') return 'off';
    const origins = text.split(',').map((part) => originOf(part.trim()));
    return origins.includes(undefined) ? undefined : (origins as string[]);
  },
  show: (value) => (value === 'off' ? 'off' : value.join(',')),
};

/** Undefined where it is none, or more than one. */
function originOf(text: string): string | undefined {
  if (!/^https?:\/\/[^/?#@]+\/?$/i.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text).origin;
}

const dataDir: Variable<string> = {
  env: 'GOHEAP_DATA_DIR',
  group: 'Replays',
  default: join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'goheap'),
  defaultText: '`goheap` in XDG_STATE_HOME, else in ~/.local/state',
  allowed: 'the path of a directory',
  help: 'Where results of replays and their recordings are kept. It is made when the first replay is asked for.',
  parse: (text) => (text.includes('\0') ? undefined : text),
  show: String,
};

const host: Variable<string> = {
  env: 'HOST',
  group: 'Server',
  default: '127.0.0.1',
  allowed: 'a host name or an IP address',
  help: 'The address to listen on. Loopback by default; 0.0.0.0 is every interface: set AUTH_TOKEN with it.',
  parse: (text) => (/^[A-Za-z0-9.:_%-]+$/.test(text) ? text : undefined),
  show: String,
};

const HOST_NAME = /^(?:[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?|[0-9a-f:.]{2,45})$/;

/** Undefined: what is right follows from HOST and AUTH_TOKEN (`allowed-hosts.ts`). */
const allowedHosts: Variable<readonly string[] | 'off' | undefined> = {
  env: 'GOHEAP_ALLOWED_HOSTS',
  group: 'Server',
  default: undefined,
  defaultText:
    'nothing with AUTH_TOKEN set: every name passes. Else none but loopback where HOST is loopback; elsewhere also HOST, the ' +
    "machine's name, IP addresses, and names without a dot or below .local or .internal",
  allowed: 'a comma-separated list of host names and IP addresses without ports, or off (or *) for every name',
  help:
    'Names under which requests may reach the server (the Host header), and whose pages may send some (Origin), beside those of ' +
    'loopback. Against DNS rebinding. Behind a proxy: the name that it passes on. Health is not checked.',
  parse: (text) => {
    if (text === 'off' || text === '*') return 'off';
    const names = text.split(',').map((part) => part.trim().toLowerCase());
    return names.every((name) => HOST_NAME.test(name) && (isIP(name) !== 0 || !name.includes(':'))) ? names : undefined;
  },
  show: (value) => (value === undefined ? 'by HOST and AUTH_TOKEN' : value === 'off' ? 'off' : value.join(',')),
};

/** The table. The keys are the names in the code. */
export const VARIABLES = {
  gomaxprocs: integer({
    env: 'GOMAXPROCS',
    group: 'Go',
    default: availableParallelism(),
    defaultText: 'the number of CPUs',
    min: 1,
    max: 1024,
    help: 'The number of Ps of a heap, each with a thread of its own.',
  }),
  gogc,
  gomemlimit,
  godebug,

  reserve: size({
    env: 'GOHEAP_RESERVE',
    group: 'Heaps',
    default: 4 * GiB,
    min: MIN_RESERVE,
    max: MAX_RESERVE,
    help: 'Address space of a heap, a whole number of arenas. It costs nothing until it is touched.',
  }),
  arenaSize,

  maxHeaps: integer({
    env: 'GOHEAP_MAX_HEAPS',
    group: 'Limits',
    default: 16,
    min: 1,
    max: 1000,
    help: 'How many heaps may exist at once.',
  }),
  maxProcs: integer({
    env: 'GOHEAP_MAX_PROCS',
    group: 'Limits',
    default: 64,
    min: 1,
    max: 1024,
    help: 'How many Ps one heap may have.',
  }),
  memory: size({
    env: 'GOHEAP_MEMORY',
    group: 'Limits',
    default: memoryOfContainer(),
    defaultText: "the limit of the container, else the machine's memory",
    min: 64 * MiB,
    max: 2 ** 50,
    help: 'Memory that the process may use. A heap for whose threads none is left is refused; heaps may still grow beyond it.',
  }),
  maxObject: size({
    env: 'GOHEAP_MAX_OBJECT',
    group: 'Limits',
    default: GiB,
    min: KiB,
    max: MAX_RESERVE,
    help: 'The largest object that may be allocated.',
  }),
  bodyLimit: size({
    env: 'GOHEAP_BODY_LIMIT',
    group: 'Limits',
    default: 16 * MiB,
    min: KiB,
    max: GiB,
    help: 'The largest body of a batch or of a list of frees. Of one allocation at most 1MiB, of any other JSON 64KiB.',
  }),
  maxBatch: integer({
    env: 'GOHEAP_MAX_BATCH',
    group: 'Limits',
    default: 100_000,
    min: 1,
    max: 10_000_000,
    help: 'How many operations one batch may have.',
  }),
  maxStreams: integer({
    env: 'GOHEAP_MAX_STREAMS',
    group: 'Limits',
    default: 64,
    min: 0,
    max: 10_000,
    help: 'How many live event streams may be open at once, over all heaps; and as many of replays.',
  }),
  maxWorkloads: integer({
    env: 'GOHEAP_MAX_LOADS',
    group: 'Limits',
    default: 8,
    min: 0,
    max: 100,
    help: 'How many built-in workloads may run at once, over all heaps.',
  }),
  maxConnections: orOff(
    integer({
      env: 'MAX_CONNECTIONS',
      group: 'Limits',
      default: 10_000,
      min: 1,
      max: 1_000_000,
      help: 'How many TCP connections may be open at once; more are dropped.',
    }),
  ),
  maxPipeline: integer({
    env: 'MAX_PIPELINE',
    group: 'Limits',
    default: 64,
    min: 1,
    max: 10_000,
    help: 'How many requests of one connection may run at once, where a client sends more without waiting.',
  }),
  maxUnsent: size({
    env: 'GOHEAP_MAX_UNSENT',
    group: 'Limits',
    default: 256 * MiB,
    min: MiB,
    max: 2 ** 40,
    help: 'Bytes of responses that clients have not taken, over all connections; beyond it those with the most are cut.',
  }),
  sendTimeout: duration({
    env: 'SEND_TIMEOUT',
    group: 'Limits',
    default: 60_000,
    max: 3_600_000,
    help: 'How long a client may take nothing of a response before its connection is cut; 0s is for ever.',
  }),
  maxBodies: size({
    env: 'GOHEAP_MAX_BODIES',
    group: 'Limits',
    default: 256 * MiB,
    min: MiB,
    max: 2 ** 40,
    help: 'Memory for request bodies on their way, over all connections; one client address may use half of it.',
  }),
  rateLimit: orOff(
    integer({
      env: 'RATE_LIMIT',
      group: 'Limits',
      default: 0,
      min: 1,
      max: 1_000_000_000,
      help: 'Requests a minute that one client address (of IPv6: a /64) may send; more are answered 429. Health is not counted.',
    }),
    'off',
  ),

  dataDir,
  replayThreads: integer({
    env: 'GOHEAP_REPLAY_THREADS',
    group: 'Replays',
    default: Math.min(availableParallelism(), 4),
    defaultText: 'the number of CPUs, at most 4',
    min: 1,
    max: 1024,
    help: 'How many threads simulate, each with a heap of its own; one more draws heap maps, and each upload has one that parses it.',
  }),
  replaysRunning: integer({
    env: 'GOHEAP_REPLAYS_RUNNING',
    group: 'Replays',
    default: 2,
    min: 1,
    max: 100,
    help: 'How many replays simulate at once.',
  }),
  replaysWaiting: integer({
    env: 'GOHEAP_REPLAYS_WAITING',
    group: 'Replays',
    default: 8,
    min: 1,
    max: 1000,
    help: 'How many more may be uploading or wait for their turn; beyond that a POST answers 503.',
  }),
  replaysKept: integer({
    env: 'GOHEAP_REPLAYS_KEPT',
    group: 'Replays',
    default: 32,
    min: 1,
    max: 10_000,
    help: 'How many replays that have ended are kept; the oldest go first.',
  }),
  replayDisk: size({
    env: 'GOHEAP_REPLAY_DISK',
    group: 'Replays',
    default: 8 * GiB,
    min: MiB,
    max: 2 ** 50,
    help: 'Bytes on disk that they may take together; the oldest go first.',
  }),
  replayUpload: size({
    env: 'GOHEAP_REPLAY_UPLOAD',
    group: 'Replays',
    default: 2 * GiB,
    min: KiB,
    max: 2 ** 40,
    help: 'The largest recording that may be uploaded, packed or not.',
  }),
  replayText: size({
    env: 'GOHEAP_REPLAY_TEXT',
    group: 'Replays',
    default: 64 * GiB,
    min: KiB,
    max: 2 ** 44,
    help: 'What it may unpack to. Beyond 256MiB, at most 500 times its size.',
  }),
  replayEvents: integer({
    env: 'GOHEAP_REPLAY_EVENTS',
    group: 'Replays',
    default: 500_000_000,
    min: 1000,
    max: 10 ** 12,
    help: 'How many events a recording may have. Each takes about 8 bytes of disk.',
  }),
  replayObjects: integer({
    env: 'GOHEAP_REPLAY_OBJECTS',
    group: 'Replays',
    default: 2 ** 25,
    min: 1000,
    max: 2 ** 28,
    help: 'How many objects of a recording may be live at once. Each takes about 64 bytes of each thread that simulates it.',
  }),
  replayCells: integer({
    env: 'GOHEAP_REPLAY_CELLS',
    group: 'Replays',
    default: 64,
    min: 1,
    max: 1000,
    help: 'How many combinations of settings one replay may have.',
  }),
  replayTime: duration({
    env: 'GOHEAP_REPLAY_TIME',
    group: 'Replays',
    default: 900_000,
    max: 86_400_000,
    help: 'How long one recording may be parsed, one replay may simulate, and a heap map or a report may take.',
  }),

  replayFetch,

  host,
  port: integer({
    env: 'PORT',
    group: 'Server',
    default: 8080,
    min: 0,
    max: 65_535,
    help: 'The TCP port; 0 lets the system choose.',
  }),
  authToken,
  allowedHosts,
  logLevel: choice({
    env: 'LOG_LEVEL',
    group: 'Server',
    default: 'info',
    values: LOG_LEVELS,
    help: 'What is logged, as JSON on standard output. Requests one by one only from debug down.',
  }),
  requestTimeout: duration({
    env: 'REQUEST_TIMEOUT',
    group: 'Server',
    default: 60_000,
    max: 3_600_000,
    help: 'How long a client may take to send a whole request; 0s is for ever.',
  }),
  shutdownGrace: duration({
    env: 'SHUTDOWN_GRACE',
    group: 'Server',
    default: 10_000,
    max: 3_600_000,
    help: 'After SIGTERM or SIGINT, how long running requests may take before they are cut off.',
  }),
  trustProxy: orOff(
    integer({
      env: 'TRUST_PROXY',
      group: 'Server',
      default: 0,
      min: 1,
      max: 16,
      help: 'How many proxies stand in front: so many X-Forwarded-* hops are believed (client address, host).',
    }),
    'off',
  ),
} as const;

export type Config = {
  readonly [K in keyof typeof VARIABLES]: (typeof VARIABLES)[K] extends Variable<infer T> ? T : never;
};

export class ConfigError extends Error {}

/** Reads the environment; throws a ConfigError with one clear line at the first bad value. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const config: Record<string, unknown> = {};
  for (const [key, variable] of Object.entries(VARIABLES) as [string, Variable<unknown>][]) {
    const text = env[variable.env];
    if (text === undefined || text === '') {
      config[key] = variable.default;
      continue;
    }
    const value = variable.parse(text);
    if (value === undefined) {
      const shown = variable.secret ? '(a secret)' : JSON.stringify(text);
      throw new ConfigError(`${variable.env} is ${shown}, but must be ${variable.allowed}`);
    }
    config[key] = value;
  }
  return crossCheck(config as Config, env);
}

/** What no single variable can say. A default gives way; an explicit value is an error. */
function crossCheck(config: Config, env: Readonly<Record<string, string | undefined>>): Config {
  if (config.reserve % config.arenaSize !== 0) {
    const arena = formatGoSize(config.arenaSize);
    throw new ConfigError(
      `GOHEAP_RESERVE is ${formatGoSize(config.reserve)}, but must be a multiple of the arena size, ${arena}`,
    );
  }
  if (config.gomaxprocs > config.maxProcs) {
    if (env.GOMAXPROCS) {
      throw new ConfigError(
        `GOMAXPROCS is ${config.gomaxprocs}, but must be at most GOHEAP_MAX_PROCS, ${config.maxProcs}`,
      );
    }
    return { ...config, gomaxprocs: config.maxProcs };
  }
  return config;
}

/** The settings that a heap gets when its creator names none. */
export function defaultSettings(config: Config): EffectiveSettings {
  const { gomaxprocs, gogc, gomemlimit, arenaSize, reserve } = config;
  return { gomaxprocs, gogc, gomemlimit, arenaSize, reserve };
}
