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

import { expect } from 'vitest';
import { storePointer, writeBytes } from '../../src/gc/barrier.js';
import { checkCollector } from '../../src/gc/check.js';
import { Collector } from '../../src/gc/collector.js';
import { Why } from '../../src/gc/state.js';
import { check } from '../../src/heap/check.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import { GcPhase, H_GC_PHASE, H_HEAP_MARKED, HEAP_BASE, Heap, type P, P_MARKING } from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { readMemStats } from '../../src/heap/memstats.js';
import { S_BASE, S_FREEINDEX, S_NPAGES, S_PUBLISHED, S_SPANCLASS, S_WORDS } from '../../src/heap/mspan.js';
import { byteOffset, Found, pointsInside, resolve, Status, usableBytes } from '../../src/heap/objects.js';
import { PAGE_SHIFT, PAGE_WORDS, TINY_SIZE } from '../../src/heap/sizeclass.js';
import { isPointerWord, TYPE_ALL_POINTERS, TypeTable } from '../../src/heap/types.js';
import { bytesAt } from '../../src/memory/reservation.js';

const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);
const RESERVE = 64 << 20;
const MAX_THINGS = 1500;
const MAX_BYTES = 24 << 20;

/** A slot, or a large object's pages: what the collector keeps or takes as a whole. */
export interface Block {
  start: number;
  end: number;
  things: Set<Thing>;
}

/** An object. Only blocks of tiny objects have several. */
export interface Thing {
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

export interface Config {
  seed: number;
  clobberFree: boolean;
  stopTheWorld: number;
  /** ns that pass between two looks at the clock: how long slices of marking are. */
  tick: number;
  /** One of so many safepoints runs a step of another P. 0: none. */
  interleave: number;
}

export interface Step {
  words: string;
  /** It waits for others: not in the middle of another P's step. */
  waits?: boolean;
  run(d: Driver, p: P): void;
}

export class Driver {
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
