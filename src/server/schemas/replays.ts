/** Replays: what starts one, how one is shown, and what its results hold. The meaning of each field: `src/replay/result.ts`, `src/replay/events.ts`. */

import { type Static, type TSchema, Type } from '@fastify/type-provider-typebox';
import { CSV_TABLES, type CsvTable } from '../../replay/report/csv.js';
import type { Headline, Where } from '../../replay/result.js';
import { WHERE_PARTS } from '../../replay/result.js';
import { PARTS } from '../replays/parts.js';
import { Bytes } from './common.js';

const Count = (description: string) => Type.Integer({ minimum: 0, description });
const Num = (description: string) => Type.Number({ description });
const Share = (description: string) => Type.Number({ minimum: 0, description });
const Text = (description: string) => Type.String({ description });
const Time = (description: string) => Type.String({ format: 'date-time', description });
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const choice = <T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], description });
const words = (description: string, example: string) =>
  Type.Optional(Type.String({ maxLength: 4096, description, examples: [example] }));

export const STATES = ['parsing', 'waiting', 'running', 'done', 'failed', 'cancelled'] as const;
export const SOURCES = ['upload', 'example', 'replay', 'url'] as const;

export const ReplayQuery = Type.Object(
  {
    name: Type.Optional(
      Type.String({
        maxLength: 100,
        // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be in a name
        pattern: /^[^\u0000-\u001f\u007f]{1,100}$/.source,
        description: 'What to call it',
        examples: ['app'],
        'x-allowed': '1 to 100 characters without control characters',
      }),
    ),
    gogc: words('GOGC: per cent, or off; a list. 100 where left out', '50,100,200,off'),
    memlimit: words("GOMEMLIMIT: sizes in Go's notation, or off; a list. off where left out", 'off,512MiB'),
    procs: words('GOMAXPROCS; a list. 1 where left out', '1,4'),
    arena: words('Size of an arena: 64MiB, 4MiB, or both. 64MiB where left out', '64MiB'),
    clock: words('concurrent, or stw: marking with the world stopped', 'concurrent'),
    frees: words('garbage: what the program frees is collected; immediate: its slot is free at once', 'garbage'),
    scan: words('Which objects have pointers: recorded, none, all, or per cent of them', 'recorded'),
    realloc: words('new: always another object; fit: the same where the new size fits its slot', 'new'),
    roots: words('How the program holds its objects: segments, exact, none', 'segments'),
    threads: words('Recorded threads run on P 0 (one), or on P thread modulo GOMAXPROCS (modulo)', 'one'),
    time: words('costs, recorded, 250ns an event, or a rate of allocation such as 100MiB/s', 'costs'),
    from: words('The first event of the recording, from 0', '0'),
    to: words('The event before which it ends', '100000'),
    loops: words('How often the recording is played', '1'),
    seed: words('Of scan in per cent', '1'),
    seconds: words('Of a heap profile: how long the program ran', '60'),
    operations: words('Of a heap profile: how many operations it did', '1000000'),
    variations: words('Simulations of each concurrent setting, for ranges. 3 where left out', '3'),
  },
  { additionalProperties: false },
);
export type ReplayQuery = Static<typeof ReplayQuery>;

export const ReplayId = Type.String({ minLength: 1, maxLength: 64, description: 'Id of a replay' });

export const ReplayBody = Type.Object(
  {
    example: Type.Optional(
      Type.String({ maxLength: 64, description: 'Name of a recording that comes with goheap', examples: ['jq'] }),
    ),
    replay: Type.Optional(Type.String({ maxLength: 64, description: 'Id of a replay: its recording, once more' })),
    url: Type.Optional(
      Type.String({
        maxLength: 2048,
        description: 'Of a heap profile, where GOHEAP_REPLAY_FETCH allows it',
        examples: ['http://127.0.0.1:6060/debug/pprof/heap'],
      }),
    ),
  },
  { additionalProperties: false, minProperties: 1, maxProperties: 1 },
);
export type ReplayBody = Static<typeof ReplayBody>;

export const ReplayParams = Type.Object({ id: ReplayId });
export const CellParams = Type.Object({
  id: ReplayId,
  cell: Type.Integer({ minimum: 0, description: 'Number of a cell of its grid' }),
});

export const IncludeQuery = Type.Object(
  {
    include: Type.Optional(
      Type.String({
        maxLength: 256,
        description: `Large parts of the results: ${PARTS.join(', ')}, or all`,
        examples: ['timeline,classes'],
      }),
    ),
  },
  { additionalProperties: false },
);

export const MapQuery = Type.Object(
  {
    cell: Type.Optional(Type.Integer({ minimum: 0, default: 0, description: 'Number of a cell of the grid' })),
    event: Type.Integer({ minimum: 0, description: 'After so many events', examples: [50000] }),
  },
  { additionalProperties: false },
);

