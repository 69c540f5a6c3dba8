/** Snapshots: random graphs against a Map (`reach-model.ts`), whole and in part; sites; limits. */

import fc from 'fast-check';
import { afterEach, describe, expect, it, test } from 'vitest';
import { maxEdges, Snapshot, shapeOf } from '../../src/gc/snapshot.js';
import { check } from '../../src/heap/check.js';
import { dropRoot } from '../../src/heap/free.js';
import type { Heap } from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { spanOfPage } from '../../src/heap/mspan.js';
import { Found, resolve, Status } from '../../src/heap/objects.js';
import { PAGE_SHIFT } from '../../src/heap/sizeclass.js';
import { eachSite } from '../../src/heap/spansites.js';
import { addSite, siteOf } from '../../src/heap/specials.js';
import { effort } from '../helper/effort.js';
import { heaps, type Link, Model, newHeap, type Spec, store } from './reach-model.js';

afterEach(() => {
  for (const h of heaps.splice(0)) expect(check(h)).toEqual([]);
});

interface Node {
  word: number;
  bytes: number;
  site: number;
  noscan: boolean;
  rooted: boolean;
  edges: { word: number; to: Node }[];
}

/** What earlier snapshots left here must not matter. */
const region = new Int32Array(shapeOf(1000).words).fill(-1);

/** A snapshot, read by nothing but what its region is said to hold. */
function take(h: Heap, limit: number) {
  const shape = shapeOf(limit);
  const out = region.subarray(0, shape.words);
  const s = new Snapshot(h, out, limit);
  s.walk();
  let safepoints = 0;
  s.finish(() => safepoints++);
  expect(safepoints).toBeGreaterThan(0);
  const nodes: Node[] = [];
  for (let i = 0; i < s.nodes; i++) {
    const [word, words, flags] = out.subarray(i * 4);
    nodes.push({
      word,
      bytes: words * 8,
      site: flags >> 2,
      noscan: (flags & 2) !== 0,
      rooted: (flags & 1) !== 0,
      edges: [],
    });
  }
  let edge = shape.edges;
  nodes.forEach((node, i) => {
    for (let n = out[i * 4 + 3]; n > 0; n--) {
      node.edges.push({ word: out[edge], to: nodes[out[edge + 1]] });
      edge += 2;
    }
  });
  expect(edge).toBe(shape.edges + s.edges * 2);
  const groups = new Map<number, Node[]>();
  let at = shape.rooted;
  for (let i = 0; i < s.groups; i++) {
    const [site, count] = out.subarray(shape.groups + i * 2);
    expect(count).toBeGreaterThan(0);
    const members = [...out.subarray(at, (at += count))].map((index) => nodes[index]);
    groups.set(site, members);
  }
  expect(at).toBe(shape.rooted + s.rooted);
  expect([...groups.keys()]).toEqual([...groups.keys()].sort((a, b) => a - b));
  expect([...groups.values()].flat().length).toBe(s.rooted);
  for (const [site, members] of groups) {
    expect(members).toEqual(nodes.filter((n) => n.rooted && n.site === site));
  }
  return { nodes, groups, live: s.live, truncated: s.truncated };
}

