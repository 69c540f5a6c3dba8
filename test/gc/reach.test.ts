/** Reachability: random graphs against a Map (`reach-model.ts`), and what each question means where it is not obvious. */

import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { graph, maxEdges, reachable, retained, shortestPath } from '../../src/gc/reach.js';
import { check } from '../../src/heap/check.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import { formatAddress, type Heap } from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { Status } from '../../src/heap/objects.js';
import { type GraphAnswer, type PathAnswer, Reach, reachAnswer, reachBytes } from '../../src/sched/inspect-ops.js';
import { effort } from '../helper/effort.js';
import { heaps, type Link, Model, newHeap, type Spec, store } from './reach-model.js';

afterEach(() => {
  for (const h of heaps.splice(0)) expect(check(h)).toEqual([]);
});

const size = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(8, 16, 24, 48, 64, 96, 112, 512) },
  { weight: 4, arbitrary: fc.integer({ min: 8, max: 512 }) },
  { weight: 3, arbitrary: fc.integer({ min: 513, max: 33_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 32_700, max: 100_000 }) },
);
const spec: fc.Arbitrary<Spec> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      {
        size,
        noscan: fc.constant(false),
        rooted: fc.nat(3).map((n) => n === 0),
        mask: fc.array(fc.nat(70), { minLength: 1 }),
      },
      { requiredKeys: ['size', 'noscan', 'rooted'] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      size: fc.oneof(fc.integer({ min: 1, max: 15 }), size),
      noscan: fc.constant(true),
      rooted: fc.nat(4).map((n) => n === 0),
    }),
  },
);
const link: fc.Arbitrary<Link> = fc.record({
  from: fc.nat(1000),
  word: fc.oneof(fc.nat(8), fc.nat(20_000)),
  to: fc.nat(1000),
  inside: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.999, noNaN: true })),
});

test('random graphs', () => {
  fc.assert(
    fc.property(
      fc.array(spec, { minLength: 1, maxLength: 40, size: 'max' }),
      fc.array(link, { maxLength: 90, size: 'max' }),
      fc.nat(2),
      fc.constantFrom('not', 'mark', 'all'),
      (specs, links, victims, collect) => {
        const model = new Model(specs, links, victims, collect);
        model.verify();
        expect(check(model.h)).toEqual([]);
        heaps.length = 0;
      },
    ),
    { numRuns: Number(process.env.REACH_RUNS ?? effort(30, 200)) },
  );
});

/** A list of `n` objects of two words, the first of which is rooted. Their word addresses. */
function list(h: Heap, n: number, size = 16): number[] {
  const p = h.ps[0];
  const all = Array.from({ length: n }, () => mallocScan(h, p, size));
  for (let i = 1; i < n; i++) store(h, all[i - 1] + 1, all[i]);
  for (const word of all.slice(1)) dropRoot(h, p, word, 0);
  return all;
}

test('a long list: the way is as long, and may be shown in part', () => {
  const h = newHeap(64 << 20);
  const all = list(h, 100_000);
  const last = all[all.length - 1];
  const path = shortestPath(h, last);
  expect(path?.steps.map((s) => s.object)).toEqual(all);
  const part = shortestPath(h, last, 5);
  expect([part?.length, part?.steps.map((s) => s.depth)]).toEqual([100_000, [0, 1, 2, 99_998, 99_999]]);
  expect(part?.steps.map((s) => s.word)).toEqual([1, 1, 1, 1, -1]);
  expect(retained(h, all[40_000])).toMatchObject({ objects: 60_000, bytes: 60_000 * 16, self: 16, rooted: false });
  expect(graph(h, all[0], 64, 10_000)).toMatchObject({
    nodes: { length: 65 },
    edges: { length: 64 },
    truncated: false,
  });
});

test('a ring that nobody holds is garbage, and keeps nothing', () => {
  const h = newHeap();
  const ring = list(h, 10);
  store(h, ring[9] + 1, ring[0]);
  expect(retained(h, ring[3])).toMatchObject({ reachable: true, objects: 7 });
  expect(retained(h, ring[0])).toMatchObject({ rooted: true, objects: 10 });
  dropRoot(h, h.ps[0], ring[0], 0);
  expect([reachable(h, ring[3]), shortestPath(h, ring[3])]).toEqual([false, null]);
  expect(retained(h, ring[3])).toEqual({ reachable: false, rooted: false, objects: 0, bytes: 0, self: 16 });
  expect(graph(h, ring[3], 64, 100).edges).toHaveLength(10);
});

