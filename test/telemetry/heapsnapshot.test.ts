/** The file of a snapshot: its numbers, its pieces, and how it leaves. */

import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { NODE_WORDS, NOSCAN, ROOTED, SITE_SHIFT } from '../../src/gc/snapshot.js';
import { type Graph, HeapSnapshotFile, NO_SITE } from '../../src/telemetry/heapsnapshot.js';
import { SnapshotStream } from '../../src/telemetry/snapshot-stream.js';
import { readSnapshot } from '../helper/heapsnapshot.js';

interface Spec {
  word: number;
  words: number;
  site?: number;
  noscan?: boolean;
  edges?: [word: number, to: number][];
}

/** A graph whose objects are all rooted. */
function graphOf(specs: Spec[], truncated = false): Graph {
  const nodes = new Int32Array(specs.length * NODE_WORDS);
  specs.forEach(({ word, words, site = 0, noscan = false, edges = [] }, i) => {
    nodes.set([word, words, (site << SITE_SHIFT) | (noscan ? NOSCAN : 0) | ROOTED, edges.length], i * NODE_WORDS);
  });
  const bySite = new Map<number, number[]>();
  for (const [i, { site = 0 }] of specs.entries()) bySite.set(site, [...(bySite.get(site) ?? []), i]);
  const sites = [...bySite].sort(([a], [b]) => a - b);
  const edges = specs.flatMap((s) => s.edges ?? []);
  return {
    nodes: specs.length,
    edges: edges.length,
    rooted: specs.length,
    groups: sites.length,
    live: specs.length * 3,
    truncated,
    parts: {
      nodes,
      edges: Int32Array.from(edges.flat()),
      rooted: Int32Array.from(sites.flatMap(([, members]) => members)),
      groups: Int32Array.from(sites.flatMap(([site, members]) => [site, members.length])),
    },
  };
}

const fileOf = (g: Graph, names: string[] = []) => [
  ...new HeapSnapshotFile(g, (id) => (id > 0 ? names[id] : undefined)).pieces(),
];

describe('the numbers', () => {
  it('are written with all their digits, and no more', () => {
    const values = [0, 1, 9, 10, 11, 99, 100, 999, 1000, 123_456_789, 2 ** 29, 2 ** 30 - 1];
    const specs = values.map((word, i): Spec => ({ word, words: values[i], edges: values.map((w) => [w, i]) }));
    const { nodes } = readSnapshot(Buffer.concat(fileOf(graphOf(specs))));
    const objects = nodes.slice(2);
    expect(objects.map((n) => n.id)).toEqual(values.map((w) => w * 2 + 1));
    expect(objects.map((n) => n.size)).toEqual(values.map((w) => Math.min(w * 8, 2 ** 32 - 1)));
    for (const n of objects) expect(n.edges.map((e) => [e.index, e.to])).toEqual(values.map((w) => [w, n]));
  });
});

describe('the names', () => {
  const names = ['', 'main;a', 'main;b;a', ';', 'x'];
  it('are the innermost frame, or the size', () => {
    const specs = [
      { word: 10, words: 8, site: 1 },
      { word: 20, words: 8, site: 2, noscan: true },
      { word: 30, words: 8, site: 3 },
      { word: 40, words: 8, noscan: true },
      { word: 50, words: 8 },
      // A site whose name was not kept.
      { word: 60, words: 1024, site: 9 },
    ];
    const { nodes, strings } = readSnapshot(Buffer.concat(fileOf(graphOf(specs), names)));
    expect(nodes.slice(-6).map((n) => [n.type, n.name])).toEqual([
      ['object', 'a'],
      ['native', 'a'],
      ['object', '64 B scan'],
      ['native', '64 B'],
      ['object', '64 B scan'],
      ['object', '8192 B scan'],
    ]);
    expect(nodes[0].edges.map((e) => e.to.name)).toEqual([NO_SITE, 'main;a', 'main;b;a', ';', NO_SITE]);
    expect(strings[0]).toBe('<dummy>');
  });

  it('say that something is left out', () => {
    const { nodes } = readSnapshot(Buffer.concat(fileOf(graphOf([{ word: 1, words: 1 }], true))));
    expect(nodes[2]).toMatchObject({
      type: 'synthetic',
      name: '(truncated: 1 of 3 objects and 0 pointers, from the roots on)',
      edges: [],
    });
  });
});

describe('the pieces', () => {
  it('are of bounded length', () => {
    const sites = Array.from({ length: 3000 }, (_, i) => `main;${'long'.repeat(100)}${i}`);
    const specs = Array.from({ length: 20_000 }, (_, i): Spec => {
      return { word: i * 1000, words: 8, site: i % 3000, edges: [[i, i]] };
    });
    const pieces = fileOf(graphOf(specs), sites);
    expect(Math.max(...pieces.map((p) => p.length))).toBeLessThanOrEqual(66 << 10);
    // Nearly all of them are full.
    expect(pieces.length).toBeLessThan(pieces.reduce((n, p) => n + p.length, 0) / (60 << 10) + 3);
    expect(readSnapshot(Buffer.concat(pieces)).nodes).toHaveLength(1 + 3000 + 20_000);
  });
});

describe('the stream', () => {
  function* counted(n: number, made: number[], ended: string[] = []): Generator<Buffer> {
    try {
      for (let i = 0; i < n; i++) {
        made.push(i);
        yield Buffer.from(`${i};`);
      }
    } finally {
      ended.push('ended');
    }
  }

  it('makes a piece when somebody wants it, and one a turn', async () => {
    const made: number[] = [];
    const stream = new SnapshotStream(counted(100, made));
    await turn();
    expect(made).toEqual([]);
    let turns = 0;
    const timer = setInterval(() => undefined, 1);
    const tick = (): void => {
      turns++;
      immediate = setImmediate(tick);
    };
    let immediate = setImmediate(tick);
    let text = '';
    for await (const piece of stream) text += piece;
    clearImmediate(immediate);
    clearInterval(timer);
    expect(text).toBe(Array.from({ length: 100 }, (_, i) => `${i};`).join(''));
    expect(turns).toBeGreaterThanOrEqual(100);
  });

  it('does not run ahead of a reader, and gives one up that does not read', async () => {
    const made: number[] = [];
    const ended: string[] = [];
    const stream = new SnapshotStream(counted(1000, made, ended), 100);
    const failed = new Promise((resolve) => stream.once('error', resolve));
    stream.once('readable', () => undefined);
    expect(await failed).toMatchObject({ message: 'nobody reads the snapshot' });
    expect(made.length).toBeLessThan(4);
    expect([stream.destroyed, ended]).toEqual([true, ['ended']]);
  });

  it('has patience with who reads slowly', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const stream = new SnapshotStream(counted(6, []), 500);
      let n = 0;
      for await (const _ of stream) {
        n++;
        vi.advanceTimersByTime(400);
      }
      expect(n).toBe(6);
    } finally {
      vi.useRealTimers();
    }
  });

  it('ends when it is cut off', async () => {
    const ended: string[] = [];
    const stream = new SnapshotStream(counted(1000, [], ended));
    for await (const _ of stream) break;
    expect([stream.destroyed, ended]).toEqual([true, ['ended']]);
  });
});
