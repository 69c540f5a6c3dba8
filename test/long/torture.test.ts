/**
 * A million objects under torture: four Ps, back-to-back collections, links rewritten, subtrees replaced, garbage made, all the time.
 *
 * An object is 64 bytes: four pointers, its id, a checksum of its id and those of what it points to, and two words of noise, one of
 * which looks like a pointer. Words 0 and 1 hold the trees, whose tops are rooted; words 2 and 3 go across, to anything that could be
 * reached when they were written, so that what was cut off a tree may live on through them.
 *
 * Beside it the test keeps the same graph by ids. A walk from the tops through the real bytes compares every object with it: no loss, no
 * address twice, no byte changed. What the walk does not reach is dead, and its ids are given to others.
 *
 * GOHEAP_LONG_SECONDS bounds all of it; without it (an ordinary test run) this skips itself. Pauses are printed, not judged.
 */

import { expect, test } from 'vitest';
import { cycleRecords } from '../../src/gc/record.js';
import { Why } from '../../src/gc/state.js';
import { HEAP_BASE } from '../../src/heap/heap.js';
import { Status } from '../../src/heap/objects.js';
import type { HeapHost } from '../../src/sched/host.js';
import { BatchOp, Flag, Op, RECORD_BYTES, RESULT_BYTES } from '../../src/sched/ops.js';
import { crashes, differences, json, newHost } from '../helper/host.js';

const SECONDS = Number(process.env.GOHEAP_LONG_SECONDS ?? 0);
const SEED = Number(process.env.TORTURE_SEED ?? Math.floor(Math.random() * 2 ** 30));
const OBJECTS = Number(process.env.TORTURE_OBJECTS ?? 1_000_000);
/** Ids: those of what was cut off stay in use until the next walk. */
const IDS = OBJECTS * 2;
const PROCS = 4;
const TOPS = 64;
const POINTERS = 4;
const WORDS = 8;
const ID = 4;
const CHECKSUM = 5;
const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);

const lo = (word: number): number => word << 3;
const hi = (word: number): number => BASE_HI + (word >> 29);