export const CsvQuery = Type.Object(
  {
    table: Type.Optional(
      Type.Unsafe<CsvTable>({
        type: 'string',
        enum: [...CSV_TABLES],
        default: 'grid',
        description: 'Which table',
      }),
    ),
  },
  { additionalProperties: false },
);

const headline: Record<keyof Headline, TSchema> = {
  events: Count('Events played'),
  seconds: Num('Virtual duration'),
  cycles: Count('Collections'),
  forcedCycles: Count('Of those, asked for by the program, or after two minutes without one'),
  peakInuse: Bytes('HeapInuse, greatest'),
  meanInuse: Num('HeapInuse, mean over time'),
  peakRetained: Bytes('HeapSys - HeapReleased, greatest: what the operating system has to provide'),
  meanRetained: Num('The same, mean over time'),
  heapSys: Bytes('HeapSys at the end'),
  released: Bytes('HeapReleased at the end'),
  peakReleased: Bytes('HeapReleased, greatest'),
  peakLive: Bytes('Requested bytes that the program holds, greatest'),
  meanLive: Num('The same, mean over time'),
  totalAlloc: Bytes('TotalAlloc'),
  mallocs: Count('Mallocs'),
  frees: Count('Frees'),
  gcCpu: Share('CPU of the collector but for its idle workers, as a share of GOMAXPROCS × duration'),
  assistCpu: Share('Assists alone'),
  pauseCpu: Share('Pauses alone'),
  idleMarkCpu: Share('Idle workers'),
  scavengeCpu: Share('The scavenger'),
  gcCpuSeconds: Num('CPU seconds of the collector'),
  pauseTotal: Num('Seconds of all pauses'),
  pauseMax: Num('Seconds of the longest'),
  overLimit: Share('Share of the time over GOMEMLIMIT'),
  overLimitMax: Bytes('The most that it was over'),
  limitedCycles: Count('Cycles in which the CPU limiter was on'),
};
const HeadlineView = Type.Object(headline, { description: 'What a cell comes to' });
const Range = Type.Array(Type.Number(), { minItems: 2, maxItems: 2 });
const RangesView = Type.Record(Type.String(), Range, {
  description: 'Least and greatest of each number of the headline, over the variations',
});

const ingest = {
  format: Text('Which format it is'),
  formatVersion: Text('Its version, where it has one'),
  compression: choice(['none', 'gzip', 'zstd', 'zip'], 'How it is packed'),
  bytes: Bytes('As it came'),
  textBytes: Bytes('Unpacked'),
  lines: Count('Lines'),
  events: Count('Mallocs, frees, reallocs'),
  streamed: Count('Of those, played'),
  mallocs: Count('Mallocs'),
  frees: Count('Frees'),
  reallocs: Count('Reallocs'),
  movedReallocs: Count('Reallocs with another address'),
  failedReallocs: Count('Reallocs that failed'),
  zeroSizes: Count('Objects of no bytes'),
  nilAllocs: Count('Allocations that returned null'),
  unknownFrees: Count('Frees of addresses that were never allocated'),
  unknownReallocs: Count('Reallocs of such'),
  implicitFrees: Count('Allocations at an address that was live'),
  reusedAddresses: Count('Addresses that came again'),
  badLines: Count('Lines that are no event'),
  bad: Type.Array(
    Type.Object({
      at: Count('Line, or offset in bytes'),
      unit: choice(['line', 'byte'], 'Which of them'),
      text: Text('Its beginning'),
      why: Text('What is wrong'),
    }),
    { description: 'The first few of them' },
  ),
  threads: Count('Threads'),
  threadSwitches: Count('Changes between them'),
  crossThreadFrees: Count('Frees by another thread than the one that allocated'),
  durationNs: orNull(Num('First to last recorded time')),
  truncated: Type.Boolean({ description: 'It ends in the middle' }),
  pairing: choice(['exact', 'approximate'], 'How sure it is which object a free means'),
  slots: Count('Greatest number of live objects'),
  totalBytes: Bytes('Allocated'),
  peakLiveBytes: Bytes('Live at once, greatest'),
  peakLiveAtEvent: Count('When'),
  peakLiveObjects: Count('Objects live at once, greatest'),
  liveBytes: Bytes('Never freed'),
  liveObjects: Count('Never freed'),
  maxSize: Bytes('The largest allocation'),
  cannotTell: Type.Array(Type.String(), { description: 'What this format cannot tell' }),
};
const IngestView = Type.Object(ingest, { description: 'What was in the recording' });

const Failure = orNull(
  Type.Object(
    { code: Text('As in problem documents'), detail: Text('What happened') },
    { description: 'Why it failed' },
  ),
);

