/** Single objects: what is known of one, its bytes, its pointers. */

import { type Static, Type } from '@fastify/type-provider-typebox';
import { Address, Bytes, HeapName } from './common.js';

export const ObjectParams = Type.Object({ heap: HeapName, address: Address });
export type ObjectParams = Static<typeof ObjectParams>;

export const PointerParams = Type.Object({
  heap: HeapName,
  address: Address,
  word: Type.Integer({ minimum: 0, maximum: 2 ** 30, description: 'The number of an 8-byte word of the object' }),
});
export type PointerParams = Static<typeof PointerParams>;

const nullable = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description, examples: ['0xc000012040'] });

export const ObjectAnswer = Type.Object({
  address: Type.String({ description: 'Where it begins' }),
  size: Bytes('Bytes that may be used from there on'),
  slotSize: Bytes('Bytes of its slot'),
  sizeClass: Type.Integer({ description: 'Size class; 0 is large' }),
  spanClass: Type.Integer({ description: 'Size class × 2, + 1 when noscan' }),
  noscan: Type.Boolean({ description: 'No pointers' }),
  span: Type.Integer({ description: 'Id of its span; 0 for an object of size 0' }),
  slot: Type.Integer({ description: 'Its slot' }),
  allocated: Type.Boolean({ description: 'Allocated: the sweep has not taken it' }),
  rooted: Type.Boolean({ description: 'A client holds a root' }),
  marked: Type.Boolean({ description: 'The last mark reached it, and its span is not swept yet' }),
  reachable: Type.Optional(Type.Boolean({ description: 'A root leads to it; only where asked for' })),
  requested: Type.Optional(Bytes('Of a large object: the bytes asked for')),
  tinyOffset: Type.Optional(Type.Integer({ description: 'Of a tiny object: its byte in the block' })),
  site: Type.Optional(Type.String({ description: 'Where it was allocated, as the client named it' })),
  pointers: Type.Array(
    Type.Object({ word: Type.Integer({ description: 'Number of the 8-byte word' }), value: nullable('What it holds') }),
    { description: 'Its pointer words' },
  ),
  pointersTruncated: Type.Boolean({ description: 'It has more pointer words than are shown' }),
});

export const PointerBody = Type.Object(
  {
    address: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      maxLength: 18,
      pattern: '^0x[0-9a-f]{1,16}$',
      description: 'The address to store, or null',
      'x-problem': 'invalid-address',
      'x-allowed': 'null, or a string of "0x" and 1 to 16 lower-case hexadecimal digits',
    }),
  },
  { additionalProperties: false },
);
export type PointerBody = Static<typeof PointerBody>;

export const PointerAnswer = Type.Object({
  address: Type.String({ description: 'The object' }),
  word: Type.Integer({ description: 'The word' }),
  value: nullable('What it holds now'),
});

export const WriteAnswer = Type.Object({
  written: Bytes('Bytes written'),
  size: Bytes('Bytes of the object'),
});
