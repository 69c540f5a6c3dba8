/**
 * Allocating and freeing: the bodies of `alloc` and `free`, their answers, and the operations of a batch.
 *
 * The largest size depends on the configuration (GOHEAP_MAX_OBJECT), so these schemas are made when routes are.
 */

import { type Static, Type } from '@fastify/type-provider-typebox';
import type { Config } from '../config.js';
import { Address } from './common.js';

/** Longest name of a site, most frames of one, and most words in a list of pointers. */
export const MAX_SITE = 1024;
export const MAX_FRAMES = 128;
export const MAX_POINTERS = 8192;
export const SITE_WORDS = `1 to ${MAX_SITE} characters: function names joined by ";", or an array of 1 to ${MAX_FRAMES} of them`;

export const Size = (config: Config) =>
  Type.Integer({
    minimum: 0,
    maximum: config.maxObject,
    description: 'Bytes asked for. 0 is valid: every such object has the same address, just below the heap',
    examples: [64],
    'x-problem': 'invalid-size',
    'x-problem-maximum': 'object-too-large',
    'x-allowed': `a whole number of bytes from 0 to ${config.maxObject}`,
  });

export const P = Type.Integer({
  minimum: 0,
  maximum: 1023,
  description: 'The P to run on; left out, the scheduler chooses',
  'x-problem': 'invalid-p',
});

export const Noscan = Type.Boolean({
  description: 'The object holds no pointers. Default true, or false where `pointers` is given',
});

export const Pointers = Type.Unsafe<number[] | 'all'>({
  anyOf: [
    {
      type: 'array',
      items: { type: 'integer', minimum: 0, maximum: 2 ** 25 },
      maxItems: MAX_POINTERS,
    },
    { type: 'string', const: 'all' },
  ],
  description: 'Which 8-byte words hold pointers: their numbers, or "all" (the default of a scan object)',
  examples: [[0, 3]],
  'x-allowed': `"all", or an array of at most ${MAX_POINTERS} numbers of 8-byte words inside the object`,
});

export const Site = Type.Unsafe<string | string[]>({
  anyOf: [
    { type: 'string', minLength: 1, maxLength: MAX_SITE },
    {
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: MAX_SITE, pattern: '^[^;]*$' },
      minItems: 1,
      maxItems: MAX_FRAMES,
    },
  ],
  description:
    'Where in your program: function names, outermost first, joined by ";" or as an array. Both ways of writing one stack are one ' +
    `site; joined, it has at most ${MAX_SITE} characters`,
  examples: ['main;handler', ['main', 'handler']],
  'x-allowed': SITE_WORDS,
});

export const Word = Type.Integer({ minimum: 0, maximum: 2 ** 27, description: 'The number of an 8-byte word' });

export const Reuse = Type.Unsafe<'sweep' | 'immediate'>({
  type: 'string',
  enum: ['sweep', 'immediate'],
  description: 'When the slot comes back: at the next sweep (default, as in Go), or at once (as runtime.freegc)',
});

export const AllocBody = (config: Config) =>
  Type.Object(
    {
      size: Size(config),
      noscan: Type.Optional(Noscan),
      pointers: Type.Optional(Pointers),
      count: Type.Optional(
        Type.Integer({ minimum: 1, maximum: config.maxBatch, description: 'How many: all of them, or none' }),
      ),
      p: Type.Optional(P),
      site: Type.Optional(Site),
      store: Type.Optional(
        Type.Object(
          { address: Address, word: Word },
          { additionalProperties: false, description: "Puts the new object's address into a pointer word of another" },
        ),
      ),
      root: Type.Optional(Type.Boolean({ description: 'Whether the client holds a root. Default true' })),
    },
    { additionalProperties: false },
  );
export type AllocBody = Static<ReturnType<typeof AllocBody>>;

export const SERVED_BY = ['tiny', 'mcache', 'mcentral', 'mheap', 'os'];

const placement = {
  size: Type.Integer({ description: 'Bytes asked for' }),
  sizeClass: Type.Integer({ description: 'Size class; 0 is a large object, or one of size 0' }),
  spanClass: Type.Integer({ description: 'Size class × 2, + 1 when noscan' }),
};
const ranOn = Type.Integer({ description: 'The P that served it' });
const servedBy = Type.Unsafe<string>({ type: 'string', enum: SERVED_BY, description: 'The deepest level it took' });

/** One flat object with two optional members, not a union: a union would be checked at every answer. */
export const AllocAnswer = Type.Object(
  {
    address: Type.Optional(Type.String({ description: 'Where the object begins', examples: ['0xc000012040'] })),
    addresses: Type.Optional(Type.Array(Type.String(), { description: 'With `count`: where the objects begin' })),
    ...placement,
    span: Type.Optional(
      Type.Integer({ description: 'Id of its span (not with `count`); 0 for an object of size 0, which has none' }),
    ),
    p: ranOn,
    servedBy: Type.Optional(servedBy),
    served: Type.Optional(
      Type.Object(Object.fromEntries(SERVED_BY.map((level) => [level, Type.Integer()])), {
        description: 'With `count`: how many each level served',
      }),
    ),
  },
  { $id: 'Alloc' },
);

export const FreeBody = (config: Config) =>
  Type.Object(
    {
      address: Type.Optional(Address),
      addresses: Type.Optional(Type.Array(Address, { minItems: 1, maxItems: config.maxBatch })),
      reuse: Type.Optional(Reuse),
      p: Type.Optional(P),
    },
    { additionalProperties: false },
  );
export type FreeBody = Static<ReturnType<typeof FreeBody>>;

export const Refused = Type.Object({
  index: Type.Integer({ description: 'Its position among `addresses`' }),
  address: Type.String(),
  code: Type.String({ description: 'The error code' }),
  detail: Type.String(),
});

export const FreeAnswer = Type.Object({
  freed: Type.Integer({ description: 'How many roots were dropped' }),
  refused: Type.Array(Refused, { description: 'The addresses that were refused, and why' }),
});

const At = { address: Type.Optional(Address), ref: Type.Optional(Type.Integer({ minimum: 0 })) };

/** For the document only: batches are validated by hand (`../batch/builder.ts`). */
export const BatchBody = (config: Config) =>
  Type.Object(
    {
      ops: Type.Array(
        Type.Union([
          Type.Object({
            op: Type.Literal('alloc'),
            size: Size(config),
            noscan: Type.Optional(Noscan),
            pointers: Type.Optional(Pointers),
            site: Type.Optional(Site),
            store: Type.Optional(Type.Object({ ...At, word: Word })),
            root: Type.Optional(Type.Boolean()),
          }),
          Type.Object({ op: Type.Literal('free'), ...At, reuse: Type.Optional(Reuse) }),
        ]),
        { maxItems: config.maxBatch, description: '`ref` is the index of an earlier alloc of the same batch' },
      ),
      p: Type.Optional(P),
    },
    { additionalProperties: false },
  );

export const BatchAnswer = Type.Object({
  results: Type.Array(
    Type.Object({
      address: Type.Optional(Type.String({ description: 'Of an alloc' })),
      servedBy: Type.Optional(servedBy),
      error: Type.Optional(
        Type.Object(
          { code: Type.String(), detail: Type.String() },
          { additionalProperties: true, description: 'Why this operation was refused' },
        ),
      ),
    }),
    { description: 'One for each operation, in order; `{}` for a free that went well' },
  ),
  done: Type.Integer({ description: 'Operations carried out' }),
  failed: Type.Integer({ description: 'Operations refused' }),
});
