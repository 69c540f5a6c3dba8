/**
 * The collector against a plain graph: random programs on one thread, on one P and on four, whose steps interleave where real threads
 * could: whenever one P passes a safepoint (`h.poll`), another may run the next steps of the program, up to ending the mark.
 *
 * The graph knows every object's bytes, which of its words are pointers, and whether its root is held. What must hold:
 *
 *      a reachable object is allocated, its slot is nobody else's, and its bytes and pointers are what was stored
 *      an object that still exists, reachable or not, keeps alive whatever it points to (so that it can be linked again)
 *      no two full cycles later exactly the reachable slots are left: HeapObjects, HeapAlloc and heapMarked equal the graph's
 *      check() and checkCollector() find nothing, at any time, also while a mark is on
 *
 * Edges are read from bytes, so that raw writes over pointer words count. Words that are no pointers hold addresses as well.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { storePointer, writeBytes } from '../../src/gc/barrier.js';
import { checkCollector } from '../../src/gc/check.js';
import { Collector } from '../../src/gc/collector.js';
import { drain, finishMark, gcCycle, isMarkDone, startMark } from '../../src/gc/cycle.js';
import { greyWord } from '../../src/gc/mark.js';
import { configure } from '../../src/gc/pacing.js';
import { Why } from '../../src/gc/state.js';
import { blackenSlot } from '../../src/heap/black.js';
import { check } from '../../src/heap/check.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import {
  GcPhase,
  H_DEDICATED,
  H_GC_PHASE,
  H_HEAP_MARKED,
  H_SCAVENGED_FORCED,
  HEAP_BASE,
  Heap,
  type P,
  P_MARKING,
} from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { fullSwept, fullUnswept, partialUnswept, popSpan, pushSpan } from '../../src/heap/mcentral.js';
import { flushedMemStats, readMemStats } from '../../src/heap/memstats.js';
import {
  S_BASE,
  S_FREEINDEX,
  S_NPAGES,
  S_PUBLISHED,
  S_SPANCLASS,
  S_START,
  S_WORDS,
  spanOfPage,
} from '../../src/heap/mspan.js';
import { byteOffset, Found, pointsInside, resolve, Status, usableBytes } from '../../src/heap/objects.js';
import { scavengePages } from '../../src/heap/scavenge.js';
import {
  makeSpanClass,
  PAGE_SHIFT,
  PAGE_WORDS,
  SPC_TO_HEAP_BITS,
  sizeToClass,
  TINY_SIZE,
} from '../../src/heap/sizeclass.js';
import { sweepOne, sweepSpan, tryAcquire } from '../../src/heap/sweep.js';
import { isPointerWord, TYPE_ALL_POINTERS, TypeTable } from '../../src/heap/types.js';
import { bytesAt } from '../../src/memory/reservation.js';
import { Executor } from '../../src/sched/exec.js';
import { BatchOp, Flag, Op, RECORD_BYTES } from '../../src/sched/ops.js';
import { F_ARGS, F_OP, F_RESULTS, newSchedMemory, Shared } from '../../src/sched/shared.js';
import { effort } from '../helper/effort.js';

const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);
const RESERVE = 64 << 20;
const MAX_THINGS = 1500;
const MAX_BYTES = 24 << 20;

/** A slot, or a large object's pages: what the collector keeps or takes as a whole. */
interface Block {
  start: number;
  end: number;
  things: Set<Thing>;
}

/** An object. Only blocks of tiny objects have several. */
interface Thing {
  block: Block;
  word: number;
  sub: number;
  rooted: boolean;
  /** Pointer words, ascending. */
  pointers: readonly number[];
  /** How that was said: undefined where all of them are. */
  mask: readonly number[] | undefined;
  bytes: Buffer;
  /** Pointer words that are not null: the word address that they hold, -1 where it is none. */
  links: Map<number, number>;
}