function generator(seed: number): (n: number) => number {
  let x = (seed * 2654435761) | 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

/** The graph by ids, 1 to IDS - 1; 0 is null. */
class Graph {
  readonly host: HeapHost;
  readonly type: number;
  /** Word address of each object, and what its pointers are. */
  readonly word = new Int32Array(IDS);
  readonly links = new Int32Array(IDS * POINTERS);
  /** Objects below each, along the trees, itself included. */
  readonly below = new Int32Array(IDS);
  readonly tops: number[] = [];
  private readonly free = new Int32Array(IDS);
  private freeIds = 0;
  private readonly seen = new Uint8Array(IDS);
  private readonly stack = new Int32Array(IDS);
  walks = 0;
  verified = 0;

  constructor(host: HeapHost) {
    this.host = host;
    this.type = host.types.intern([0, 1, 2, 3]);
    for (let id = IDS - 1; id > 0; id--) this.free[this.freeIds++] = id;
  }

  get idsLeft(): number {
    return this.freeIds;
  }

  newId(): number {
    return this.free[--this.freeIds];
  }

  checksum(id: number): number {
    const { links } = this;
    let sum = Math.imul(id, 0x9e3779b1);
    for (let i = 0; i < POINTERS; i++) sum = Math.imul(sum ^ links[id * POINTERS + i], 0x85ebca6b) ^ (sum >>> 13);
    return sum;
  }

  /** Writes the words of an object that are no pointers. No barrier is needed for these, and nobody else touches them. */
  sign(id: number): void {
    const { w, w32 } = this.host.heap;
    const at = this.word[id];
    w[at + ID] = id;
    w[at + CHECKSUM] = this.checksum(id);
    w32[(at + 6) * 2] = lo(at ^ 0x1230);
    w32[(at + 6) * 2 + 1] = hi(at);
    w[at + 7] = -id;
  }

  /** Compares every object that can be reached with what it should be; takes back the ids of the others. Returns how many there are. */
  walk(): number {
    const { word, links, seen, stack } = this;
    const { w, w32 } = this.host.heap;
    seen.fill(0);
    let depth = 0;
    let n = 0;
    for (const id of this.tops) {
      seen[id] = 1;
      stack[depth++] = id;
    }
    const wrong = (id: number, what: string): never => {
      throw new Error(`object ${id} at word ${word[id]}: ${what}`);
    };
    while (depth > 0) {
      const id = stack[--depth];
      const at = word[id];
      n++;
      if (w[at + ID] !== id) wrong(id, `its id reads ${w[at + ID]}`);
      if (w[at + CHECKSUM] !== this.checksum(id)) wrong(id, `checksum ${w[at + CHECKSUM]}, not ${this.checksum(id)}`);
      if (w32[(at + 6) * 2] !== lo(at ^ 0x1230) || w[at + 7] !== -id) wrong(id, 'its noise changed');
      for (let i = 0; i < POINTERS; i++) {
        const to = links[id * POINTERS + i];
        const low = w32[(at + i) * 2];
        const high = w32[(at + i) * 2 + 1];
        if (to === 0 ? (low | high) !== 0 : low !== lo(word[to]) || high !== hi(word[to]))
          wrong(
            id,
            `word ${i} reads ${high.toString(16)}:${(low >>> 0).toString(16)}, not object ${to} at word ${word[to]}`,
          );
        if (to === 0 || seen[to] === 1) continue;
        seen[to] = 1;
        stack[depth++] = to;
      }
    }
    this.freeIds = 0;
    // Every id that is in use has its own address: two objects at one address would differ in their ids above.
    for (let id = IDS - 1; id > 0; id--) if (seen[id] === 0) this.free[this.freeIds++] = id;
    this.walks++;
    this.verified += n;
    return n;
  }
}

/** One client. It owns some trees: nobody else changes them. */
class Mutator {
  private readonly g: Graph;
  private readonly rnd: (n: number) => number;
  private readonly p: number;
  readonly tops: number[] = [];
  stores = 0;
  replaced = 0;
  garbage = 0;

  constructor(g: Graph, p: number, seed: number) {
    this.g = g;
    this.p = p;
    this.rnd = generator(seed);
  }

  /** On its own P, or wherever it will run soonest. */
  private where(): number {
    return this.rnd(4) === 0 ? -1 : this.p;
  }

  /** Some object that hangs in one of this client's trees: down the tree for so many steps. */
  private inTree(steps: number): number {
    const { links } = this.g;
    let id = this.tops[this.rnd(this.tops.length)];
    for (let i = 0; i < steps; i++) {
      const first = this.rnd(2);
      const next = links[id * POINTERS + first] || links[id * POINTERS + 1 - first];
      if (next === 0) break;
      id = next;
    }
    return id;
  }

  /** Runs a batch of records; returns the addresses that it made. Every record must do what it says. */
  private async run(records: Int32Array, count: number): Promise<Float64Array> {
    const { host } = this.g;
    const piece = host.take(count * (RECORD_BYTES + RESULT_BYTES));
    piece.words.set(records.subarray(0, count * 4));
    await host.call(Op.batch, this.where(), [piece.offset, count, piece.offset + count * RECORD_BYTES]);
    const out = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const low = piece.words[count * 4 + i * 2];
      const high = piece.words[count * 4 + i * 2 + 1];
      if (((high >>> 16) & 255) !== Status.ok) throw new Error(`record ${i} of a batch: status ${(high >>> 16) & 255}`);
      out[i] = (high & 0xffff) * 2 ** 32 + (low >>> 0);
    }
    piece.release();
    return out;
  }

  /** Puts a new tree of `n` objects into word `word` of `parent` (0: it gets a root). Level by level; each is linked as soon as it is made. */
  async grow(parent: number, word: number, n: number): Promise<number> {
    const { g } = this;
    const ids = new Int32Array(n);
    const records = new Int32Array(n * 8);
    let count = 0;
    const recordOf = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      ids[i] = g.newId();
      const rooted = i === 0 && parent === 0;
      recordOf[i] = count;
      records.set([BatchOp.alloc | ((rooted ? 0 : Flag.unrooted) << 8), g.type, WORDS * 8, 0], count++ * 4);
      if (rooted) continue;
      if (i === 0) records.set([BatchOp.store, word, lo(g.word[parent]), hi(g.word[parent])], count++ * 4);
      else records.set([BatchOp.store | (Flag.byRef << 8), (i - 1) & 1, recordOf[(i - 1) >> 1], 0], count++ * 4);
    }
    const made = await this.run(records, count);
    for (let i = 0; i < n; i++) {
      const id = ids[i];
      g.word[id] = (made[recordOf[i]] - HEAP_BASE) / 8;
      g.links.fill(0, id * POINTERS, id * POINTERS + POINTERS);
      g.below[id] = 1;
      if (i > 0) g.links[ids[(i - 1) >> 1] * POINTERS + ((i - 1) & 1)] = id;
    }
    for (let i = n - 1; i > 0; i--) g.below[ids[(i - 1) >> 1]] += g.below[ids[i]];
    for (let i = 0; i < n; i++) g.sign(ids[i]);
    if (parent !== 0) {
      g.links[parent * POINTERS + word] = ids[0];
      g.sign(parent);
    }
    return ids[0];
  }

  /** Rewrites many links across at once. Trees do not change meanwhile, so that whatever hangs in one stays reachable. */
  async relink(n: number): Promise<void> {
    const { g, rnd } = this;
    const changed = new Set<number>();
    const jobs: Promise<void>[] = [];
    for (let i = 0; i < n; i++) {
      const from = this.inTree(rnd(24));
      const word = 2 + rnd(2);
      if (changed.has(from)) continue;
      changed.add(from);
      // What is linked across outlives its tree: with few ids left, let more of it go.
      const cut = g.idsLeft < IDS / 3 ? rnd(4) > 0 : rnd(3) === 0;
      const to = cut ? 0 : this.inTree(rnd(24));
      g.links[from * POINTERS + word] = to;
      jobs.push(rnd(16) === 0 ? this.writeWhole(from) : this.set(from, word, to));
    }
    await Promise.all(jobs);
    for (const id of changed) g.sign(id);
    this.stores += jobs.length;
  }

  private async set(from: number, word: number, to: number): Promise<void> {
    const { g } = this;
    const at = g.word[from];
    const target = to === 0 ? [0, 0] : [lo(g.word[to]), hi(g.word[to])];
    const { r } = await g.host.call(Op.setPointer, this.where(), [lo(at), hi(at), word, ...target]);
    if (r[0] !== Status.ok) throw new Error(`store into object ${from}: status ${r[0]}`);
  }

  /** The same as raw bytes, over all pointers of the object. */
  private async writeWhole(id: number): Promise<void> {
    const { g } = this;
    const at = g.word[id];
    const piece = g.host.take(POINTERS * 8);
    for (let i = 0; i < POINTERS; i++) {
      const to = g.links[id * POINTERS + i];
      piece.words[i * 2] = to === 0 ? 0 : lo(g.word[to]);
      piece.words[i * 2 + 1] = to === 0 ? 0 : hi(g.word[to]);
    }
    const { r } = await g.host.call(Op.write, this.where(), [lo(at), hi(at), piece.offset, 0, 0, POINTERS * 8]);
    piece.release();
    if (r[0] !== Status.ok) throw new Error(`write of object ${id}: status ${r[0]}`);
  }

  /** Links to what may only be reachable across: one at a time, or another one could cut it off meanwhile. */
  async rescue(): Promise<void> {
    const { g, rnd } = this;
    let to = this.inTree(rnd(24));
    for (let i = rnd(6); i >= 0; i--) {
      const next = g.links[to * POINTERS + rnd(POINTERS)];
      if (next !== 0) to = next;
    }
    const from = this.inTree(rnd(24));
    g.links[from * POINTERS + 2] = to;
    await this.set(from, 2, to);
    g.sign(from);
    this.stores++;
  }

  /** Cuts a subtree off and grows another one of its size in its place. */
  async replace(): Promise<void> {
    const { g, rnd } = this;
    const parent = this.inTree(3 + rnd(12));
    const word = rnd(2);
    const old = g.links[parent * POINTERS + word];
    const n = old === 0 ? 1 + rnd(3) : g.below[old];
    // Too large a piece would leave too few ids; a single leaf is not worth it.
    if (n > 20_000 || n >= g.idsLeft - 50_000) return;
    if (old !== 0 && rnd(2) === 0) {
      g.links[parent * POINTERS + word] = 0;
      await this.set(parent, word, 0);
      g.sign(parent);
    }
    await this.grow(parent, word, n);
    this.replaced += n;
  }

  /** Objects that live for a moment. Some are given back at once, the others left to the collector. */
  async litter(n: number): Promise<void> {
    const { rnd } = this;
    const records = new Int32Array(n * 4);
    for (let i = 0; i < n; i++) {
      const flags = rnd(2) === 0 ? 0 : Flag.noscan << 8;
      records.set([BatchOp.alloc | flags, 0, 1 + rnd(rnd(50) === 0 ? 60_000 : 500), 0], i * 4);
    }
    const made = await this.run(records, n);
    for (let i = 0; i < n; i++) {
      const now = rnd(3) === 0 ? Flag.immediate << 8 : 0;
      records.set([BatchOp.free | now, 0, made[i] | 0, Math.floor(made[i] / 2 ** 32)], i * 4);
    }
    await this.run(records, n);
    this.garbage += n;
  }

  async work(until: () => boolean): Promise<void> {
    while (!until()) {
      const dice = this.rnd(10);
      if (dice < 4) await this.relink(300);
      else if (dice < 6) await this.rescue();
      else if (dice < 9) await this.replace();
      else await this.litter(500);
    }
  }
}

