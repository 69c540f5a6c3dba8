/** Workloads: what starts one, and how one is shown. */

import { type Static, Type } from '@fastify/type-provider-typebox';
import { KIND_NAMES, type KindName, WORDS } from '../../workloads/texts.js';
import { GO_DURATION_WORDS, MAX_GO_DURATION } from '../goduration.js';
import { GO_SIZE_PATTERN, GO_SIZE_WORDS, MAX_GO_SIZE } from '../gosize.js';
import { Bytes, HeapParams } from './common.js';

export const MAX_RATE = 200_000;
/** Milliseconds. */
export const MAX_DURATION = 86_400_000;
export const MAX_STAGES = 16;

const Count = (description: string) => Type.Integer({ minimum: 0, description });
const choice = <T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], description });

const Share = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });

const Stage = Type.Object(
  {
    duration: Type.Number({ exclusiveMinimum: 0, maximum: MAX_DURATION / 1000, description: 'Seconds' }),
    allocRate: Type.Number({ minimum: 0, maximum: 1024, description: 'MiB allocated a second' }),
    scanRate: Type.Number({ minimum: 1, maximum: 1_000_000, description: 'MiB scanned in a CPU second' }),
    newSurvivalRate: Share('Share of new memory that survives its first cycle'),
    oldDeathRate: Share('Share of old memory that dies in a cycle'),
  },
  { additionalProperties: false },
);

const kinds = Object.entries(WORDS)
  .map(([name, { shows }]) => `- \`${name}\`: ${shows}`)
  .join('\n');

export const WorkloadBody = Type.Object(
  {
    workload: Type.Unsafe<KindName>({ type: 'string', enum: KIND_NAMES, description: kinds }),
    seed: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2 ** 32 - 1,
        default: 1,
        description: 'The same seed makes the same sequence of operations',
      }),
    ),
    duration: Type.Optional(
      Type.Union(
        [
          Type.Number({ exclusiveMinimum: 0, maximum: MAX_DURATION / 1000 }),
          Type.String({ maxLength: MAX_GO_DURATION }),
        ],
        {
          description: 'How long it runs, in seconds or as Go writes it; one minute where left out, at most a day',
          examples: ['30s'],
          'x-allowed': `a number of seconds, or ${GO_DURATION_WORDS}, more than nothing and at most 24h`,
        },
      ),
    ),
    rate: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_RATE, description: 'Operations a second; each workload has a default' }),
    ),
    bytes: Type.Optional(
      Type.Union(
        [
          Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
          Type.String({ maxLength: MAX_GO_SIZE, pattern: GO_SIZE_PATTERN }),
        ],
        {
          description: 'What it may hold at once; each workload has a default. At most the reservation of the heap',
          examples: ['64MiB'],
          'x-allowed': `${GO_SIZE_WORDS}, at most the reservation of the heap`,
        },
      ),
    ),
    p: Type.Optional(
      Type.Unsafe<number | 'all'>({
        anyOf: [
          { type: 'integer', minimum: 0, maximum: 1023 },
          { type: 'string', const: 'all' },
        ],
        description: 'The P to run on, or all (the default)',
        'x-allowed': 'a P of the heap, or "all"',
        'x-problem': 'invalid-p',
      }),
    ),
    keep: Type.Optional(
      Type.Boolean({ default: false, description: 'Leave its objects allocated when it ends. Nobody frees them then' }),
    ),
    k: Type.Optional(
      Type.Integer({ minimum: 2, maximum: 1000, description: 'Of `fragmentation`: one object in so many stays; 64' }),
    ),
    profile: Type.Optional(
      Type.Unsafe<Static<typeof Stage> | Static<typeof Stage>[]>({
        anyOf: [Stage, { type: 'array', items: Stage, minItems: 1, maxItems: MAX_STAGES }],
        description: "Of `gcguide`: the workload's stages, as the guide to Go's garbage collector writes them",
        'x-allowed': `a stage {duration, allocRate, scanRate, newSurvivalRate, oldDeathRate}, or an array of 1 to ${MAX_STAGES}`,
      }),
    ),
  },
  { additionalProperties: false },
);
export type WorkloadBody = Static<typeof WorkloadBody>;

export const WorkloadParams = Type.Object({
  ...HeapParams.properties,
  workload: Type.String({ minLength: 1, maxLength: 64, description: 'Id of a workload', examples: ['larson-1'] }),
});

export const WorkloadAnswer = Type.Object({
  id: Type.String({ description: 'Its id' }),
  workload: choice(KIND_NAMES, 'Which one'),
  shows: Type.String({ description: 'What one sees' }),
  alerts: Type.Array(
    Type.Object(
      {
        alert: Type.String({ description: 'Name of an alert rule' }),
        when: Type.String({ description: 'On which heap, and for how long it has to run' }),
      },
      { description: 'An alert, and when it fires' },
    ),
    { description: 'Alerts that it fires; none where it shows health' },
  ),
  state: choice(['running', 'stopping', 'done'], 'Stopping: it frees what it holds'),
  ending: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    enum: ['duration', 'stopped', 'heap-full', 'heap-deleted', 'shutdown', null],
    description: 'Why it ends',
  }),
  startedAt: Type.String({ format: 'date-time', description: 'When it began' }),
  endedAt: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    format: 'date-time',
    description: 'When it had ended',
  }),
  parameters: Type.Object(
    {
      seed: Count('Seed'),
      duration: Type.Number({ description: 'Seconds' }),
      rate: Count('Operations a second, at most'),
      bytes: Bytes('Held at once, at most'),
      p: Type.Unsafe<number | 'all'>({ type: ['integer', 'string'], description: 'A P, or all' }),
      keep: Type.Boolean({ description: 'Whether its objects stay' }),
      k: Type.Optional(Count('Of fragmentation: one object in so many stays')),
      profile: Type.Optional(Type.Array(Stage, { description: 'Of gcguide' })),
    },
    { description: 'What it goes by' },
  ),
  progress: Type.Object(
    {
      rounds: Count('Rounds of operations sent'),
      late: Count('Rounds left out because the one before was not answered yet'),
      allocs: Count('Objects allocated'),
      allocatedBytes: Bytes('Asked for by them'),
      frees: Count('Objects freed'),
      stores: Count('Pointers stored'),
      collections: Count('Collections that it called for itself'),
      failed: Count('Operations that the heap refused'),
      exhausted: Count('Of those, allocations for which it had no room'),
      setbacks: Type.Record(Type.String(), Count(''), {
        description: 'Batches that were not carried out whole, by error code',
      }),
    },
    { description: 'What it did so far' },
  ),
  live: Type.Object(
    { objects: Count('Objects'), bytes: Bytes('Asked for by them') },
    { description: 'What it holds now; what hangs on them is not counted' },
  ),
});

export const WorkloadList = Type.Object({
  workloads: Type.Array(WorkloadAnswer, { description: 'Newest first' }),
  running: Count('Of the whole server'),
  limit: Count('How many may run at once'),
});