/** Random numbers for what a step decides on the way. */
function generator(seed: number): (n: number) => number {
  let x = (seed * 2654435761) | 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

interface Config {
  seed: number;
  clobberFree: boolean;
  stopTheWorld: number;
  /** ns that pass between two looks at the clock: how long slices of marking are. */
  tick: number;
  /** One of so many safepoints runs a step of another P. 0: none. */
  interleave: number;
}

interface Step {
  words: string;
  /** It waits for others: not in the middle of another P's step. */
  waits?: boolean;
  run(d: Driver, p: P): void;
}

class Driver {
  readonly h: Heap;
  readonly gcs: Collector[];
  readonly rnd: (n: number) => number;
  private readonly types: TypeTable;
  private readonly found = new Found();
  private things: Thing[] = [];
  private bytes = 0;
  private readonly pages = new Map<number, Set<Block>>();
  private readonly busy: boolean[];
  /** By P: what it freed at once. */
  private readonly freed: Thing[][];
  private program: readonly (readonly [Step, number])[] = [];
  private next = 0;
  private clock = 0;
  /** What was reachable as of the last change that may have made less so. */
  private reachable: Set<Block> | null = null;

  constructor(procs: number, config: Config) {
    const { clobberFree } = config;
    this.h = Heap.create({ reserve: RESERVE, arenaSize: 4 << 20, procs, clobberFree });
    this.h.now = () => (this.clock += config.tick);
    this.h.poll = () => {
      if (config.interleave > 0 && this.rnd(config.interleave) === 0) this.interleave();
    };
    // Until the world stands still, the others go on.
    const world = { stop: () => this.h.poll(), start: () => {}, wake: () => {} };
    this.gcs = this.h.ps.map((p) => new Collector(this.h, p, world, { stopTheWorld: config.stopTheWorld }));
    this.types = new TypeTable(this.h);
    this.rnd = generator(config.seed);
    this.busy = this.h.ps.map(() => false);
    this.freed = this.h.ps.map(() => []);
  }

  // Running.

  run(program: readonly (readonly [Step, number])[]): void {
    this.program = program;
    while (this.next < program.length) this.runNext();
    this.finish();
  }

  /** A P at a safepoint lets the others go on. */
  private interleave(): void {
    if (this.next < this.program.length && !this.program[this.next][0].waits && this.busy.includes(false))
      this.runNext();
  }

  private runNext(): void {
    const { busy, h } = this;
    const [step, q] = this.program[this.next++];
    let p = q % h.ps.length;
    while (busy[p]) p = (p + 1) % h.ps.length;
    busy[p] = true;
    step.run(this, h.ps[p]);
    busy[p] = false;
  }

  get marking(): boolean {
    return this.h.scalar(H_GC_PHASE) === GcPhase.mark;
  }

  /** Ends the mark if nothing is left. Also while a P stands at a safepoint of its drain, as one that just came may. */
  end(p: P): void {
    const { h } = this;
    const marks = h.ps.map((each) => h.m[each.at + P_MARKING]);
    for (const each of h.ps) h.m[each.at + P_MARKING] = 0;
    this.gcs[p.id].end();
    for (const each of h.ps) h.m[each.at + P_MARKING] = marks[each.id];
  }

  // The graph.

  private blocksAt(page: number): Set<Block> {
    let blocks = this.pages.get(page);
    if (blocks === undefined) this.pages.set(page, (blocks = new Set()));
    return blocks;
  }

  private lookup(word: number): Block | undefined {
    for (const b of this.pages.get(word >> (PAGE_SHIFT - 3)) ?? []) if (word >= b.start && word < b.end) return b;
    return undefined;
  }

  private reach(): Set<Block> {
    if (this.reachable !== null) return this.reachable;
    const seen = new Set<Block>();
    for (const t of this.things) if (t.rooted) seen.add(t.block);
    for (const b of seen) {
      for (const t of b.things) {
        for (const word of t.links.values()) {
          const to = word < 0 ? undefined : this.lookup(word);
          if (to !== undefined) seen.add(to);
        }
      }
    }
    this.reachable = seen;
    return seen;
  }

  private forgetThing(t: Thing): void {
    t.block.things.delete(t);
    this.bytes -= t.bytes.length;
    const last = this.things.pop() as Thing;
    const i = this.things.indexOf(t);
    if (last !== t) this.things[i] = last;
  }

  private forget(b: Block): void {
    for (const t of [...b.things]) this.forgetThing(t);
    for (let page = b.start >> 10; page <= (b.end - 1) >> 10; page++) this.pages.get(page)?.delete(b);
    this.reachable = null;
  }

  name(t: Thing): string {
    return `object of ${t.bytes.length} bytes at word ${t.word}.${t.sub}`;
  }

  /** Whether an object exists. One that nothing reaches may be gone: it is forgotten then. */
  private exists(p: P, t: Thing): boolean {
    if (resolve(this.h, p, t.word, t.sub, this.found) === Status.ok) return true;
    if (this.reach().has(t.block)) throw new Error(`${this.name(t)} is reachable, and gone`);
    this.forget(t.block);
    return false;
  }

  /** Some object that exists. */
  private pick(p: P): Thing | undefined {
    while (this.things.length > 0) {
      const t = this.things[this.rnd(this.things.length)];
      if (this.exists(p, t)) return t;
    }
    return undefined;
  }

  private pickHolder(p: P): Thing | undefined {
    for (let i = 0; i < 6; i++) {
      const t = this.pick(p);
      if (t !== undefined && t.pointers.length > 0) return t;
    }
    return undefined;
  }

  private view(t: Thing): Buffer {
    return bytesAt(this.h.memory.reservation, t.word * 8 + t.sub, t.bytes.length);
  }

  /** An address somewhere in an object: word address and byte. */
  private inside(t: Thing): [word: number, sub: number] {
    const at = this.rnd(3) === 0 ? this.rnd(t.bytes.length) + t.sub : t.sub;
    return [t.word + (at >> 3), at & 7];
  }

  private setWord(t: Thing, i: number, lo: number, hi: number): void {
    t.bytes.writeInt32LE(lo, i * 8);
    t.bytes.writeInt32LE(hi, i * 8 + 4);
    this.learn(t, i);
  }

  /** Reads an edge from the bytes. */
  private learn(t: Thing, i: number): void {
    const lo = t.bytes.readInt32LE(i * 8);
    const above = t.bytes.readInt32LE(i * 8 + 4) - BASE_HI;
    if (lo === 0 && above === -BASE_HI) t.links.delete(i);
    else t.links.set(i, above >>> 0 > 1 ? -1 : (above << 29) | (lo >>> 3));
    this.reachable = null;
  }

  // Steps.

  /** Allocates as the executor does. `mask` undefined: every word is a pointer. */
  alloc(p: P, size: number, noscan: boolean, mask: readonly number[] | undefined, rooted: boolean): void {
    const { h } = this;
    if (this.things.length > MAX_THINGS || this.bytes > MAX_BYTES) return;
    if (p.attention) this.gcs[p.id].service();
    p.sub = 0;
    const pointers = mask && [...new Set(mask.map((w) => w % Math.max(1, size >> 3)))].sort((a, b) => a - b);
    const word = noscan ? mallocNoscan(h, p, size) : this.mallocScan(p, size, pointers);
    if (word === -1) return;
    const t = this.adopt(p, word, noscan && size < TINY_SIZE ? p.sub : 0, size, noscan, pointers);
    this.fill(t);
    if (rooted) return;
    expect(dropRoot(h, p, t.word, t.sub)).toBe(Status.ok);
    t.rooted = false;
    // It counts until it is linked: no safepoint was passed.
    const holder = this.pickHolder(p);
    if (holder !== undefined) this.store(p, holder, holder.pointers[this.rnd(holder.pointers.length)], t);
    this.reachable = null;
  }

  private mallocScan(p: P, size: number, pointers: readonly number[] | undefined): number {
    if (pointers === undefined) return mallocScan(this.h, p, size);
    if (size > 512) return mallocScan(this.h, p, size, this.types.intern(pointers));
    let lo = 0;
    let hi = 0;
    for (const w of pointers) {
      if (w < 32) lo |= 1 << w;
      else hi |= 1 << (w & 31);
    }
    return mallocScan(this.h, p, size, TYPE_ALL_POINTERS, lo, hi);
  }

  /** Takes a new object into the graph: it must be zero, and whatever was in its slot must have been unreachable. */
  private adopt(
    p: P,
    word: number,
    sub: number,
    asked: number,
    noscan: boolean,
    mask: readonly number[] | undefined,
  ): Thing {
    const { h, found } = this;
    const { m } = h;
    expect(resolve(h, p, word, sub, found)).toBe(Status.ok);
    const s = found.span;
    m[s + S_PUBLISHED] = m[s + S_FREEINDEX];
    const large = m[s + S_SPANCLASS] < 2;
    const words = large ? m[s + S_NPAGES] * PAGE_WORDS : m[s + S_WORDS];
    const start = m[s + S_BASE] + found.slot * words;
    // Nobody may use more of a tiny object: the rest of its block belongs to the next.
    const size = found.tiny ? asked : usableBytes(h, found);
    let block = found.tiny && found.offset > 0 ? this.lookup(start) : undefined;
    if (block === undefined) {
      block = { start, end: start + words, things: new Set() };
      for (let page = start >> 10; page <= (block.end - 1) >> 10; page++) {
        for (const old of this.blocksAt(page)) {
          if (old.start >= block.end || old.end <= start) continue;
          if (this.reach().has(old)) throw new Error(`word ${word} was handed out, where a reachable object is`);
          this.forget(old);
        }
      }
      for (let page = start >> 10; page <= (block.end - 1) >> 10; page++) this.blocksAt(page).add(block);
    }
    const bytes = Buffer.alloc(size);
    const all = (): number[] => Array.from({ length: size >> 3 }, (_, i) => i);
    const pointers = noscan ? [] : (mask ?? all());
    const t: Thing = { block, word, sub, rooted: true, pointers, mask, bytes, links: new Map() };
    if (!this.view(t).equals(bytes)) throw new Error(`new ${this.name(t)} is not zero`);
    block.things.add(t);
    this.things.push(t);
    this.bytes += size;
    return t;
  }

  /** Writes into the words that are no pointers: numbers, and addresses, which must keep nothing alive. */
  private fill(t: Thing): void {
    const { bytes } = t;
    const pointers = new Set(t.pointers);
    const stamp = this.rnd(255) + 1;
    const limit = t.sub !== 0 || bytes.length < 8 ? 0 : bytes.length >> 3;
    const other = this.things[this.rnd(this.things.length)];
    const address = HEAP_BASE + other.word * 8;
    for (let i = 0; i < limit; i++) {
      if (pointers.has(i)) continue;
      if (i % 3 === 1) bytes.writeDoubleLE(stamp * i, i * 8);
      else bytes.writeBigUInt64LE(BigInt(address + i), i * 8);
    }
    if (t.pointers.length === 0) bytes.fill(stamp, limit * 8);
    this.view(t).set(bytes);
  }

  /** As Op.setPointer. */
  private store(p: P, from: Thing, word: number, to: Thing | null): void {
    const { h, found } = this;
    expect(resolve(h, p, from.word, from.sub, found)).toBe(Status.ok);
    expect(isPointerWord(h, found.span, found.slot, word), `${this.name(from)}, word ${word}`).toBe(true);
    const at = byteOffset(h, found) / 8 + word;
    if (to === null) {
      storePointer(h, p, at, 0, 0);
      this.setWord(from, word, 0, 0);
      return;
    }
    const [target, sub] = this.inside(to);
    expect(pointsInside(h, p, target)).toBe(true);
    const lo = (target << 3) | sub;
    const hi = BASE_HI + (target >> 29);
    storePointer(h, p, at, lo, hi);
    this.setWord(from, word, lo, hi);
  }

  link(p: P): void {
    const from = this.pickHolder(p);
    const to = this.pick(p);
    // Looking for the second may have told that the first is gone.
    if (from === undefined || to === undefined || !from.block.things.has(from)) return;
    this.store(p, from, from.pointers[this.rnd(from.pointers.length)], to);
  }

  unlink(p: P): void {
    const from = this.pickHolder(p);
    if (from === undefined || from.links.size === 0) return;
    this.store(p, from, [...from.links.keys()][this.rnd(from.links.size)], null);
  }

  drop(p: P): void {
    const t = this.pick(p);
    if (t === undefined) return;
    expect(dropRoot(this.h, p, t.word, t.sub)).toBe(t.rooted ? Status.ok : Status.alreadyFreed);
    t.rooted = false;
    this.reachable = null;
  }

  /** Frees an object at once, if nothing that is reachable refers to it. What else refers to it may not be used again. */
  freeNow(p: P, t = this.pick(p)): void {
    if (t === undefined || !t.rooted || !this.exists(p, t)) return;
    const above = this.holdersOf(t.block);
    if ([...above].some((b) => [...b.things].some((o) => o.rooted))) return;
    expect(freeNow(this.h, p, t.word, t.sub)).toBe(Status.ok);
    for (const b of above) this.forget(b);
    this.forgetThing(t);
    if (![...t.block.things].some((o) => o.rooted)) this.forget(t.block);
    this.reachable = null;
    this.freed[p.id].push(t);
  }

  /** Frees so many objects of one size at once that the P's stack overflows. */
  freeMany(p: P): void {
    const like = this.pick(p);
    if (like === undefined) return;
    const words = like.block.end - like.block.start;
    const size = like.bytes.length;
    for (let i = 0; i < 40 && size <= 512; i++) this.alloc(p, size, like.pointers.length === 0, like.mask, true);
    for (const t of [...this.things]) {
      if (t.block.end - t.block.start === words && t.block.things.has(t)) this.freeNow(p, t);
    }
  }

  /** Allocates what this P freed at once some time ago, so that it is likely to get the same slot. */
  again(p: P): void {
    const t = this.freed[p.id].pop();
    if (t !== undefined) this.alloc(p, t.bytes.length, t.pointers.length === 0, t.mask, true);
  }

  /** Every block from which another one can be reached, without itself. */
  private holdersOf(block: Block): Set<Block> {
    const into = new Map<Block, Set<Block>>();
    for (const t of this.things) {
      for (const word of t.links.values()) {
        const to = word < 0 ? undefined : this.lookup(word);
        if (to === undefined) continue;
        const from = into.get(to);
        if (from === undefined) into.set(to, new Set([t.block]));
        else from.add(t.block);
      }
    }
    const out = new Set<Block>([block]);
    for (const b of out) for (const from of into.get(b) ?? []) out.add(from);
    out.delete(block);
    return out;
  }

  /** Raw bytes anywhere in an object. Where they make an address, by intention or not, it names an object that exists. */
  write(p: P): void {
    const { h, found } = this;
    const t = this.pick(p);
    if (t === undefined) return;
    const from = this.rnd(t.bytes.length);
    const bytes = Buffer.alloc(1 + this.rnd(Math.min(t.bytes.length - from, 200)));
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.rnd(256);
    const pointers = new Set(t.pointers);
    for (let i = from >> 3; i * 8 < from + bytes.length; i++) {
      if (!pointers.has(i)) continue;
      if (i * 8 < from || i * 8 + 8 > from + bytes.length) return;
      const to = this.rnd(2) === 0 ? this.pick(p) : undefined;
      if (to === undefined) {
        bytes[i * 8 - from + 7] = 0xee;
        continue;
      }
      const [target, sub] = this.inside(to);
      bytes.writeBigUInt64LE(BigInt(HEAP_BASE + target * 8 + sub), i * 8 - from);
    }
    if (!t.block.things.has(t)) return;
    expect(resolve(h, p, t.word, t.sub, found)).toBe(Status.ok);
    // A tiny object's bytes begin where it does.
    if (found.tiny) this.view(t).set(bytes, from);
    else writeBytes(h, p, found, from, bytes);
    t.bytes.set(bytes, from);
    for (let i = from >> 3; i * 8 < from + bytes.length; i++) if (pointers.has(i)) this.learn(t, i);
  }

  // Looking.

  expectWhole(context: string): void {
    expect(check(this.h), context).toEqual([]);
    expect(checkCollector(this.h), context).toEqual([]);
  }

  /** Every object that exists is what it was; every reachable one exists. */
  verify(p: P): void {
    const { h, found } = this;
    for (const t of [...this.things]) {
      if (!t.block.things.has(t) || !this.exists(p, t)) continue;
      const now = this.view(t);
      if (!now.equals(t.bytes)) {
        const at = now.findIndex((b, i) => b !== t.bytes[i]);
        throw new Error(`${this.name(t)}: byte ${at} is ${now[at]}, was ${t.bytes[at]}`);
      }
      for (const i of t.pointers.slice(0, 70)) expect(isPointerWord(h, found.span, found.slot, i)).toBe(true);
    }
  }

  private finish(): void {
    const { h, gcs } = this;
    const [p] = h.ps;
    this.verify(p);
    this.expectWhole('at the end');
    // The first of them keeps the blocks that the tiny allocators were filling.
    gcs[0].collect(Why.forced);
    this.verify(p);
    this.expectWhole('collected');
    gcs[h.ps.length - 1].collect(Why.forced);
    this.verify(p);
    this.expectWhole('collected twice');
    const reachable = [...this.reach()];
    const bytes = reachable.reduce((sum, b) => sum + (b.end - b.start) * 8, 0);
    const stats = readMemStats(h);
    expect(stats.HeapObjects).toBe(reachable.length);
    expect(stats.HeapAlloc).toBe(bytes);
    expect(h.scalar(H_HEAP_MARKED) * 8).toBe(bytes);
    for (const t of this.things) expect(this.reach().has(t.block)).toBe(true);
  }
}

const size = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 15 }) },
  { weight: 6, arbitrary: fc.constantFrom(8, 16, 24, 32, 48, 64, 112, 256, 512) },
  { weight: 4, arbitrary: fc.integer({ min: 16, max: 1024 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1025, max: 32_768 }) },
  { weight: 3, arbitrary: fc.integer({ min: 32_700, max: 100_000 }) },
);
const layout = fc.oneof(
  fc.constant('noscan' as const),
  fc.constant(undefined),
  fc.array(fc.nat(100), { minLength: 1, maxLength: 12 }),
);

