/**
 * What the document cannot say of a request that is to succeed: which values are alive, and how
 * much load a test may start.
 *
 * Everything that costs time is bounded here: workloads and recordings last a fraction of a second,
 * replays have some hundred events and at most a few cells, objects are small. A mutated request
 * may still ask for more; the server's own limits hold it then.
 */

import fc, { type Arbitrary } from 'fast-check';
import { BatchOp, Flag } from '../../../src/sched/ops.js';
import type { Operation, Schema } from './document.js';
import { type Hint, Ref, ref, valid } from './values.js';

/** A body that is sent: its media type, and a JSON value or bytes. */
export interface Body {
  type: string;
  json?: unknown;
  bytes?: Uint8Array;
}

const HEAP_NAMES = ['keep-0', 'keep-1', 'tmp-0', 'tmp-1', 'tmp-2'];
const small = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 2048 }), weight: 8 },
  fc.integer({ min: 2049, max: 400_000 }),
);
const list = (values: readonly string[], most: number): Arbitrary<string> =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: most }).map((items) => items.join(','));

/** Of query parameters, and of the members of JSON bodies, whose schema allows too much. */
const BY_NAME: Record<string, Arbitrary<unknown>> = {
  address: ref('address'),
  size: small,
  count: fc.integer({ min: 1, max: 20 }),
  p: fc.integer({ min: 0, max: 1 }),
  word: fc.integer({ min: 0, max: 3 }),
  ref: fc.integer({ min: 0, max: 3 }),
  pointers: fc.constantFrom<unknown>('all', [0], [0, 1]),
  site: fc.constantFrom<unknown>('main', 'main;handler', ['main', 'f', 'g'], 'ünï;cødé'),
};

const BY_OPERATION: Record<string, Record<string, Arbitrary<unknown>>> = {
  getObject: { pointers: fc.nat(200) },
  getGraph: { limit: fc.integer({ min: 1, max: 200 }) },
  getHeapSnapshot: { limit: fc.integer({ min: 1, max: 500 }) },
  getReplayMap: { event: fc.nat(40), cell: fc.constant(0) },
  getReplay: { include: list(['timeline', 'classes', 'lifetimes', 'cycles', 'gctrace', 'memstats', 'samples'], 3) },
  getReplayResult: {
    include: list(['timeline', 'classes', 'lifetimes', 'cycles', 'gctrace', 'memstats', 'samples'], 3),
  },
  getRecording: { seconds: fc.constantFrom(0.1, 0.2), bytes: fc.integer({ min: 4096, max: 100_000 }) },
  getRuntimeMetrics: {
    name: fc.constantFrom('/gc/heap/live:bytes', '/gc/pauses:seconds', '/memory/classes/total:bytes'),
  },
  getEvents: { rate: fc.integer({ min: 1, max: 10 }), 'last-event-id': fc.constantFrom('1-1', '5') },
  askDoctor: { window: fc.constantFrom(0, 0.05) },
  readObject: { range: fc.constantFrom('bytes=0-0', 'bytes=0-', 'bytes=-1', 'bytes=0-0,2-3') },
  writeObject: { 'content-range': fc.constant('bytes 0-0/*') },
  getReplayEvents: { 'last-event-id': fc.constantFrom('end', '1') },
  listSpans: { cursor: ref('spanCursor') },
  listArenas: { cursor: ref('arenaCursor') },
  putHeap: {
    gomaxprocs: fc.constantFrom(1, 2),
    gogc: fc.constantFrom<unknown>(50, 100, 'off'),
    gomemlimit: fc.constantFrom<unknown>('off', '32MiB', 67_108_864),
    arenaSize: fc.constantFrom<unknown>('4MiB', 4_194_304),
    reserve: fc.constantFrom<unknown>('64MiB', '128MiB'),
  },
  patchHeap: {
    gogc: fc.constantFrom<unknown>(10, 100, 'off'),
    gomemlimit: fc.constantFrom<unknown>('off', '48MiB', 1e9),
  },
  startWorkload: {
    duration: fc.constantFrom<unknown>(0.05, '200ms'),
    rate: fc.integer({ min: 1, max: 2000 }),
    bytes: fc.integer({ min: 1, max: 1_000_000 }),
    keep: fc.constant(false),
    p: fc.constantFrom<unknown>(0, 'all'),
  },
  startReplay: {
    name: fc.constantFrom('fuzz', 'ünï cødé'),
    gogc: list(['off', '50', '100'], 2),
    memlimit: list(['off', '64MiB'], 1),
    procs: list(['1', '2'], 1),
    arena: list(['4MiB', '64MiB'], 1),
    clock: fc.constantFrom('concurrent', 'stw'),
    frees: fc.constantFrom('garbage', 'immediate'),
    scan: fc.constantFrom('recorded', 'none', 'all', '50'),
    realloc: fc.constantFrom('new', 'fit'),
    roots: fc.constantFrom('segments', 'exact', 'none'),
    threads: fc.constantFrom('one', 'modulo'),
    time: fc.constantFrom('costs', 'recorded', '250ns', '100MiB/s'),
    from: fc.constantFrom('0', '3'),
    to: fc.constantFrom('30', '1000'),
    loops: fc.constantFrom('1', '2'),
    seed: fc.nat(9).map(String),
    // Only of heap profiles.
    seconds: fc.constant(undefined),
    operations: fc.constant(undefined),
    variations: fc.constantFrom('1', '2'),
  },
};

