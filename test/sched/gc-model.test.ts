/**
 * The collector against plain graphs, on real threads: clients race on one heap that collects all the time.
 *
 * Each client owns its roots and what hangs on them, and knows every byte of it. Its requests are its own business, one after the other; those
 * of the others, and the collector, run beside them on every P. All of them link to a shared structure that nobody changes. Objects that
 * no client can reach are clobbered when they are swept, so that one that was lost shows in its bytes.
 *
 *      after each forced collection, and at the end    every reachable object has its bytes and its pointers
 *      always                                          no address is handed out that somebody can still reach
 *      at the end                                      exactly the reachable objects are left, and Op.check finds nothing
 *
 * GC_MODEL_SEED repeats a run's decisions (not its timing), GC_MODEL_ROUNDS says how many runs.
 * `npm test` decides alike each time, `npm run test:long` tries others.
 */

import { afterEach, expect, test } from 'vitest';
import { C_GC_PERCENT, C_MEMORY_LIMIT, MAX_INT64 } from '../../src/gc/pacer.js';
import { pacerOf, Why } from '../../src/gc/state.js';
import { H_NUM_GC, HEAP_BASE } from '../../src/heap/heap.js';
import { Status } from '../../src/heap/objects.js';
import { bytesAt } from '../../src/memory/reservation.js';
import type { HeapHost } from '../../src/sched/host.js';
import { BatchOp, Flag, Op, RECORD_BYTES, RESULT_BYTES } from '../../src/sched/ops.js';
import type { LiveSettings } from '../../src/server/hosted.js';
import { effort, LONG } from '../helper/effort.js';
import { crashes, differences, json, newHost } from '../helper/host.js';

const PAIRED = 9 << 20;

interface Node {
  address: number;
  size: number;
  noscan: boolean;
  /** Words that are pointers; of the others every byte is derived from `stamp`. */
  pointers: readonly number[];
  type: number;
  stamp: number;
  rooted: boolean;
  links: Map<number, Node>;
  /** The client that may change it; null for the shared structure. */
  owner: Client | null;
}

const lo = (n: number): number => n | 0;
const hi = (n: number): number => Math.floor(n / 2 ** 32);