/** A step that does something `times` times. */
const repeated = (words: string, most: number, run: (d: Driver, p: P) => void): fc.Arbitrary<Step> =>
  fc.integer({ min: 1, max: most }).map((times) => ({
    words: `${words} ×${times}`,
    run: (d, p) => {
      for (let i = 0; i < times; i++) run(d, p);
    },
  }));
const once = (words: string, run: (d: Driver, p: P) => void, waits = false): fc.Arbitrary<Step> =>
  fc.constant({ words, run, waits });

const allocStep: fc.Arbitrary<Step> = fc
  .tuple(size, layout, fc.integer({ min: 1, max: 40 }), fc.nat(3))
  .map(([bytes, mask, times, rooted]) => ({
    words: `alloc ${times} of ${bytes} ${mask === 'noscan' ? mask : mask === undefined ? 'all' : `[${mask}]`}, 1 of ${rooted + 1} rooted`,
    run: (d, p) => {
      const n = Math.min(times, Math.ceil(150_000 / bytes));
      for (let i = 0; i < n; i++)
        d.alloc(p, bytes, mask === 'noscan', mask === 'noscan' ? undefined : mask, i % (rooted + 1) === 0);
    },
  }));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: allocStep },
  { weight: 8, arbitrary: repeated('link', 40, (d, p) => d.link(p)) },
  { weight: 4, arbitrary: repeated('unlink', 20, (d, p) => d.unlink(p)) },
  { weight: 5, arbitrary: repeated('drop', 30, (d, p) => d.drop(p)) },
  { weight: 4, arbitrary: repeated('free now', 12, (d, p) => d.freeNow(p)) },
  { weight: 1, arbitrary: once('free many now', (d, p) => d.freeMany(p)) },
  { weight: 4, arbitrary: repeated('allocate again', 12, (d, p) => d.again(p)) },
  { weight: 3, arbitrary: repeated('write', 12, (d, p) => d.write(p)) },
  { weight: 6, arbitrary: once('begin', (d, p) => d.gcs[p.id].begin(Why.forced)) },
  {
    weight: 14,
    arbitrary: fc.integer({ min: 1, max: 3000 }).map((budget) => ({
      words: `drain ${budget}`,
      run: (d: Driver, p: P) => {
        if (d.marking) drain(d.h, p, budget, Number.POSITIVE_INFINITY, true);
      },
    })),
  },
  { weight: 5, arbitrary: once('end', (d, p) => d.end(p)) },
  { weight: 2, arbitrary: once('service', (d, p) => d.gcs[p.id].service()) },
  { weight: 2, arbitrary: once('share', (d, p) => d.gcs[p.id].share()) },
  { weight: 1, arbitrary: once('idle', (d, p) => d.gcs[p.id].idle()) },
  { weight: 1, arbitrary: once('between', (d, p) => d.gcs[p.id].between()) },
  { weight: 5, arbitrary: repeated('sweep one', 8, (d, p) => sweepOne(d.h, p)) },
  { weight: 1, arbitrary: once('gc', (d, p) => d.gcs[p.id].collect(Why.forced), true) },
  { weight: 1, arbitrary: repeated('scavenge', 300, (d, p) => scavengePages(d.h, p, 1, true, H_SCAVENGED_FORCED)) },
  { weight: 1, arbitrary: once('flush', (d) => flushedMemStats(d.h)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(-1, 10, 25, 100), fc.constantFrom(Number.POSITIVE_INFINITY, 1 << 20, 20 << 20))
      .map(([percent, limit]) => ({
        words: `GOGC ${percent}, limit ${limit}`,
        run: (d: Driver, p: P) => {
          configure(d.h, percent, limit);
          p.attention = true;
        },
      })),
  },
  { weight: 1, arbitrary: once('check', (d) => d.expectWhole('on the way')) },
  { weight: 1, arbitrary: once('verify', (d, p) => d.verify(p)) },
);