const size = fc.oneof(
  { weight: 10, arbitrary: fc.integer({ min: 8, max: 600 }) },
  { weight: 2, arbitrary: fc.integer({ min: 601, max: 100_000 }) },
);
const spec: fc.Arbitrary<Spec> = fc.oneof(
  {
    weight: 4,
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
    weight: 1,
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

function verify(model: Model, limit: number): void {
  const distances = model.distances();
  const things = new Map([...distances.keys()].map((t) => [t.word, t]));
  const { nodes, live, truncated } = take(model.h, limit);
  expect(nodes).toHaveLength(Math.min(limit, things.size));
  expect(truncated).toBe(things.size > limit);
  expect(live).toBeGreaterThanOrEqual(things.size);
  const shown = new Set(nodes.map((n) => n.word));
  expect(shown.size).toBe(nodes.length);
  let distance = 0;
  for (const { word, bytes, noscan, rooted, edges } of nodes) {
    const thing = things.get(word);
    if (thing === undefined) throw new Error(`a node at ${word} that is no object`);
    expect({ bytes, noscan, rooted }).toEqual({
      bytes: thing.slotBytes,
      noscan: thing.noscan,
      rooted: thing.rooted,
    });
    // Level by level.
    expect(distances.get(thing)).toBeGreaterThanOrEqual(distance);
    distance = distances.get(thing) as number;
    const pointers = [...thing.to].map(([w, to]) => [w, to.word]).sort(([a], [b]) => a - b);
    expect(edges.map((e) => [e.word, e.to.word])).toEqual(pointers.filter(([, to]) => shown.has(to)));
  }
}

test('random graphs', () => {
  fc.assert(
    fc.property(
      fc.array(spec, { minLength: 1, maxLength: 40, size: 'max' }),
      fc.array(link, { maxLength: 90, size: 'max' }),
      fc.nat(2),
      fc.constantFrom('not', 'mark', 'all'),
      (specs, links, victims, collect) => {
        const model = new Model(specs, links, victims, collect);
        for (const limit of [1, 2, 5, 17, 200]) verify(model, limit);
        expect(check(model.h)).toEqual([]);
        heaps.length = 0;
      },
    ),
    { numRuns: Number(process.env.SNAPSHOT_RUNS ?? effort(40, 200)) },
  );
});

const found = new Found();
function locate(h: Heap, word: number, sub: number): Found {
  expect(resolve(h, h.ps[0], word, sub, found)).toBe(Status.ok);
  return found;
}
function name(h: Heap, word: number, site: number, sub = 0): void {
  const { span, slot, offset } = locate(h, word, sub);
  addSite(h, h.ps[0], span, slot, offset, site);
}

describe('sites', () => {
  it('are told for a whole span as they are for each object', () => {
    const h = newHeap();
    const words = Array.from({ length: 100 }, () => mallocNoscan(h, h.ps[0], 64));
    words.forEach((word, i) => {
      if (i % 3 !== 0) name(h, word, i % 3 === 1 ? i : 0);
    });
    const s = spanOfPage(h, words[0] >> (PAGE_SHIFT - 3));
    const told = new Map<number, number>();
    eachSite(h, s, (slot, site) => told.set(slot, site));
    expect(told.size).toBe(33);
    for (let slot = 0; slot < 120; slot++) expect(told.get(slot) ?? 0).toBe(siteOf(h, s, slot, 0));
  });

  it('group the rooted objects; the others keep theirs', () => {
    const h = newHeap();
    const p = h.ps[0];
    const [a, b, c, d] = [64, 64, 2000, 100_000].map((bytes) => mallocScan(h, p, bytes));
    name(h, a, 7);
    name(h, c, 3);
    name(h, d, 7);
    store(h, a, c);
    dropRoot(h, p, c, 0);
    const { nodes, groups } = take(h, 10);
    expect([...groups].map(([site, members]) => [site, new Set(members.map((n) => n.word))])).toEqual([
      [0, new Set([b])],
      [7, new Set([a, d])],
    ]);
    expect(new Map(nodes.map((n) => [n.word, n.site]))).toEqual(
      new Map([
        [a, 7],
        [b, 0],
        [c, 3],
        [d, 7],
      ]),
    );
    // The one without a root last.
    expect(nodes[3].word).toBe(c);
  });

  it('of tiny objects: their block has one of them', () => {
    const h = newHeap();
    const p = h.ps[0];
    const subs: number[] = [];
    const words = [1, 2, 3].map(() => {
      const word = mallocNoscan(h, p, 3);
      subs.push(p.sub);
      return word;
    });
    name(h, words[1], 5, subs[1]);
    name(h, words[2], 6, subs[2]);
    const { nodes } = take(h, 10);
    expect(nodes).toHaveLength(1);
    expect(nodes[0]).toMatchObject({ word: words[0], bytes: 16, noscan: true, rooted: true });
    expect([5, 6]).toContain(nodes[0].site);
  });

  it('of objects that are left out do no harm', () => {
    const h = newHeap();
    const words = Array.from({ length: 50 }, () => mallocNoscan(h, h.ps[0], 64));
    words.forEach((word, i) => {
      name(h, word, i + 1);
    });
    expect(take(h, 20).nodes.map((n) => n.site)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });
});

describe('limits', () => {
  it('leave out what is furthest from the roots', () => {
    const h = newHeap();
    const p = h.ps[0];
    const chain = Array.from({ length: 100 }, () => mallocScan(h, p, 16));
    for (let i = 1; i < 100; i++) {
      store(h, chain[i - 1] + 1, chain[i]);
      dropRoot(h, p, chain[i], 0);
    }
    const { nodes, truncated, live } = take(h, 30);
    expect(nodes.map((n) => n.word)).toEqual(chain.slice(0, 30));
    expect(nodes[29].edges).toEqual([]);
    expect([truncated, live]).toEqual([true, 100]);
    expect(take(h, 100).truncated).toBe(false);
  });

  it('end with the last pointer that fits', () => {
    const h = newHeap(64 << 20);
    const p = h.ps[0];
    const most = maxEdges(3);
    const [first, last, never] = [16, 16, 16].map((bytes) => mallocScan(h, p, bytes));
    const hub = mallocScan(h, p, most * 8);
    for (let i = 0; i < most - 1; i++) store(h, hub + i, last);
    store(h, first, hub);
    for (const word of [hub, last, never]) dropRoot(h, p, word, 0);
    const shown = () => {
      const out = region.subarray(0, shapeOf(3).words);
      const s = new Snapshot(h, out, 3);
      s.walk();
      return [s.truncated, ...[0, 4, 8].map((at) => [out[at], out[at + 3]])];
    };
    expect(shown()).toEqual([false, [first, 1], [hub, most - 1], [last, 0]]);
    store(h, last, first);
    expect(shown()).toEqual([true, [first, 1], [hub, most - 1], [last, 0]]);
    // No object comes in without the pointer that leads to it.
    store(h, last, never);
    expect(shown()).toEqual([true, [first, 1], [hub, most - 1], [last, 0]]);
    store(h, hub + most - 1, last);
    expect(shown()).toEqual([true, [first, 1], [hub, most - 1], [last, 0]]);
  });

  it('fit the exchange', () => {
    expect(shapeOf(1_000_000).words * 4).toBeLessThan(0.85 * (64 << 20));
  });
});

test('garbage is not in it', () => {
  const h = newHeap();
  const p = h.ps[0];
  const [a, b] = [mallocScan(h, p, 32), mallocScan(h, p, 32)];
  store(h, a, b);
  dropRoot(h, p, a, 0);
  const { nodes, live } = take(h, 10);
  expect(nodes.map((n) => n.word)).toEqual([b]);
  expect(live).toBe(2);
});

test('an empty heap has nothing', () => {
  expect(take(newHeap(), 5)).toEqual({ nodes: [], groups: new Map(), live: 0, truncated: false });
});