const Progress = Type.Object(
  {
    share: orNull(Share('0 to 1; null: the size of the upload is not known')),
    bytes: Bytes('Of the recording read'),
    events: Count('Parsed, then simulated over all simulations'),
    eventsPerSecond: Count('0 when nothing goes on'),
    secondsLeft: orNull(Num('At this rate')),
  },
  { description: 'How far it is' },
);

const seen = {
  cell: Count('Its number'),
  state: choice(['waiting', 'running', 'done'], 'Where it is'),
  events: Count('Events simulated'),
  seconds: Num('Virtual time'),
  cycles: Count('Collections'),
  inuse: Bytes('HeapInuse'),
  live: Bytes('Requested bytes that the program holds'),
};

const CellView = Type.Object({
  ...seen,
  gogc: Type.Unsafe<number | 'off'>({ type: ['integer', 'string'], description: 'GOGC' }),
  memlimit: Text('GOMEMLIMIT'),
  procs: Count('GOMAXPROCS'),
  arena: Text('Size of an arena'),
  name: Text('What tells it from the others'),
  environment: Text('The environment to set for it'),
  sentence: Text('It against the base'),
  headline: orNull(HeadlineView),
  ranges: orNull(RangesView),
});

const AdviceView = Type.Object(
  {
    curve: Type.Array(
      Type.Object({ cell: Count('Of the grid'), memory: Num('Peak retained, bytes'), gcCpu: Share('GC CPU') }),
      { description: 'Settings of which no other needs less of both, by memory' },
    ),
    recommended: orNull(Count('Number of a cell')),
    why: Text('Why that one'),
    sentence: Text('It against the base'),
    environment: Text('The environment to set'),
  },
  { description: 'Memory against GC CPU, and its knee' },
);

const common = {
  id: Text('Its id'),
  name: Text('What it is called'),
  source: choice(SOURCES, 'Where the recording comes from'),
  cached: Type.Boolean({ description: 'In the answer to POST: whether an earlier replay answers' }),
  state: choice(STATES, 'Where it is'),
  createdAt: Time('When it was asked for'),
  startedAt: orNull(Time('When its simulations began')),
  endedAt: orNull(Time('When it ended')),
  error: Failure,
  hash: orNull(Text('SHA-256 of the recording, hex')),
  bytes: Bytes('Of its results on disk'),
  variations: Count('Simulations of each concurrent setting'),
  events: Count('Events that each simulation plays; 0 while parsing'),
  progress: Progress,
};

export const ReplayView = Type.Object({
  ...common,
  ingest: orNull(IngestView),
  cells: Type.Array(CellView, { description: 'The grid; 0 is the base' }),
  advice: orNull(AdviceView),
  profile: orNull(
    Type.Object(
      {
        seconds: orNull(Num('Length of the interval')),
        operations: orNull(Num('Operations in it')),
        bytesPerOperation: orNull(Num('As go test -benchmem has it')),
        objectsPerOperation: orNull(Num('The same')),
        timeShare: Share('Part of the interval that is played'),
        heapShare: Share('Part of the objects that are played'),
      },
      { description: 'Of a heap profile; null: it is a recording' },
    ),
  ),
});

export const ReplayList = Type.Object({
  replays: Type.Array(
    Type.Object({
      ...common,
      ingest: orNull(
        Type.Object(
          {
            format: ingest.format,
            events: ingest.events,
            threads: ingest.threads,
            totalBytes: ingest.totalBytes,
            peakLiveBytes: ingest.peakLiveBytes,
          },
          { description: 'What was in the recording' },
        ),
      ),
      cells: Count('Of its grid'),
      sentence: Text('The recommended setting against the base'),
      environment: Text('What it recommends to set'),
    }),
    { description: 'Newest first' },
  ),
  running: Count('How many run'),
  waiting: Count('How many upload, or wait for their turn'),
  bytes: Bytes('On disk'),
  limits: Type.Object(
    {
      running: Count('GOHEAP_REPLAYS_RUNNING'),
      waiting: Count('GOHEAP_REPLAYS_WAITING'),
      kept: Count('GOHEAP_REPLAYS_KEPT'),
      disk: Bytes('GOHEAP_REPLAY_DISK'),
      upload: Bytes('GOHEAP_REPLAY_UPLOAD'),
      cells: Count('GOHEAP_REPLAY_CELLS'),
      procs: Count('GOHEAP_MAX_PROCS'),
    },
    { description: 'What is accepted' },
  ),
});

export const ExampleList = Type.Object({
  examples: Type.Array(
    Type.Object({
      name: Text('For the body of POST'),
      title: Text('The program and its work'),
      about: Text('What there is to see'),
      format: Text('Of the recording'),
      events: Count('Mallocs, frees, reallocs'),
      bytes: Bytes('Of the file'),
    }),
  ),
});