const config: fc.Arbitrary<Config> = fc.record({
  seed: fc.integer({ min: 1, max: 1 << 30 }),
  clobberFree: fc.boolean(),
  stopTheWorld: fc.constantFrom(0, 0, 0, 0, 0, 1, 2),
  tick: fc.constantFrom(100, 10_000, 1_000_000),
  interleave: fc.constantFrom(0, 2, 5, 20),
});

const RUNS = Number(process.env.MODEL_RUNS ?? effort(50, 400));

describe('random graphs', () => {
  test.each([1, 4])('on %i P', { timeout: 60_000 + RUNS * 1000 }, (procs) => {
    const program = fc.array(
      fc.tuple(
        step.map((s) => Object.assign(s, { [fc.toStringMethod]: () => s.words })),
        fc.nat(3),
      ),
      { minLength: 1, maxLength: 120, size: 'max' },
    );
    fc.assert(
      fc.property(config, program, (settings, steps) => new Driver(procs, settings).run(steps)),
      { numRuns: RUNS },
    );
  });
});

const newHeap = (procs: number): Heap => Heap.create({ reserve: 32 << 20, arenaSize: 4 << 20, procs });
const lo = (word: number) => word << 3;
const hi = (word: number) => BASE_HI + (word >> 29);
const SPC64 = makeSpanClass(sizeToClass(64), false);