const at = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
const ms = (seconds: number): string => `${(seconds * 1000).toFixed(2)} ms`;

/** Collects the pauses of all cycles: the heap remembers the last 256. */
class Pauses {
  readonly cycles = new Map<number, ReturnType<typeof cycleRecords>[number]>();
  private readonly host: HeapHost;

  constructor(host: HeapHost) {
    this.host = host;
  }

  look(): void {
    for (const cycle of cycleRecords(this.host.heap)) this.cycles.set(cycle.number, cycle);
  }

  line(what: string, of: (c: ReturnType<typeof cycleRecords>[number]) => number[]): string {
    const all = [...this.cycles.values()].flatMap(of).sort((a, b) => a - b);
    return `${what}: p50 ${ms(at(all, 0.5))}, p99 ${ms(at(all, 0.99))}, max ${ms(at(all, 1))}`;
  }

  report(): string[] {
    return [
      this.line('pauses', (c) => [c.pauses.sweepTermination, c.pauses.markTermination]),
      this.line('  until every P stood still', (c) => [
        c.pauses.stoppingSweepTermination,
        c.pauses.stoppingMarkTermination,
      ]),
      this.line('  at work, begin', (c) => [c.pauses.sweepTermination - c.pauses.stoppingSweepTermination]),
      this.line('  at work, end', (c) => [c.pauses.markTermination - c.pauses.stoppingMarkTermination]),
      this.line('concurrent mark', (c) => [c.markSeconds]),
    ];
  }
}