const where: Record<keyof Where, TSchema> = {
  requested: Bytes('Asked for by the program, and held'),
  rounding: Bytes('What size classes add'),
  tiny: Bytes('Of tiny blocks, not asked for'),
  tails: Bytes('Ends of spans'),
  freeSlots: Bytes('Free slots'),
  mcache: Bytes('Free slots of spans in mcaches'),
  garbage: Bytes('Given up, not yet swept'),
  idle: Bytes('Free pages that hold memory'),
  released: Bytes('Free pages that hold none'),
  metadata: Bytes('Sys beyond HeapSys'),
  total: Bytes('Sys: the sum'),
};
const WhereView = Type.Object(where, { description: 'Where Sys went' });
const Moment = (description: string) =>
  Type.Object({ event: Count('After so many events'), seconds: Num('Virtual'), where: WhereView }, { description });

const Numbers = Type.Array(Type.Number());
const Series = (description: string) => Type.Object({ min: Numbers, mean: Numbers, max: Numbers }, { description });
const Rows = (description: string) => Type.Array(Type.Any(), { description });

const result = {
  version: Count('Of this document'),
  settings: Type.Any({ description: 'All settings of the simulation (src/replay/settings.ts)' }),
  headline: HeadlineView,
  peak: Moment('When HeapInuse was greatest'),
  end: Moment('At the end'),
  suggestions: Rows('Sizes of which a few bytes less would save a size class'),
  exhausted: orNull(
    Type.Object({ event: Count('When'), size: Bytes('What did not fit') }, { description: 'The heap was full' }),
  ),
  warnings: Type.Array(Type.String(), { description: 'What belongs to this result' }),
};

const parts = {
  timeline: Type.Optional(
    Type.Object(
      {
        event: Numbers,
        seconds: Numbers,
        live: Series('Requested bytes held'),
        heapAlloc: Series('HeapAlloc'),
        inuse: Series('HeapInuse'),
        retained: Series('HeapSys - HeapReleased'),
        sys: Series('HeapSys'),
        goal: Series('The goal of the heap'),
        cycles: Numbers,
        gcCpu: Numbers,
        where: Type.Array(Numbers, {
          description: `At the end of each interval, a row a part: ${WHERE_PARTS.join(', ')}`,
        }),
      },
      { description: 'At most 2,000 intervals of equally many events' },
    ),
  ),
  classes: Type.Optional(Rows('Size classes')),
  lifetimes: Type.Optional(Type.Any({ description: 'In bytes allocated and in cycles; by size' })),
  cycles: Type.Optional(Rows('The last 10,000 collections')),
  gctrace: Type.Optional(Type.Array(Type.String(), { description: "Go's own lines for those" })),
  memstats: Type.Optional(Type.Any({ description: 'MemStats at the end' })),
  samples: Type.Optional(Rows('MemStats at chosen moments')),
};

export const ResultView = Type.Object({ ...result, ...parts });

export const ReplayDocumentView = Type.Object({
  ...ReplayView.properties,
  version: Count('Of results'),
  results: Type.Array(orNull(ResultView), { description: 'Of each cell; null: not done' }),
  caveats: Type.Array(Type.String(), { description: 'True of every replay of such a recording' }),
});

export const MapView = Type.Object({
  event: Count('Events done'),
  seconds: Num('Virtual'),
  pages: Count('Pages that the heap has grown to, of 8 KiB'),
  arenaPages: Count('Pages of an arena'),
  runs: Type.Array(Type.Array(Type.Integer(), { minItems: 6, maxItems: 6 }), {
    description:
      'By address: state (0 free, 1 released, 2 spans), pages, size class, noscan (0, 1), slots, slots in use',
  }),
});

const Timelines = Type.Array(
  Type.Object({ event: Numbers, seconds: Numbers, cycles: Numbers, inuse: Numbers, live: Numbers }),
  { description: 'Of each cell, what was seen so far' },
);

export const ReplayEventData = Type.Union([
  Type.Object(
    { ...ReplayView.properties, timelines: Timelines },
    { title: 'hello', description: 'Once, at the beginning' },
  ),
  Type.Object(
    {
      state: choice(STATES, 'Where it is'),
      progress: Progress,
      cells: Type.Array(Type.Object(seen), { description: 'The grid' }),
    },
    { title: 'progress', description: 'Up to five times a second' },
  ),
  Type.Object(
    { cell: Count('Its number'), headline: HeadlineView },
    { title: 'result', description: 'A cell is done' },
  ),
  Type.Object(ReplayView.properties, { title: 'end', description: 'done, failed or cancelled: the last event' }),
]);