test('an object with two owners is retained by neither, and by what both hang on', () => {
  const h = newHeap();
  const p = h.ps[0];
  const [top, left, right, shared] = Array.from({ length: 4 }, () => mallocScan(h, p, 32));
  store(h, top, left);
  store(h, top + 1, right);
  store(h, left, shared, 31);
  store(h, right + 3, shared);
  for (const word of [left, right, shared]) dropRoot(h, p, word, 0);
  expect([top, left, right, shared].map((word) => retained(h, word).objects)).toEqual([4, 1, 1, 1]);
  expect(graph(h, top, 64, 100).edges.filter((e) => e.to === shared)).toHaveLength(2);
});

test('many equal pointers: the edges are bounded as well', () => {
  const h = newHeap();
  const p = h.ps[0];
  const hub = mallocScan(h, p, 80_000);
  const leaf = mallocScan(h, p, 8);
  for (let i = 0; i < 10_000; i++) store(h, hub + i, leaf);
  const answer = graph(h, hub, 1, 10);
  expect([answer.nodes.length, answer.edges.length, answer.truncated]).toEqual([2, maxEdges(10), true]);
});

test('tiny objects live and are rooted with their block', () => {
  const h = newHeap();
  const p = h.ps[0];
  const first = mallocNoscan(h, p, 3);
  // The last of its block, which is hinted as dropped; then the block takes another one.
  dropRoot(h, p, first, 0);
  expect(reachable(h, first)).toBe(false);
  const second = mallocNoscan(h, p, 2);
  const sub = p.sub;
  expect(shortestPath(h, first)).toMatchObject({ length: 1, steps: [{ object: first, size: 16, word: -1 }] });
  dropRoot(h, p, second, sub);
  expect(reachable(h, first)).toBe(false);
  const holder = mallocScan(h, p, 8);
  store(h, holder, second, sub);
  expect(retained(h, first)).toMatchObject({ reachable: true, rooted: false, objects: 1, bytes: 16 });
});

test('a slot freed for immediate reuse is garbage until it is handed out again', () => {
  const h = newHeap();
  const p = h.ps[0];
  const word = mallocScan(h, p, 64);
  freeNow(h, p, word, 0);
  expect(retained(h, word)).toEqual({ reachable: false, rooted: false, objects: 0, bytes: 0, self: 64 });
  expect(mallocScan(h, p, 64)).toBe(word);
  expect(reachable(h, word)).toBe(true);
});

test('where there is no object, there is no answer', () => {
  const h = newHeap();
  const word = mallocScan(h, h.ps[0], 64);
  for (const none of [-1, -2, word + 8, h.pages * 1024, h.pages * 1024 - 1, 2 ** 31 - 1]) {
    expect([reachable(h, none), shortestPath(h, none), graph(h, none, 1, 1).nodes]).toEqual([false, null, []]);
    expect(retained(h, none).self).toBe(0);
  }
  const ask = (at: number, sub: number, kind: number) => reachAnswer(h, h.ps[0], at, sub, kind, 1, 1);
  for (const kind of Object.values(Reach)) {
    expect([ask(word, 1, kind), ask(word + 8, 0, kind), ask(-1, 0, kind), ask(-2, 4, kind)]).toEqual([
      Status.interior,
      Status.notAllocated,
      Status.outside,
      Status.outside,
    ]);
  }
});

test('no answer is longer than the piece of the exchange that is taken for it', () => {
  const address = formatAddress(2 ** 30 - 1);
  const at = { address, size: 2 ** 33 };
  const most = { span: 2 ** 20, slot: 1023, word: 2 ** 30, depth: 2 ** 30 };
  const path: PathAnswer = { address, reachable: true, length: 2 ** 30, path: [], omitted: 2 ** 30 };
  const below: GraphAnswer = { root: address, nodes: [], edges: [], truncated: false };
  for (const limit of [1, 2, 100, 1000]) {
    path.path = Array.from({ length: limit }, () => ({ ...at, ...most }));
    expect(JSON.stringify(path).length).toBeLessThan(reachBytes(Reach.path, limit));
    below.nodes = path.path.map(({ address, size, depth }) => {
      return { address, size, sizeClass: 67, noscan: false, rooted: false, depth };
    });
    below.edges = Array.from({ length: maxEdges(limit) }, () => ({ from: address, word: 2 ** 30, to: address }));
    expect(JSON.stringify(below).length).toBeLessThan(reachBytes(Reach.graph, limit));
  }
  const cost = { reachable: false, rooted: false, objects: 2 ** 30, bytes: 2 ** 33, self: 2 ** 33 };
  expect(JSON.stringify({ address, ...cost }).length).toBeLessThan(reachBytes(Reach.retained, 0));
});