function markAll(h: Heap, p = h.ps[0]): void {
  while (!isMarkDone(h)) drain(h, p, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, false);
}

/** Each of them was found by reading, by the programs above, or by test/sched/gc-model.test.ts. */
describe('bugs', () => {
  test('a flush while marking whitens what was black and not handed out', () => {
    const h = newHeap(1);
    const [p] = h.ps;
    const gc = new Collector(h, p);
    mallocScan(h, p, 64);
    gc.begin(Why.forced);
    flushedMemStats(h);
    expect(checkCollector(h)).toEqual([]);
    gc.collect(Why.forced);
    expect(check(h)).toEqual([]);
  });

  test('a tiny object that is freed at once takes no neighbour with it', () => {
    const h = newHeap(1);
    const [p] = h.ps;
    const a = mallocNoscan(h, p, 4);
    const aSub = p.sub;
    const b = mallocNoscan(h, p, 4);
    const bSub = p.sub;
    const c = mallocNoscan(h, p, 8);
    mallocNoscan(h, p, 8); // another block is filled now
    expect(b >> 1).toBe(a >> 1);
    const holder = mallocScan(h, p, 16);
    storePointer(h, p, holder, lo(a) | aSub, hi(a));
    expect(dropRoot(h, p, a, aSub)).toBe(Status.ok);
    expect(dropRoot(h, p, c, 0)).toBe(Status.ok);
    h.w32[a * 2] = 0x1234;
    expect(freeNow(h, p, b, bSub)).toBe(Status.ok);
    mallocNoscan(h, p, 16);
    expect(h.w32[a * 2]).toBe(0x1234);
    expect(resolve(h, p, a, aSub, new Found())).toBe(Status.ok);
  });

  test('a slot that is used again keeps its pointer bits, whoever allocates beside it', () => {
    const h = newHeap(2);
    const [p0, p1] = h.ps;
    const first = mallocScan(h, p0, 64, TYPE_ALL_POINTERS, 1, 0); // one pointer, and P0's span has it
    freeNow(h, p1, first, 0); // P1 may use its slot again
    const { w32 } = h;
    const bits = SPC_TO_HEAP_BITS[SPC64];
    let between = false;
    let again = 0;
    // P0 reads the word of the bitmap that both slots' bits stand in, and writes it back after P1 has written it.
    const racing = new Proxy(w32, {
      get(target, at) {
        const value = Reflect.get(target, at);
        if (Number(at) === bits && !between) {
          between = true;
          Object.assign(h, { w32 });
          again = mallocScan(h, p1, 64);
        }
        return value;
      },
      set: (target, at, value) => Reflect.set(target, at, value),
    });
    Object.assign(h, { w32: racing });
    mallocScan(h, p0, 64);
    Object.assign(h, { w32 });
    expect(between).toBe(true);
    const child = mallocNoscan(h, p0, 64);
    storePointer(h, p1, again + 3, lo(child), hi(child));
    dropRoot(h, p0, child, 0);
    gcCycle(h, p0);
    expect(pointsInside(h, p0, child)).toBe(true);
  });

  test('a large object that was met before it was blackened is scanned from its beginning in the next cycle', () => {
    const h = newHeap(2);
    const [p, q] = h.ps;
    startMark(h, p, Why.forced);
    const big = mallocScan(h, p, 400_000);
    const child = mallocNoscan(h, p, 64);
    // As if Q had met it, by its root, before P came to blacken it.
    const s = spanOfPage(h, big / PAGE_WORDS);
    h.m[h.markBits + h.m[s + S_START] * 32] = 0;
    h.m[h.scanBits + h.m[s + S_START] * 32] = 0;
    greyWord(h, q, big);
    drain(h, q, 1, Number.POSITIVE_INFINITY, true);
    blackenSlot(h, p, s, 0);
    markAll(h, q);
    finishMark(h);
    storePointer(h, p, big, lo(child), hi(child));
    dropRoot(h, p, child, 0);
    gcCycle(h, p);
    expect(pointsInside(h, p, child)).toBe(true);
    expect(checkCollector(h)).toEqual([]);
  });

  test('an object without a root gets its chance to be stored, though a cycle passes before', () => {
    const h = newHeap(2);
    const [p, q] = h.ps;
    const gcs = h.ps.map((each) => new Collector(h, each));
    const k = new Shared(newSchedMemory(2));
    const exec = new Executor(h, p, k, gcs[0]);
    const holder = mallocScan(h, q, 64);
    flushedMemStats(h); // into a list, to be swept by somebody
    gcs[0].begin(Why.forced);
    markAll(h);
    gcs[0].end();
    const s = popSpan(h, q, SPC64, partialUnswept(h));
    expect(tryAcquire(h, s)).toBe(true);
    // Q is sweeping the holder's span. While P waits for it, standing still for whoever stops the world, a whole cycle passes.
    h.poll = () => {
      h.poll = () => {};
      sweepSpan(h, q, s, false);
      gcs[1].collect(Why.forced);
    };
    k.exchange32.set([BatchOp.alloc | (Flag.unrooted << 8), 0, 64, 0], 0);
    k.exchange32.set([BatchOp.store, 0, lo(holder), hi(holder)], 4);
    const frame = k.frame(0);
    k.m[frame + F_OP] = Op.batch;
    k.m.set([0, 2, 2 * RECORD_BYTES], frame + F_ARGS);
    exec.run(frame);
    expect(k.m[frame + F_RESULTS]).toBe(0); // records that failed
    expect(pointsInside(h, p, h.w32[holder * 2] >>> 3)).toBe(true);
    gcs[0].collect(Why.forced);
    gcs[0].collect(Why.forced);
    expect(readMemStats(h).HeapObjects).toBe(2);
    expect(check(h)).toEqual([]);
  });

  test('a holder that a cycle took away while its target was looked up is told to be gone', () => {
    const h = newHeap(2);
    const [p, q] = h.ps;
    const gcs = h.ps.map((each) => new Collector(h, each));
    const k = new Shared(newSchedMemory(2));
    const exec = new Executor(h, p, k, gcs[0]);
    const target = mallocNoscan(h, q, 64);
    flushedMemStats(h);
    gcs[0].begin(Why.forced);
    const top = mallocScan(h, p, 64);
    const dead = mallocScan(h, p, 64); // black: it outlives this mark
    storePointer(h, p, top, lo(dead), hi(dead));
    for (const word of [dead, top]) dropRoot(h, p, word, 0);
    markAll(h);
    gcs[0].end();
    const s = popSpan(h, q, SPC64 + 1, partialUnswept(h));
    expect(tryAcquire(h, s)).toBe(true);
    const first = mallocScan(h, p, 64); // keeps the span
    h.poll = () => {
      h.poll = () => {};
      sweepSpan(h, q, s, false);
      gcs[1].collect(Why.forced);
      mallocScan(h, q, 64); // Q has the dead slots in its cache now, zeroed
    };
    const frame = k.frame(0);
    k.m[frame + F_OP] = Op.setPointer;
    k.m.set([lo(dead), hi(dead), 0, lo(target), hi(target)], frame + F_ARGS);
    exec.run(frame);
    expect(k.m[frame + F_RESULTS]).toBe(Status.notAllocated);
    expect(first).toBeGreaterThan(dead);
    let again = 0;
    while (again !== dead) again = mallocScan(h, q, 64);
    expect(h.w32[again * 2]).toBe(0);
  });

  test('a large object can be freed at once while its sweeper holds it', () => {
    const h = newHeap(2);
    const [p, q] = h.ps;
    const gc = new Collector(h, p);
    const big = mallocNoscan(h, p, 50_000);
    gc.begin(Why.forced);
    markAll(h);
    gc.end();
    const s = popSpan(h, q, 1, fullUnswept(h));
    expect(tryAcquire(h, s)).toBe(true);
    sweepSpan(h, q, s, true); // swept, and not in its list yet
    h.poll = () => {
      h.poll = () => {};
      pushSpan(h, q, s, fullSwept(h));
    };
    expect(freeNow(h, p, big, 0)).toBe(Status.ok);
    h.poll(); // for one that did not wait
    gc.collect(Why.forced);
    expect(readMemStats(h).HeapObjects).toBe(0);
    expect(check(h)).toEqual([]);
  });

  test('a dedicated worker whose cycle ended gives its claim to no other', () => {
    const h = newHeap(4);
    const gcs = h.ps.map((each) => new Collector(h, each));
    for (let i = 0; i < 2000; i++) mallocScan(h, h.ps[0], 64);
    gcs[0].begin(Why.forced);
    expect(h.scalar(H_DEDICATED)).toBe(1);
    h.poll = () => {
      h.poll = () => {};
      markAll(h, h.ps[1]);
      finishMark(h);
      gcs[1].begin(Why.forced);
    };
    gcs[0].share();
    expect(h.scalar(H_DEDICATED)).toBe(1);
  });
});
