/** What keeps an object alive, what goes with it, what lies below it. The answers are made in `../../sched/inspect-ops.ts`. */

import { type Static, Type } from '@fastify/type-provider-typebox';
import { Address, Bytes } from './common.js';

export const MAX_DEPTH = 64;
export const MAX_NODES = 10_000;
export const DEPTH = 8;
export const LIMIT = 1000;

const Count = (description: string, example: number) => Type.Integer({ minimum: 0, description, examples: [example] });
const Flag = (description: string, example: boolean) => Type.Boolean({ description, examples: [example] });
const Where = (description: string, example: string) => Type.String({ description, examples: [example] });

const Limit = (minimum: number, description: string) =>
  Type.Optional(
    Type.Integer({
      minimum,
      maximum: MAX_NODES,
      description: `${description}; ${LIMIT} where left out`,
      examples: [100],
    }),
  );

export const PathQuery = Type.Object(
  { limit: Limit(2, 'Show at most so many steps of the way') },
  { additionalProperties: false },
);
export type PathQuery = Static<typeof PathQuery>;

export const GraphQuery = Type.Object(
  {
    root: { ...Address, description: 'The object where the graph begins' },
    depth: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_DEPTH,
        description: `Follow at most so many pointers in a row; ${DEPTH} where left out`,
        examples: [2],
      }),
    ),
    limit: Limit(1, 'At most so many objects'),
  },
  { additionalProperties: false },
);
export type GraphQuery = Static<typeof GraphQuery>;

export const PathAnswer = Type.Object(
  {
    address: Where('The object', '0xc000012040'),
    reachable: Flag('Some root leads to it. If none does, it is garbage, and the next cycle takes it', true),
    length: Count('Objects on the way, both ends included; 0 if there is none', 2),
    path: Type.Array(
      Type.Object({
        address: Where(
          'Where the object begins. Of a tiny object: where its block begins, with which it lives',
          '0xc000010000',
        ),
        span: Count('Id of its span', 1),
        slot: Count('Its slot', 0),
        size: Bytes('Bytes that may be used'),
        word: Type.Unsafe<number | null>({
          type: ['integer', 'null'],
          description: 'Its 8-byte word that points at the next one; null at the end of the way',
          examples: [3],
        }),
        depth: Count('Pointers between the root and it', 0),
      }),
      { description: 'The shortest way: first an object with a root, last the object itself' },
    ),
    omitted: Count('Steps left out in the middle, because of `limit`', 0),
  },
  {
    examples: [
      {
        address: '0xc000012040',
        reachable: true,
        length: 2,
        path: [
          { address: '0xc000010000', span: 1, slot: 0, size: 64, word: 3, depth: 0 },
          { address: '0xc000012040', span: 2, slot: 1, size: 64, word: null, depth: 1 },
        ],
        omitted: 0,
      },
    ],
  },
);

export const RetainedAnswer = Type.Object(
  {
    address: Where('The object', '0xc000012040'),
    reachable: Flag('Some root leads to it', true),
    rooted: Flag('A client holds a root of it. Of a tiny object: of one in its block', false),
    objects: Count('Objects that would become garbage with it, itself included; 0 if it is garbage already', 3),
    bytes: { ...Bytes('Bytes of their slots'), examples: [192] },
    self: { ...Bytes('Bytes of its own slot'), examples: [64] },
  },
  {
    examples: [{ address: '0xc000012040', reachable: true, rooted: false, objects: 3, bytes: 192, self: 64 }],
  },
);

export const GraphAnswer = Type.Object(
  {
    root: Where('The object where it begins. Of a tiny object: its block', '0xc000010000'),
    nodes: Type.Array(
      Type.Object({
        address: Where('Where the object begins', '0xc000010000'),
        size: Bytes('Bytes that may be used'),
        sizeClass: Count('Size class; 0 is large', 7),
        noscan: Flag('No pointers', false),
        rooted: Flag('A client holds a root', true),
        depth: Count('Pointers between the root of the graph and it', 0),
      }),
      { description: 'The objects, nearest first' },
    ),
    edges: Type.Array(
      Type.Object({
        from: Where('The object that has the pointer', '0xc000010000'),
        word: Count('Number of its 8-byte word', 3),
        to: Where('The object that it refers to, wherever in it', '0xc000012040'),
      }),
      { description: 'The pointers of the objects above the deepest level' },
    ),
    truncated: Flag('More was there than `limit` allows: the nearest part is shown', false),
  },
  {
    examples: [
      {
        root: '0xc000010000',
        nodes: [
          { address: '0xc000010000', size: 64, sizeClass: 7, noscan: false, rooted: true, depth: 0 },
          { address: '0xc000012040', size: 64, sizeClass: 7, noscan: true, rooted: false, depth: 1 },
        ],
        edges: [{ from: '0xc000010000', word: 3, to: '0xc000012040' }],
        truncated: false,
      },
    ],
  },
);
