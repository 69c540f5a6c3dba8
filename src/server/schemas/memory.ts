/** What sweep, check and memstats answer. */

import { type Static, Type } from '@fastify/type-provider-typebox';
import { Bytes } from './common.js';

const Count = (description: string) => Type.Integer({ minimum: 0, description });

export const SweepBody = Type.Object(
  {
    mark: Type.Optional(
      Type.Unsafe<'auto' | 'never' | 'always'>({
        type: 'string',
        enum: ['auto', 'never', 'always'],
        description: 'auto (default): mark first if something was freed since the last mark',
      }),
    ),
  },
  { additionalProperties: false, 'x-body-optional': true },
);
export type SweepBody = Static<typeof SweepBody>;

export const SweepAnswer = Type.Object({
  marked: Type.Boolean({ description: 'Whether a mark ran first' }),
  pauseMilliseconds: Type.Number({ description: 'How long it stopped the world' }),
  milliseconds: Type.Number({ description: 'How long all of it took' }),
  spansSwept: Count('Spans swept'),
  spansFreed: Count('Of those, spans given back whole'),
  pagesFreedBySweep: Count('Their pages'),
  objectsFreed: Count('Objects reclaimed'),
  heapInuseBefore: Bytes('HeapInuse before'),
  heapInuse: Bytes('HeapInuse now'),
  heapAlloc: Bytes('HeapAlloc now'),
  numGC: Count('Cycles completed'),
});

export const CheckAnswer = Type.Object({
  ok: Type.Boolean({ description: 'No difference was found' }),
  differences: Type.Array(Type.String(), { description: 'Every difference, at most 200 of them' }),
  found: Count('How many there are'),
  checked: Type.Object(
    { spans: Count('Spans in use'), pages: Count('Pages that the heap has grown to'), arenas: Count('Arenas') },
    { description: 'How much was compared' },
  ),
});

const MEMSTATS: Record<string, string> = {
  Alloc: 'Bytes of allocated objects; the same as HeapAlloc',
  TotalAlloc: 'Bytes allocated, ever',
  Sys: 'Bytes obtained: the sum of the *Sys fields',
  Lookups: 'Pointer lookups; always 0, as in Go',
  Mallocs: 'Objects allocated, ever',
  Frees: 'Objects freed, ever',
  HeapAlloc: 'Bytes of objects that are allocated and not yet swept',
  HeapSys: 'Bytes of address space in use by the heap',
  HeapIdle: 'Bytes of pages in no span',
  HeapInuse: 'Bytes of pages in spans',
  HeapReleased: 'Bytes of idle pages without memory',
  HeapObjects: 'Mallocs - Frees',
  StackInuse: 'Always 0: no goroutine stacks',
  StackSys: 'Always 0',
  MSpanInuse: 'Bytes of span records',
  MSpanSys: 'Bytes obtained for them',
  MCacheInuse: 'Bytes of mcaches',
  MCacheSys: 'Bytes obtained for them',
  BuckHashSys: 'Always 0',
  GCSys: 'Bytes of collector metadata',
  OtherSys: 'Bytes of other metadata',
  NextGC: 'Bytes of HeapAlloc that the next collection aims to stay below',
  GCCPUFraction: 'Share of the CPU of all Ps, since the heap was made, that collecting took',
  LastGC: 'When the last cycle ended, in nanoseconds since 1970',
  PauseTotalNs: 'Nanoseconds that the world was stopped',
  NumGC: 'Cycles completed',
  NumForcedGC: 'Of those, asked for',
  TinyAllocs: "Not in Go's struct: objects that shared a tiny block",
  LargeMallocs: "Not in Go's struct: large objects allocated",
  LargeFrees: "Not in Go's struct: large objects freed",
  PeakHeapInuse: "Not in Go's struct: the most that HeapInuse ever was",
};

const numbers = Object.fromEntries(
  Object.entries(MEMSTATS).map(([name, text]) => [name, Type.Number({ description: text })]),
);
const Numbers = (description: string) => Type.Array(Type.Number(), { description });

export const MemStatsAnswer = Type.Object(
  {
    version: Type.Integer({ description: "Version of this document's shape" }),
    ...numbers,
    PauseNs: Numbers('The last 256 pauses, in a ring: the newest at (NumGC + 255) % 256'),
    PauseEnd: Numbers('When they ended'),
    EnableGC: Type.Boolean({ description: 'Always true' }),
    DebugGC: Type.Boolean({ description: 'Always false' }),
    BySize: Type.Array(Type.Object({ Size: Type.Integer(), Mallocs: Type.Integer(), Frees: Type.Integer() }), {
      description: 'By size class',
    }),
  },
  { additionalProperties: true },
);
