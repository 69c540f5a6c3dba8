/** What a garbage collection, the history of them, and a scavenge answer. Times in seconds. */

import { Type } from '@fastify/type-provider-typebox';
import { Bytes } from './common.js';

const Count = (description: string) => Type.Integer({ minimum: 0, description });
const Seconds = (description: string) => Type.Number({ description });

const Nothing = { additionalProperties: false, 'x-body-optional': true };

export const GcBody = Type.Object({}, Nothing);

const cycle = {
  number: Count('NumGC: how many cycles had been completed with it'),
  why: Type.Unsafe<'heap' | 'forced' | 'periodic'>({
    type: 'string',
    enum: ['heap', 'forced', 'periodic'],
    description: 'What began it: the trigger, a request, or two minutes without a cycle',
  }),
  forced: Type.Boolean({ description: 'Whether a request began it' }),
  startedAt: Type.String({ format: 'date-time', description: 'When it began' }),
  at: Seconds('The same, since the heap was made'),
  gomaxprocs: Count('Ps of the heap'),
  heap: Type.Object(
    {
      start: Bytes('Live heap when it began'),
      end: Bytes('Live heap when its mark ended'),
      marked: Bytes('Of that, what it found reachable'),
      goal: Type.Number({ description: 'What the heap was to stay below' }),
      trigger: Type.Number({ description: 'At which live heap it was to begin' }),
    },
    { description: 'Sizes in bytes' },
  ),
  pauses: Type.Object(
    {
      sweepTermination: Seconds('The first pause, from asking the Ps to stop to letting them go'),
      markTermination: Seconds('The second'),
      stoppingSweepTermination: Seconds('Of the first, until every P stood still'),
      stoppingMarkTermination: Seconds('Of the second'),
    },
    { description: 'How long the world was stopped' },
  ),
  markSeconds: Seconds('Wall time of the concurrent mark'),
  cpu: Type.Object(
    {
      assist: Seconds('Marking by allocations'),
      dedicated: Seconds('Marking by dedicated workers'),
      fractional: Seconds('Marking by fractional workers'),
      idle: Seconds('Marking by Ps that had nothing else to do'),
      pauses: Seconds('Pauses, times the Ps'),
      fraction: Type.Number({ description: 'Share of all CPU since the heap was made that collecting took' }),
    },
    { description: 'CPU time by class' },
  ),
  mark: Type.Object(
    {
      scanBytes: Bytes('Bytes of objects that were read for pointers'),
      objectsScanned: Count('Those objects'),
      rootsMarked: Count('Objects marked because a client holds them'),
      shaded: Count('Pointers that the write barrier marked'),
      assists: Count('Allocations that had to pay'),
      assistScanBytes: Bytes('What they scanned'),
    },
    { description: 'Work of the mark' },
  ),
  pacer: Type.Object(
    {
      consMark: Type.Number({ description: 'Bytes allocated per byte scanned, per CPU' }),
      utilization: Type.Number({ description: 'Share of the CPU that workers and assists took' }),
      assistWorkPerByte: Type.Number({ description: 'Bytes to scan for each byte allocated, at the end' }),
      runway: Type.Number({ description: 'Bytes that the next mark is expected to see allocated' }),
    },
    { description: 'What the pacer learned' },
  ),
  sweep: Type.Object(
    {
      done: Type.Boolean({ description: 'Whether everything is swept' }),
      spansSwept: Count('Spans swept so far'),
      spansFreed: Count('Of those, spans given back whole'),
      pagesFreed: Count('Their pages'),
      objectsFreed: Count('Objects reclaimed'),
    },
    { description: 'What the sweep after it gave back' },
  ),
};

export const GcAnswer = Type.Object({
  ...cycle,
  gctrace: Type.String({ description: "The line that Go's GODEBUG=gctrace=1 would print" }),
  seconds: Seconds('How long all of it took, the sweep and the wait for an earlier cycle included'),
});

export const GcQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 256, description: 'Show at most so many cycles; all 256 where left out' }),
    ),
  },
  { additionalProperties: false },
);

export const GcHistory = Type.Object({
  cycles: Type.Array(Type.Object({ ...cycle, gctrace: Type.String({ description: 'As a line of gctrace' }) }), {
    description: 'The last cycles, newest first',
  }),
  numGC: Count('Cycles completed, ever'),
  numForcedGC: Count('Of those, asked for'),
  abandoned: Count('Cycles that began anew because a thread died in them'),
  phase: Type.Unsafe<'off' | 'mark'>({ type: 'string', enum: ['off', 'mark'], description: 'What goes on now' }),
  nextGC: Type.Number({ description: 'Goal of the next cycle, or of the one under way, in bytes' }),
  trigger: Type.Number({ description: 'Live heap at which the next one begins, in bytes' }),
  heapLive: Bytes('Live heap now, as the pacer counts it'),
  sweepDone: Type.Boolean({ description: 'Whether everything is swept' }),
});

export const ScavengeBody = Type.Object(
  {
    bytes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 2 ** 53 - 1,
        description: 'Give back at most about this much; all if absent',
      }),
    ),
    gc: Type.Optional(Type.Boolean({ description: 'Collect first (default true, as debug.FreeOSMemory does)' })),
  },
  Nothing,
);

export const ScavengeAnswer = Type.Object({
  release: Type.Unsafe<'madvise' | 'accounted'>({
    type: 'string',
    enum: ['madvise', 'accounted'],
    description: 'Whether the pages really went back, or were only counted (koffi is not installed)',
  }),
  collected: Type.Boolean({ description: 'Whether a collection ran first' }),
  releasedBytes: Bytes('What this request gave back'),
  heapIdle: Bytes('HeapIdle now'),
  heapReleasedBefore: Bytes('HeapReleased after the collection, before the scavenge'),
  heapReleased: Bytes('HeapReleased now'),
  heapSys: Bytes('HeapSys now'),
  seconds: Seconds('How long it took'),
});