function generator(seed: number): (n: number) => number {
  let x = (seed * 2654435761) | 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

/** What every client of a heap shares. */
class Town {
  readonly host: HeapHost;
  /** Every object that somebody can reach, by its address. */
  readonly live = new Map<number, Node>();
  readonly shared: Node[] = [];
  readonly clients: Client[] = [];
  /** Every value of a setting that was ever asked for. */
  readonly asked = new Set<unknown>([5, 'off']);
  collections = 0;
  verified = 0;

  constructor(host: HeapHost) {
    this.host = host;
  }

  /** The bytes that an object should have. */
  image(n: Node): Buffer {
    const out = Buffer.alloc(n.size);
    if (n.stamp !== 0) for (let i = 0; i < n.size; i++) out[i] = n.stamp + i * 7;
    for (const i of n.pointers) {
      const to = n.links.get(i);
      out.writeBigUInt64LE(to === undefined ? 0n : BigInt(to.address), i * 8);
    }
    return out;
  }

  verify(nodes: Iterable<Node>): void {
    for (const n of nodes) {
      const now = bytesAt(this.host.heap.memory.reservation, n.address - HEAP_BASE, n.size);
      const should = this.image(n);
      this.verified++;
      if (now.equals(should)) continue;
      const at = now.findIndex((b, i) => b !== should[i]);
      const found = now.subarray(at & ~7, (at & ~7) + 16).toString('hex');
      throw new Error(
        `object of ${n.size} bytes at 0x${n.address.toString(16)}: from byte ${at & ~7} it is ${found}, should be ${should.subarray(at & ~7, (at & ~7) + 16).toString('hex')}`,
      );
    }
  }

  reachable(roots: Iterable<Node>): Set<Node> {
    const seen = new Set<Node>();
    for (const n of roots) if (n.rooted) seen.add(n);
    for (const n of seen) for (const to of n.links.values()) seen.add(to);
    return seen;
  }
}

type Item =
  | { op: 'alloc'; node: Node }
  | { op: 'store'; holder: Node; index: number; word: number }
  | { op: 'free'; node: Node; immediate: boolean };

class Client {
  readonly town: Town;
  readonly rnd: (n: number) => number;
  nodes: Node[] = [];
  private stamp: number;

  constructor(town: Town, seed: number) {
    this.town = town;
    this.rnd = generator(seed);
    this.stamp = seed & 255;
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.rnd(from.length)];
  }

  private p(): number {
    return this.rnd(3) === 0 ? this.rnd(this.town.host.procs) : -1;
  }

  newNode(rooted: boolean): Node {
    const { rnd } = this;
    const kind = rnd(10);
    this.stamp = (this.stamp % 255) + 1;
    const base = { address: 0, stamp: 0, rooted, links: new Map<number, Node>(), owner: this };
    if (kind < 3) {
      const size = this.pick([1 + rnd(15), 16, 24, 64, 100, 512, 2000, rnd(20) === 0 ? 50_000 : 48]);
      return { ...base, size, noscan: true, pointers: [], type: 0 };
    }
    const size = this.pick([8, 16, 32, 64, 64, 64, 128, 256, 512, 520, 1024, rnd(30) === 0 ? 400_000 : 96]);
    const words = size >> 3;
    const all = Array.from({ length: words }, (_, i) => i);
    const layout = rnd(4);
    if (layout === 0 || words === 1) return { ...base, size, noscan: false, pointers: all, type: 0 };
    const pointers =
      layout === 1
        ? all.slice(0, 1 + rnd(Math.min(words, 8)))
        : layout === 2
          ? [words - 1]
          : all.filter((i) => i % 3 === 1);
    return { ...base, size, noscan: false, pointers, type: this.town.host.types.intern(pointers) };
  }

  /** Runs a batch whose records must all do what they say. */
  async batch(items: readonly Item[]): Promise<void> {
    const { host, live } = this.town;
    const piece = host.take(items.length * (RECORD_BYTES + RESULT_BYTES));
    const results = items.length * RECORD_BYTES;
    const w = piece.words;
    items.forEach((item, i) => {
      if (item.op === 'alloc') {
        const { node } = item;
        const flags = (node.noscan ? Flag.noscan : 0) | (node.rooted ? 0 : Flag.unrooted);
        w.set([BatchOp.alloc | (flags << 8), node.type, node.size, 0], i * 4);
      } else if (item.op === 'store') {
        const byRef = item.index >= 0;
        const { address } = item.holder;
        w.set([BatchOp.store | (byRef ? Flag.byRef << 8 : 0), item.word], i * 4);
        w.set(byRef ? [item.index, 0] : [lo(address), hi(address)], i * 4 + 2);
      } else {
        const { address } = item.node;
        w.set([BatchOp.free | (item.immediate ? Flag.immediate << 8 : 0), 0, lo(address), hi(address)], i * 4);
      }
    });
    await host.call(Op.batch, this.p(), [piece.offset, items.length, piece.offset + results]);
    items.forEach((item, i) => {
      const high = w[results / 4 + i * 2 + 1];
      const what = item.op === 'store' ? `store into word ${item.word} of ${item.holder.size} bytes` : item.op;
      expect((high >>> 16) & 255, what).toBe(Status.ok);
      if (item.op !== 'alloc') return;
      item.node.address = (high & 0xffff) * 2 ** 32 + (w[results / 4 + i * 2] >>> 0);
      const before = live.get(item.node.address);
      if (before !== undefined)
        throw new Error(`0x${item.node.address.toString(16)} was handed out, and somebody has it`);
      live.set(item.node.address, item.node);
    });
    piece.release();
  }

  /** Allocates some objects, rooted, or linked to what there is already or to an earlier one of the batch. */
  async alloc(most: number): Promise<void> {
    const { rnd } = this;
    const items: Item[] = [];
    const made: { node: Node; index: number }[] = [];
    const holders = this.nodes.filter((n) => n.pointers.length > 0 && n.owner === this);
    const n = 1 + rnd(most);
    for (let i = 0; i < n; i++) {
      const earlier = made.filter((m) => m.node.pointers.length > 0);
      const fresh = earlier.length > 0 && rnd(2) === 0 ? this.pick(earlier) : undefined;
      const holder = fresh?.node ?? (holders.length > 0 ? this.pick(holders) : undefined);
      const word = holder?.pointers.find((w) => !holder.links.has(w));
      const linked = holder !== undefined && word !== undefined && rnd(4) > 0;
      const node = this.newNode(!linked);
      items.push({ op: 'alloc', node });
      made.push({ node, index: items.length - 1 });
      if (!linked) continue;
      items.push({ op: 'store', holder, index: fresh?.index ?? -1, word });
      holder.links.set(word, node);
    }
    await this.batch(items);
    this.nodes.push(...made.map((m) => m.node));
    await this.write(made.map((m) => m.node));
  }

  /** Gives objects new bytes, their pointers included. */
  async write(nodes: readonly Node[]): Promise<void> {
    const { host } = this.town;
    await Promise.all(
      nodes.map(async (n) => {
        this.stamp = (this.stamp % 255) + 1;
        n.stamp = this.stamp;
        const piece = host.take(n.size);
        this.town.image(n).copy(piece.bytes);
        const { r } = await host.call(Op.write, this.p(), [lo(n.address), hi(n.address), piece.offset, 0, 0, n.size]);
        expect([r[0], r[1]]).toEqual([Status.ok, n.size]);
        piece.release();
      }),
    );
  }

  private async set(from: Node, word: number, to: Node | undefined): Promise<void> {
    const { host } = this.town;
    const target = to === undefined ? 0 : to.address + (this.rnd(4) === 0 ? this.rnd(to.size) : 0);
    const args = [lo(from.address), hi(from.address), word, lo(target), hi(target)];
    const { r } = await host.call(Op.setPointer, this.p(), args);
    expect(r[0], `set word ${word} of ${from.size} bytes`).toBe(Status.ok);
    if (to === undefined || target === to.address) return;
    // Into the middle, and then to the beginning, which is what `image` expects.
    args[3] = lo(to.address);
    args[4] = hi(to.address);
    expect((await host.call(Op.setPointer, this.p(), args)).r[0]).toBe(Status.ok);
  }

  /** Links into words that are null, all at once: nothing becomes unreachable by that. */
  async link(most: number): Promise<void> {
    const holders = this.nodes.filter((n) => n.pointers.length > 0);
    if (holders.length === 0) return;
    const jobs: Promise<void>[] = [];
    for (let i = this.rnd(most); i >= 0; i--) {
      const from = this.pick(holders);
      const word = this.pick(from.pointers);
      if (from.links.has(word)) continue;
      const to = this.rnd(4) === 0 ? this.pick(this.town.shared) : this.pick(this.nodes);
      from.links.set(word, to);
      jobs.push(this.set(from, word, to));
    }
    await Promise.all(jobs);
  }

  /** Puts another pointer, or none, where one is. */
  async relink(most: number): Promise<void> {
    for (let i = this.rnd(most); i >= 0; i--) {
      const holders = this.nodes.filter((n) => n.links.size > 0);
      if (holders.length === 0) return;
      const from = this.pick(holders);
      const word = this.pick([...from.links.keys()]);
      const to = this.rnd(2) === 0 ? this.pick(this.nodes) : undefined;
      if (to === undefined) from.links.delete(word);
      else from.links.set(word, to);
      this.prune();
      await this.set(from, word, to);
    }
  }

  async drop(most: number): Promise<void> {
    const rooted = this.nodes.filter((n) => n.rooted && this.rnd(3) === 0).slice(0, most);
    for (const n of rooted) n.rooted = false;
    // Gone from the graph first: the address may be handed out again before the answer is here.
    this.prune();
    if (rooted.length > 0) await this.batch(rooted.map((node) => ({ op: 'free', node, immediate: false })));
  }

  /** Frees at once what nothing refers to. */
  async freeNow(most: number): Promise<void> {
    const held = new Set<Node>();
    for (const n of this.nodes) for (const to of n.links.values()) held.add(to);
    const free = this.nodes.filter((n) => n.rooted && !held.has(n) && this.rnd(3) === 0).slice(0, most);
    for (const n of free) n.rooted = false;
    this.prune();
    if (free.length > 0) await this.batch(free.map((node) => ({ op: 'free', node, immediate: true })));
  }

  /** Forgets what cannot be reached any more. */
  private prune(): void {
    const seen = this.town.reachable(this.nodes);
    const { live } = this.town;
    this.nodes = this.nodes.filter((n) => {
      if (seen.has(n)) return true;
      live.delete(n.address);
      return false;
    });
  }

  async read(n: Node): Promise<void> {
    const { host } = this.town;
    const piece = host.take(n.size);
    const { r } = await host.call(Op.read, this.p(), [lo(n.address), hi(n.address), piece.offset, 0, 0, n.size]);
    expect([r[0], r[1]]).toEqual([Status.ok, n.size]);
    expect(piece.bytes.subarray(0, n.size).equals(this.town.image(n))).toBe(true);
    piece.release();
  }

  async run(steps: number): Promise<void> {
    const { town } = this;
    for (let i = 0; i < steps; i++) {
      const dice = this.nodes.length > 400 ? 6 + this.rnd(14) : this.rnd(20);
      if (dice < 6 || this.nodes.length === 0) await this.alloc(80);
      else if (dice < 9) await this.link(40);
      else if (dice < 11) await this.relink(10);
      else if (dice < 14) await this.drop(60);
      else if (dice < 16) await this.freeNow(40);
      else if (dice < 17) await this.write([...new Set([this.pick(this.nodes), this.pick(this.nodes)])]);
      else if (dice < 18) await this.read(this.pick(this.nodes));
      else if (dice < 19) {
        await json(town.host, Op.gc, Why.forced);
        town.collections++;
        town.verify(this.nodes);
      } else await this.operate();
    }
    town.verify(this.nodes);
  }

  /** What an operator does beside. */
  private async operate(): Promise<void> {
    const { host } = this.town;
    const dice = this.rnd(5);
    if (dice === 0) await json(host, Op.flush);
    else if (dice === 1) expect(await differences(host)).toEqual([]);
    else if (dice < 4) await this.change();
    else {
      const piece = host.take(4096);
      await host.call(Op.scavenge, -1, [1 << 20, 0, 0, piece.offset, piece.length]);
      piece.release();
    }
  }

  /** Settings, several at once and in competition with the other clients: what is shown is always something that was asked for, whole. */
  private async change(): Promise<void> {
    const { host, asked } = this.town;
    const change = async (settings: LiveSettings): Promise<void> => {
      asked.add(settings.gogc).add(settings.gomemlimit);
      await host.update(settings);
      const now = host.settings;
      expect(asked.has(now.gogc) && asked.has(now.gomemlimit)).toBe(true);
      // These two are only ever set together.
      expect(now.gogc === 7).toBe(now.gomemlimit === PAIRED);
    };
    if (this.rnd(4) === 0) await change({ gogc: 7, gomemlimit: PAIRED });
    else {
      const gogc = this.pick([1, 5, 20]);
      const gomemlimit = this.rnd(2) === 0 ? 'off' : 8 << 20;
      await Promise.all([change({ gogc, gomemlimit }), change({ gogc: this.pick([1, 5, 20]), gomemlimit: 'off' })]);
    }
  }

  /** A tree of which only the top is rooted. */
  static async plant(town: Town, seed: number): Promise<Node> {
    const gardener = new Client(town, seed);
    const top: Node = {
      ...gardener.newNode(true),
      size: 64,
      noscan: false,
      pointers: [0, 1, 2, 3, 4, 5, 6, 7],
      type: 0,
    };
    await gardener.batch([{ op: 'alloc', node: top }]);
    gardener.nodes.push(top);
    while (gardener.nodes.length < 300) await gardener.alloc(60);
    for (const n of gardener.nodes) n.owner = null;
    town.shared.push(...gardener.nodes);
    return top;
  }
}