test.runIf(SECONDS > 0)('a million objects, collected back to back', async () => {
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  // The end takes two collections, two walks and a check.
  const end = Math.max(SECONDS * 0.8, SECONDS - 20);
  const host = await newHost({ gomaxprocs: PROCS, gogc: 10, reserve: 2 ** 30 });
  const g = new Graph(host);
  const pauses = new Pauses(host);
  const looking = setInterval(() => pauses.look(), 500);
  try {
    const mutators = Array.from({ length: PROCS }, (_, p) => new Mutator(g, p, SEED + p));
    let stop = false;
    const collecting = (async () => {
      while (!stop) await json(host, Op.gc, Why.forced);
    })();
    for (let i = 0; i < TOPS; i++) {
      const mutator = mutators[i % PROCS];
      const id = await mutator.grow(0, 0, Math.floor(OBJECTS / TOPS));
      mutator.tops.push(id);
      g.tops.push(id);
    }
    expect(g.walk()).toBe(Math.floor(OBJECTS / TOPS) * TOPS);
    const built = seconds();
    while (seconds() < end) {
      const pause = Math.min(seconds() + 8, end);
      await Promise.all(mutators.map((m) => m.work(() => seconds() >= pause || g.idsLeft < 100_000)));
      g.walk();
    }
    stop = true;
    await collecting;
    await json(host, Op.gc, Why.forced);
    await json(host, Op.gc, Why.forced);
    const n = g.walk();
    expect((await json<{ HeapObjects: number }>(host, Op.flush)).HeapObjects).toBe(n);
    expect(await differences(host)).toEqual([]);
    expect(crashes).toEqual([]);
    pauses.look();
    const sum = (of: (m: Mutator) => number): number => mutators.reduce((total, m) => total + of(m), 0);
    console.log(
      [
        `seed ${SEED}: ${seconds().toFixed(0)} s, of which ${built.toFixed(1)} s until ${OBJECTS} objects stood`,
        `${pauses.cycles.size} cycles; ${g.walks} walks, ${g.verified} objects verified, ${n} at the end`,
        `${sum((m) => m.stores)} links rewritten, ${sum((m) => m.replaced)} objects replaced, ${sum((m) => m.garbage)} littered`,
        ...pauses.report(),
      ].join('\n'),
    );
  } finally {
    clearInterval(looking);
    await host.close();
  }
});
