/**
 * Ms that die in the middle of a cycle, on real threads, at moments chosen by what the heap says of
 * itself: while roots are marked, while the mark goes on, while somebody assists, ends the mark,
 * sweeps, scavenges, waits for a collection. A moment that nobody sees in time is told as missed,
 * and the M dies at another one: when threads run is not up to a test, that one dies is.
 *
 * Clients build lists whose nodes only the list holds, and throw older ones away, on a heap that collects all the time. Each knows
 * what its lists should be. However an M dies: every request is answered, the cycle that died with it is run again, every list is
 * whole, and in the end nothing else is left.
 */

import { afterEach, describe, expect, test } from 'vitest';
import { Why } from '../../src/gc/state.js';
import {
  GcPhase,
  H_ABANDONED,
  H_GC_PHASE,
  H_NUM_GC,
  H_RESTART,
  H_ROOT_END,
  H_ROOT_NEXT,
  H_SCAVENGED_FORCED,
  H_SWEEP_DONE,
  H_TRANSITION,
  HEAP_BASE,
  P_ASSIST_DEBT,
  P_HAND,
  P_MARKING,
} from '../../src/heap/heap.js';
import type { MemStats } from '../../src/heap/memstats.js';
import { Status } from '../../src/heap/objects.js';
import { lockOwner, unlock } from '../../src/memory/lock.js';
import { bytesAt } from '../../src/memory/reservation.js';
import type { HeapHost } from '../../src/sched/host.js';
import { SchedError } from '../../src/sched/host-api.js';
import { BatchOp, Flag, Op, RECORD_BYTES, RESULT_BYTES } from '../../src/sched/ops.js';
import type { Shared } from '../../src/sched/shared.js';
import { random } from '../heap/world.js';
import { effort } from '../helper/effort.js';
import { alloc, crashes, differences, free, json, newHost } from '../helper/host.js';

/** ms after which a request that was not answered counts as hanging, and a test. */
const HANGS = 240_000;
const timeout = 900_000;
/** Ms that die in each test. */
const DEATHS = effort(1, 5);
/** Nodes of a list: of four clients' lists of 120 a mark takes some ten milliseconds. */
const LENGTH = effort(40, 120);
/** Turns of the event loop, and ms, for which a moment is waited at least. */
const TURNS = 100;
const PATIENCE = effort(500, 2000);
/** Stands for the main thread where it takes a lock. */
const NOBODY = 99;
/** Sizes of list nodes: up to 512 bytes a bitmap tells their pointers, above a type; the last is a large object. */
const SIZES = [16, 48, 48, 96, 512, 48, 520, 2048, 16, 48, 48, 96, 512, 16, 520, 40_000];
const LISTS = 16;

let host: HeapHost;