const PATH: Record<string, Arbitrary<unknown>> = {
  heap: ref('heap'),
  address: ref('address'),
  workload: ref('workload'),
  cell: fc.constant(0),
  index: fc.constant(0),
  word: fc.integer({ min: 0, max: 3 }),
};

export function pathValue(operation: Operation, name: string, codes: readonly string[]): Arbitrary<unknown> {
  if (operation.id === 'putHeap' && name === 'heap') return fc.constantFrom(...HEAP_NAMES);
  if (operation.id === 'deleteHeap') return fc.constantFrom('tmp-0', 'tmp-1', 'tmp-2');
  if (name === 'code') return fc.constantFrom(...codes);
  if (name === 'id') return ref(operation.path.includes('/spans/') ? 'span' : 'replay');
  return PATH[name];
}

export const hintsOf = (operation: Operation): Hint => {
  const own = BY_OPERATION[operation.id] ?? {};
  return (name: string, schema: Schema) => {
    if (Object.hasOwn(own, name)) return own[name];
    if (name === 'addresses') return fc.array(ref('address'), { minLength: 1, maxLength: 5 });
    return Object.hasOwn(BY_NAME, name) && !/^get|^list|^start/.test(operation.id) ? BY_NAME[name] : byPattern(schema);
  };
};

/** A parameter that is an address, whatever its name. */
function byPattern(schema: Schema): Arbitrary<unknown> | undefined {
  return schema['x-problem'] === 'invalid-address' ? ref('address') : undefined;
}

/** Text of mtrace: each number is an object's size; every third is freed soon, a few are moved. */
function mtrace(sizes: readonly number[]): string {
  const lines = ['= Start'];
  const at = (i: number): string => `0x${(0x5500_0000_0000 + i * 4096).toString(16)}`;
  sizes.forEach((size, i) => {
    lines.push(`@ app:[0x1] + ${at(i)} 0x${size.toString(16)}`);
    if (i % 3 === 1) lines.push(`@ app:[0x1] - ${at(i - 1)}`);
  });
  return [...lines, '= End', ''].join('\n');
}

const recording = fc
  .array(fc.integer({ min: 1, max: 100_000 }), { minLength: 20, maxLength: 300 })
  .map((sizes) => Buffer.from(mtrace(sizes)));

/** Records of a binary batch: allocations, and frees of them by reference (docs/api.md). */
const records = fc
  .array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 2000 })), { minLength: 1, maxLength: 30 })
  .map((ops) => {
    const words = new Int32Array(ops.length * 4);
    ops.forEach(([free, size], i) => {
      const again = free && i > 0;
      const record = again
        ? [BatchOp.free | (Flag.byRef << 8), 0, i - 1, 0]
        : [BatchOp.alloc | (Flag.noscan << 8), 0, size, 0];
      words.set(record, i * 4);
    });
    return new Uint8Array(words.buffer);
  });

// biome-ignore lint/suspicious/noExplicitAny: members of a body, as its schema has them
type Members = Record<string, any>;

/** What goes together in a body, and what does not: the schema allows each alone. */
const TOGETHER: Record<string, (body: Members) => Members> = {
  alloc: ({ pointers, noscan, count, store, size, ...rest }) => ({
    ...rest,
    size: pointers === undefined ? size : size + 16,
    ...(pointers === undefined ? { noscan } : { pointers }),
    ...(store === undefined ? { count } : { store }),
  }),
  free: ({ address, addresses, ...rest }) => ({
    ...rest,
    ...(address === undefined && addresses ? { addresses } : { address: address ?? new Ref('address', 0) }),
  }),
  startWorkload: ({ k, profile, workload, ...rest }) => ({
    ...rest,
    workload,
    ...(workload === 'fragmentation' ? { k } : {}),
    ...(workload === 'gcguide' ? { profile } : {}),
  }),
  patchHeap: (body) => (Object.keys(body).length === 0 ? { gogc: 100 } : body),
};

/** Bodies that are to succeed, each with its type; undefined: none. */
export function bodyOf(operation: Operation): Arbitrary<Body | undefined> {
  const choices: Arbitrary<Body | undefined>[] = operation.bodyRequired ? [] : [fc.constant(undefined)];
  for (const [type, schema] of operation.bodies) {
    if (type === 'application/json') {
      const own =
        operation.id === 'startReplay' ? fc.record({ replay: ref('replay') }) : valid(schema, hintsOf(operation));
      const together = TOGETHER[operation.id] ?? ((body: Members) => body);
      choices.push(own.map((value) => ({ type, json: together(value as Members) })));
    } else if (type === 'application/x-ndjson') {
      const op = fc.record({ op: fc.constant('alloc'), size: small });
      choices.push(fc.array(op, { maxLength: 20 }).map((ops) => ({ type, bytes: ndjson(ops) })));
    } else {
      const bytes =
        operation.id === 'startReplay'
          ? recording
          : operation.id === 'batch'
            ? records
            : fc.uint8Array({ minLength: 1, maxLength: 8 });
      choices.push(bytes.map((value) => ({ type, bytes: value })));
    }
  }
  return choices.length === 0 ? fc.constant(undefined) : fc.oneof(...choices);
}

const ndjson = (ops: readonly object[]): Uint8Array => Buffer.from(ops.map((op) => `${JSON.stringify(op)}\n`).join(''));
