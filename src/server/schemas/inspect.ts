/** What the inspection routes answer: size classes, mcentrals, Ps, spans, arenas. The views are made in `../inspect/`. */

import { Type } from '@fastify/type-provider-typebox';
import { SERVED_BY } from './alloc.js';
import { Bytes } from './common.js';

const Count = (description: string) => Type.Integer({ minimum: 0, description });
const Flag = (description: string) => Type.Boolean({ description });
const choice = (values: readonly string[], description: string) =>
  Type.Unsafe<string>({ type: 'string', enum: [...values], description });
const idOrNull = (description: string) => Type.Unsafe<number | null>({ type: ['integer', 'null'], description });
const addressText = (description: string) => Type.String({ description, examples: ['0xc000012000'] });
const both = (description: string) =>
  Type.Object({ scan: Count('Of the span class with pointers'), noscan: Count('Of the one without') }, { description });

const SpanClass = Count('Size class × 2, + 1 when noscan');

export const SizeClasses = Type.Object({
  sizeClasses: Type.Array(
    Type.Object({
      class: Count('Number of the size class'),
      size: Bytes('Bytes of a slot'),
      smallest: Bytes('The smallest number of bytes that it is the best class for'),
      pages: Count('Pages of a span'),
      spanBytes: Bytes('Bytes of a span'),
      slots: both('Slots of a span'),
      tailBytes: both('Bytes of a span that are no slot: what is left over, pointer bitmap, inline marks'),
      spans: both('Spans in use'),
      mallocs: Count('Slots allocated, ever'),
      frees: Count('Slots freed, ever'),
      objects: Count('Slots allocated and not swept'),
    }),
  ),
});

const List = Type.Object({ spans: Count('How many'), first: idOrNull('Id of the first span, which is used next') });
const Lists = (description: string) => Type.Object({ swept: List, unswept: List }, { description });

export const Mcentrals = Type.Object({
  mcentrals: Type.Array(
    Type.Object({
      spanClass: SpanClass,
      sizeClass: Count('Size class; 0 holds large objects'),
      noscan: Flag('No pointers'),
      slotSize: Bytes('Bytes of a slot; 0 for large objects'),
      partial: Lists('Spans with a free slot (nonempty)'),
      full: Lists('Spans without (empty)'),
      refills: Count('Spans that mcaches asked for, ever'),
      grows: Count('Of those, spans made new from the heap'),
      lock: Type.Object({
        acquisitions: Count('Times taken'),
        contended: Count('Times a taker had to wait'),
        waitSeconds: Type.Number({ description: 'Seconds that takers waited, in all' }),
      }),
    }),
  ),
});

export const Ps = Type.Object({
  ps: Type.Array(
    Type.Object({
      id: Count('Number of the P'),
      status: choice(['running', 'idle', 'stopped', 'dead'], 'What it does now'),
      m: Type.Integer({ description: 'Number of the thread that holds it' }),
      ran: Count('Gs run'),
      stolen: Count('Of those, taken from the queue of another P'),
      queued: Count('Gs that wait in its queues'),
      served: Type.Object(Object.fromEntries(SERVED_BY.map((level) => [level, Count('')])), {
        description: 'Allocations, by the level that served them',
      }),
      mcache: Type.Array(
        Type.Object({
          spanClass: SpanClass,
          slotSize: Bytes('Bytes of a slot'),
          span: Count('Id of the cached span'),
          slots: Count('Its slots'),
          free: Count('Those still to hand out'),
          reusable: Count('Slots of this span class that wait for immediate reuse'),
        }),
      ),
      reusable: Count('Slots that wait for immediate reuse, in all'),
      tiny: Type.Unsafe<object | null>({
        type: ['object', 'null'],
        properties: {
          block: { type: 'string', description: 'Address of the current tiny block' },
          offset: { type: 'integer', description: 'Its first unused byte' },
        },
        description: 'The tiny block that it fills',
      }),
      pageCache: Type.Object({
        base: addressText('First of the 64 pages'),
        pages: Count('Pages still to give'),
        released: Count('Of those, pages without memory'),
      }),
      spanCache: Count('Span records that it keeps'),
      flushGen: Count('sweepgen for which its mcache was flushed'),
    }),
  ),
  globalQueued: Count('Gs in the global queue'),
  inFlight: Count('Gs that are not answered'),
  restarts: Count('Ms replaced since the heap was created'),
  stops: Count('Times the world was stopped'),
  stoppedSeconds: Type.Number({ description: 'For how many seconds, in all' }),
});