afterEach(async () => {
  expect(crashes).toEqual([]);
  await host?.close();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const scalar = (which: number): number => Atomics.load(host.heap.m, host.heap.mheap + which);
/** Reads 8 bytes of an object. */
const word = (address: number, i: number): number =>
  Number(bytesAt(host.heap.memory.reservation, address - HEAP_BASE + i * 8, 8).readBigUInt64LE());

/** Every request is answered sooner or later. */
function settles<T>(what: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: no answer in ${HANGS} ms`)), HANGS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Null if the M died under it. */
async function unlessDied<T>(what: string, promise: Promise<T>): Promise<T | null> {
  try {
    return await settles(what, promise);
  } catch (error) {
    if (!(error instanceof SchedError)) throw error;
    expect(error.code).toBe('m-died');
    return null;
  }
}

/** A client: a root with a list in each of its words. */
class Client {
  root = 0;
  /** By word: addresses of the list's nodes, first to last. */
  readonly lists: number[][] = Array.from({ length: LISTS }, () => []);
  requests = 0;
  died = 0;
  private n = 0;

  async begin(): Promise<void> {
    const { address, status } = await alloc(host, LISTS * 8, -1, 0);
    expect(status).toBe(Status.ok);
    this.root = address;
  }

  /** Replaces a list by a new one: each node is allocated without a root and stored into the one before it. */
  async replace(list: number, length: number): Promise<void> {
    const sizes = Array.from({ length }, () => SIZES[this.n++ % SIZES.length]);
    const records = sizes.flatMap((size, i) => [
      [BatchOp.alloc | (Flag.unrooted << 8), 0, size, 0],
      i === 0
        ? [BatchOp.store, list, this.root | 0, Math.floor(this.root / 2 ** 32)]
        : [BatchOp.store | (Flag.byRef << 8), 0, i * 2 - 2, 0],
    ]);
    const piece = host.take(records.length * (RECORD_BYTES + RESULT_BYTES));
    const results = records.length * RECORD_BYTES;
    piece.words.set(records.flat());
    this.requests++;
    let done = records.length;
    const answer = new Promise<void>((resolve) => {
      host.submit(Op.batch, -1, [piece.offset, records.length, piece.offset + results], (error) => {
        if (error !== null) {
          expect(error.code).toBe('m-died');
          this.died++;
          done = error.completed;
        }
        resolve();
      });
    });
    await settles('batch', answer);
    const at = results / 4;
    const made: number[] = [];
    for (let i = 0; i < done; i++) {
      const hi = piece.words[at + i * 2 + 1];
      expect((hi >>> 16) & 255).toBe(Status.ok);
      if (i % 2 === 0) made.push((hi & 0xffff) * 2 ** 32 + (piece.words[at + i * 2] >>> 0));
    }
    piece.release();
    this.believe(list, made, done);
  }

  /** Of a batch that died after `done` records, the next store may have happened and not been counted. */
  private believe(list: number, made: number[], done: number): void {
    if (done % 2 === 1) {
      const last = made.pop() as number;
      const holder = made.length === 0 ? word(this.root, list) : word(made[made.length - 1], 0);
      if (holder === last) made.push(last);
    }
    if (made.length > 0) this.lists[list] = made;
  }

  verify(): number {
    let nodes = 0;
    for (const [i, list] of this.lists.entries()) {
      let at = word(this.root, i);
      for (const address of list) {
        expect(at).toBe(address);
        // The second word of every node is a null pointer.
        expect(word(address, 1)).toBe(0);
        at = word(address, 0);
        nodes++;
      }
      expect(at).toBe(0);
    }
    return nodes;
  }
}

/** Clients that never rest until they are told to. */
class Load {
  readonly clients: Client[];
  private stop = false;
  private running: Promise<unknown> = Promise.resolve();
  kills = 0;
  missed = 0;

  constructor(clients: number) {
    this.clients = Array.from({ length: clients }, () => new Client());
  }

  async begin(length: number): Promise<void> {
    for (const client of this.clients) {
      await client.begin();
      for (let list = 0; list < LISTS; list++) await client.replace(list, length);
    }
    this.running = Promise.all(
      this.clients.map(async (client, c) => {
        for (let n = c; !this.stop; n++) await client.replace((n * 7) % LISTS, length + (n % 50));
      }),
    );
  }

  /** Clients rest from here on. */
  async pause(): Promise<void> {
    this.stop = true;
    await settles('clients', this.running);
  }

  /** Kills an M when `when` names a P, or some M if it does not in time; again and again. */
  async kill(times: number, when: (i: number) => number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const until = performance.now() + PATIENCE;
      let p = when(i);
      for (let turns = 0; p < 0 && (turns < TURNS || performance.now() < until); turns++) {
        // Now and then without giving way, so that short moments are seen.
        for (let look = 0; p < 0 && look < 5000; look++) p = when(i);
        await turn();
      }
      if (p < 0) {
        this.missed++;
        p = i % host.procs;
      }
      await this.killNow(p);
      await pause(20);
    }
  }

  async killNow(p: number): Promise<void> {
    this.kills++;
    await settles('terminate', host.terminateM(p));
  }

  /** Everything is whole; what is not reachable goes. */
  async end(): Promise<void> {
    await this.pause();
    await expectCollects();
    const nodes = this.clients.reduce((sum, client) => sum + client.verify(), 0);
    await expectCollects();
    const { HeapObjects } = await settles('flush', json<MemStats>(host, Op.flush));
    // An M that died between telling the span of an object and dropping its root leaves it behind.
    expect(HeapObjects - nodes - this.clients.length).toBeGreaterThanOrEqual(0);
    expect(HeapObjects - nodes - this.clients.length).toBeLessThanOrEqual(this.kills);
    for (const client of this.clients) expect(await free(host, client.root)).toBe(Status.ok);
    await expectCollects();
    const left = await settles('flush', json<MemStats>(host, Op.flush));
    expect(left.HeapObjects).toBeLessThanOrEqual(this.kills);
    expect(host.stats().restarts).toBe(this.kills);
    expect(host.stats().inFlight).toBe(0);
  }

  get told(): string {
    const sum = (f: (c: Client) => number): number => this.clients.reduce((n, c) => n + f(c), 0);
    const cycles = `${scalar(H_NUM_GC)} cycles, ${scalar(H_ABANDONED)} abandoned`;
    return `${this.kills} deaths (${this.missed} moments missed), ${cycles}, ${sum((c) => c.died)} of ${sum((c) => c.requests)} requests died`;
  }
}

/** A collection goes through, and the heap is whole after it. */
async function expectCollects(): Promise<void> {
  const before = scalar(H_NUM_GC);
  const record = await settles('collection', json<{ number: number; pauses: object }>(host, Op.gc, Why.forced));
  expect(record.number).toBeGreaterThan(before);
  expect(record.pauses).toBeDefined();
  expect(scalar(H_RESTART)).toBe(0);
  expect(await settles('check', differences(host))).toEqual([]);
}

/** A P for which something holds, from a different one each time; -1 if there is none. */
function someP(i: number, holds: (p: number) => boolean): number {
  for (let k = 0; k < host.procs; k++) {
    const p = (i + k) % host.procs;
    if (holds(p)) return p;
  }
  return -1;
}

const isMarking = (): boolean => scalar(H_GC_PHASE) === GcPhase.mark;
const isSweeping = (): boolean => scalar(H_SWEEP_DONE) === 0 && scalar(H_GC_PHASE) === GcPhase.off;
const ofP = (p: number, which: number): number => Atomics.load(host.heap.m, host.heap.ps[p].at + which);
/** The P that has stopped the world, or is about to; -1 if none. */
function stopper(): number {
  const { k } = host as unknown as { k: Shared };
  return lockOwner(k.m, k.worldLock);
}

const anyTime = random(20_260_102);

/** When an M dies: returns the P. */
const MOMENTS: Record<string, (i: number) => number> = {
  'while a mark is on': (i) => (isMarking() ? i % host.procs : -1),
  'while it marks': (i) => (isMarking() ? someP(i, (p) => ofP(p, P_MARKING) !== 0) : -1),
  'while roots are marked': (i) => (isMarking() && scalar(H_ROOT_NEXT) < scalar(H_ROOT_END) ? i % host.procs : -1),
  'while it has an assist to pay': (i) => (isMarking() ? someP(i, (p) => ofP(p, P_ASSIST_DEBT) > 0) : -1),
  'while it stops the world to begin a mark': () => (isMarking() || scalar(H_TRANSITION) === 0 ? -1 : stopper()),
  'while it stops the world in a mark': () => (isMarking() ? stopper() : -1),
  'while it stops the world and marking is off': () => (isMarking() ? -1 : stopper()),
  'while there is something to sweep': (i) => (isSweeping() ? i % host.procs : -1),
  'while it sweeps': (i) => (isSweeping() ? someP(i, (p) => ofP(p, P_HAND) !== 0) : -1),
  'while it holds the heap lock': () => lockOwner(host.heap.m, host.heap.heapLock),
  'at any time': (i) => (anyTime(2000) === 0 ? (i * 7) % host.procs : -1),
};

// With four Ps as well where there is time: GOHEAP_LONG_SECONDS (npm run test:long).
const gomaxprocs = effort(2, 4);

describe(`${gomaxprocs} Ps`, () => {
  test.each(Object.keys(MOMENTS))('an M dies %s', { timeout }, async (name) => {
    host = await newHost({ gomaxprocs, gogc: 10 });
    const load = new Load(gomaxprocs + 2);
    await load.begin(LENGTH);
    await load.kill(DEATHS, MOMENTS[name]);
    await load.end();
    console.log(`${gomaxprocs} Ps, ${name}: ${load.told}`);
  });

  test('an M dies while others wait for a collection that they forced', { timeout }, async () => {
    host = await newHost({ gomaxprocs, gogc: 'off' });
    const load = new Load(gomaxprocs + 2);
    await load.begin(LENGTH);
    let forced = 0;
    let died = 0;
    for (let i = 0; i < DEATHS; i++) {
      const before = scalar(H_NUM_GC);
      const all = Array.from({ length: gomaxprocs }, (_, p) =>
        unlessDied('forced', json<{ number: number }>(host, Op.gc, Why.forced, p)),
      );
      await load.kill(1, () => (isMarking() || isSweeping() ? i % gomaxprocs : -1));
      for (const record of await Promise.all(all)) {
        if (record === null) died++;
        else {
          expect(record.number).toBeGreaterThan(before);
          forced++;
        }
      }
    }
    expect(forced).toBeGreaterThan(0);
    await load.end();
    console.log(`${gomaxprocs} Ps, forced: ${forced} done, ${died} died; ${load.told}`);
  });

  test('an M dies while it gives memory back', { timeout }, async () => {
    host = await newHost({ gomaxprocs, gogc: 'off' });
    const load = new Load(2);
    await load.begin(LENGTH);
    await load.pause();
    let died = 0;
    for (let i = 0; i < DEATHS; i++) {
      const p = i % gomaxprocs;
      for (let k = 0; k < 6; k++) await free(host, (await alloc(host, 8 << 20)).address);
      await expectCollects();
      const before = scalar(H_SCAVENGED_FORCED);
      const piece = host.take(1 << 14);
      const scavenged = host.call(Op.scavenge, p, [-1, -1, 0, piece.offset, piece.length]);
      const running = unlessDied('scavenge', scavenged);
      await load.kill(1, () => (scalar(H_SCAVENGED_FORCED) === before ? -1 : p));
      if ((await running) === null) died++;
      piece.release();
      expect(await settles('check', differences(host))).toEqual([]);
    }
    await load.end();
    console.log(`${gomaxprocs} Ps, scavenging: ${died} died; ${load.told}`);
  });

  test('a collection is begun again though nobody asks for anything', { timeout }, async () => {
    host = await newHost({ gomaxprocs, gogc: 'off' });
    const load = new Load(2);
    await load.begin(LENGTH * 8);
    await load.pause();
    const { k } = host as unknown as { k: Shared };
    /** A mark cannot end while the main thread has the lock under which the world is stopped. */
    const held = (): boolean => {
      if (!isMarking() || Atomics.compareExchange(k.m, k.worldLock, 0, NOBODY + 1) !== 0) return false;
      if (isMarking()) return true;
      unlock(k.m, k.worldLock);
      return false;
    };
    // A mark that nobody saw is none that somebody dies in: the next one may be.
    let seen = 0;
    for (let i = 0; seen < DEATHS; i++) {
      const abandoned = scalar(H_ABANDONED);
      const p = i % gomaxprocs;
      let over = false;
      const running = unlessDied('forced', json(host, Op.gc, Why.forced, p)).finally(() => {
        over = true;
      });
      let caught = held();
      while (!caught && !over) {
        await turn();
        caught = held();
      }
      if (caught) {
        seen++;
        await load.killNow(p);
        unlock(k.m, k.worldLock);
      }
      await running;
      const idle = () => [scalar(H_RESTART), isMarking(), isSweeping()];
      await expect.poll(idle, { timeout: HANGS, interval: 1 }).toEqual([0, false, false]);
      expect(scalar(H_ABANDONED) - abandoned).toBe(caught ? 1 : 0);
    }
    await load.end();
    console.log(`${gomaxprocs} Ps, idle: ${seen} begun again; ${load.told}`);
  });
});