let host: HeapHost | undefined;

afterEach(async () => {
  await host?.close();
  host = undefined;
});

const ROUNDS = Number(process.env.GC_MODEL_ROUNDS ?? effort(1, 6));
const SEED = Number(process.env.GC_MODEL_SEED ?? (LONG ? Math.floor(Math.random() * 2 ** 30) : 20_260_103));
const CLIENTS = 5;
const STEPS = 120;

async function round(procs: number, seed: number): Promise<Town> {
  host = await newHost({ gomaxprocs: procs, gogc: 5, reserve: 512 << 20 }, { clobberFree: true });
  const town = new Town(host);
  await Client.plant(town, seed);
  for (let i = 0; i < CLIENTS; i++) town.clients.push(new Client(town, seed + i + 1));
  let stop = false;
  const collecting = (async () => {
    while (!stop) await json(town.host, Op.gc, Why.forced);
  })();
  await Promise.all(town.clients.map((c) => c.run(STEPS)));
  stop = true;
  await collecting;
  // What the clients hold of the shared structure outlives its own roots.
  const roots = town.shared.filter((n) => n.rooted);
  for (const n of roots) n.rooted = false;
  await town.clients[0].batch(roots.map((node) => ({ op: 'free', node, immediate: false })));
  await json(host, Op.gc, Why.forced);
  await json(host, Op.gc, Why.forced);
  const left = town.reachable(town.clients.flatMap((c) => c.nodes));
  town.verify(left);
  const blocks = new Set([...left].map((n) => (n.noscan && n.size < 16 ? Math.floor(n.address / 16) * 16 : n.address)));
  expect((await json<{ HeapObjects: number }>(host, Op.flush)).HeapObjects).toBe(blocks.size);
  const { gogc, gomemlimit } = host.settings;
  const pacer = pacerOf(host.heap);
  expect(pacer.f[pacer.at + C_GC_PERCENT]).toBe(gogc);
  expect(pacer.f[pacer.at + C_MEMORY_LIMIT]).toBe(gomemlimit === 'off' ? MAX_INT64 : gomemlimit);
  expect(await differences(host)).toEqual([]);
  expect(crashes).toEqual([]);
  await host.close();
  return town;
}

test.each([1, 4])('clients race on %i P', { timeout: 300_000 * ROUNDS }, async (procs) => {
  for (let i = 0; i < ROUNDS; i++) {
    const seed = (SEED + i * 1000) % 2 ** 30;
    try {
      const town = await round(procs, seed);
      const cycles = `${town.host.heap.scalar(H_NUM_GC)} cycles, ${town.collections} of them for the clients`;
      console.log(`seed ${seed}, ${procs} P: ${cycles}; ${town.verified} objects verified`);
    } catch (error) {
      throw new Error(`GC_MODEL_SEED=${seed}, ${procs} P`, { cause: error });
    }
  }
});