const LISTS = ['none', 'partial-swept', 'partial-unswept', 'full-swept', 'full-unswept', 'mcache', 'hand'];

const span = {
  id: Count('Id; ids are used again'),
  address: addressText('First byte'),
  pages: Count('Pages'),
  spanClass: SpanClass,
  sizeClass: Count('Size class; 0 is one large object'),
  noscan: Flag('No pointers'),
  slotSize: Bytes('Bytes of a slot'),
  slots: Count('Slots (nelems)'),
  allocated: Count('Slots in use (allocCount)'),
  occupancy: Type.Number({ description: 'allocated / slots' }),
  freeindex: Count('Slots below it have been handed out since the last sweep'),
  list: choice(LISTS, 'The list it stands in, or that it is cached'),
  p: Type.Optional(Type.Integer({ description: 'The P that has it, while cached or in hand' })),
  sweepgen: Count("Go's sweepgen"),
  sweepState: Type.String({ description: 'What sweepgen means now' }),
  needzero: Flag('Its pages were used before'),
  requested: Type.Optional(Bytes('Of a large object: the bytes asked for')),
};

const cursor = Type.Optional(Type.String({ description: 'Where the next page begins; absent at the end' }));

export const Spans = Type.Object({ spans: Type.Array(Type.Object(span)), next: cursor });

export const OneSpan = Type.Object({
  ...span,
  bytes: Bytes('pages × 8192'),
  prev: idOrNull('The span before it in its list'),
  next: idOrNull('The span after it'),
  slotList: Type.Array(
    Type.Object({
      slot: Count('Number of the slot'),
      address: addressText('Where its object begins'),
      state: choice(
        ['free', 'cached', 'allocated', 'dropped', 'reusable'],
        'cached: free, next for its P. dropped: its root is gone, the sweep decides. reusable: freed for immediate reuse',
      ),
      rooted: Flag('A client holds a root'),
      marked: Flag('The last mark reached it'),
      tiny: Type.Optional(Type.Array(Type.Integer(), { description: 'Of a tiny block: bytes where objects start' })),
      tinyRooted: Type.Optional(Type.Array(Type.Integer(), { description: 'Of those, the rooted ones' })),
    }),
  ),
});

const arena = {
  index: Count('Number of the arena'),
  address: addressText('First byte'),
  bytes: Bytes('Size'),
  state: choice(['none', 'reserved', 'prepared', 'ready'], "Go's states of address space"),
  zeroedBase: Count('Pages from here on were never used'),
  pages: Type.Object({
    total: Count('All'),
    unmapped: Count('Not yet grown to'),
    inUse: Count('In spans'),
    cached: Count('Free, in the page cache of a P'),
    free: Count('Free, with memory'),
    released: Count('Free, without memory'),
  }),
};

export const Arenas = Type.Object({ arenas: Type.Array(Type.Object(arena)), next: cursor });

export const OneArena = Type.Object({
  ...arena,
  runs: Type.Array(
    Type.Object({
      page: Count('First page, from the beginning of the arena'),
      pages: Count('How many'),
      state: choice(['unmapped', 'inUse', 'cached', 'free', 'released'], 'The state of them all'),
      span: Type.Optional(Count('Id of the span that they belong to')),
    }),
    { description: 'Every page, run by run' },
  ),
});

export const Limit = (most: number, byDefault: number) =>
  Type.Optional(
    Type.Integer({ minimum: 1, maximum: most, description: `At most so many; ${byDefault} where left out` }),
  );

export const Cursor = Type.Optional(
  Type.String({
    maxLength: 8,
    pattern: '^[0-9a-z]{1,8}$',
    description: 'The `next` of an earlier page',
    'x-problem': 'invalid-cursor',
    'x-allowed': 'the `next` of an earlier page of this listing',
  }),
);
