/**
 * A heap with a random graph in it and, beside it, the same graph in a Map, which is asked by brute force. `verify` compares the two.
 *
 * The objects are also filled with what looks like pointers and is none: other numbers, words that are none by the object's
 * layout, addresses of free slots, of slots that a mark condemned.
 */

import { expect } from 'vitest';
import { gcCycle, markAndAdvance } from '../../src/gc/cycle.js';
import { graph, maxEdges, reachable, retained, shortestPath } from '../../src/gc/reach.js';
import { dropRoot } from '../../src/heap/free.js';
import { formatAddress, HEAP_BASE, Heap } from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { S_BASE, S_SPANCLASS, S_WORDS, spanId, spanOfPage } from '../../src/heap/mspan.js';
import { Found, resolve, Status, usableBytes } from '../../src/heap/objects.js';
import { PAGE_SHIFT } from '../../src/heap/sizeclass.js';
import { isPointerWord, TYPE_ALL_POINTERS, TypeTable } from '../../src/heap/types.js';

/** The heaps of the test that runs: each is checked at its end. */
export const heaps: Heap[] = [];

export function newHeap(reserve = 32 << 20): Heap {
  const h = Heap.create({ reserve, arenaSize: 4 << 20, procs: 1 });
  heaps.push(h);
  return h;
}

const spanAtWord = (h: Heap, word: number): number => spanOfPage(h, word >> (PAGE_SHIFT - 3));

/** Stores the address of byte `to` × 8 + `sub`. */
export function store(h: Heap, at: number, to: number, sub = 0): void {
  const address = HEAP_BASE + to * 8 + sub;
  h.w32[at * 2] = address | 0;
  h.w32[at * 2 + 1] = Math.floor(address / 2 ** 32);
}

/** Every bit that the collector and the allocator decide by. */
function bits(h: Heap): Int32Array {
  const pages = h.pages * 32;
  const out = new Int32Array(pages * 3);
  out.set(h.m.subarray(h.allocBits, h.allocBits + pages));
  out.set(h.m.subarray(h.markBits, h.markBits + pages), pages);
  out.set(h.m.subarray(h.droppedBits, h.droppedBits + pages), pages * 2);
  return out;
}

export interface Thing {
  word: number;
  size: number;
  slotBytes: number;
  noscan: boolean;
  rooted: boolean;
  /** Pointer words that hold an address, by number. */
  to: Map<number, Thing>;
}

export interface Spec {
  size: number;
  noscan: boolean;
  /** Which words are pointers; all where left out. */
  mask?: number[];
  rooted: boolean;
}

export interface Link {
  from: number;
  word: number;
  to: number;
  /** Where in it, as a fraction. */
  inside: number;
}

export class Model {
  readonly h = newHeap();
  readonly things: Thing[] = [];
  private readonly types = new TypeTable(this.h);
  private readonly blocks = new Map<number, Thing>();
  private readonly dead: number[] = [];

  constructor(specs: Spec[], links: Link[], victims: number, collect: 'not' | 'mark' | 'all') {
    const { h } = this;
    const p = h.ps[0];
    const roots: { word: number; sub: number; thing: Thing; rooted: boolean }[] = [];
    specs.forEach((spec, i) => {
      if (i % 3 === 0 && victims > 0)
        this.dead.push(...Array.from({ length: victims }, () => mallocScan(h, p, spec.size)));
      p.sub = 0;
      const word = this.alloc(spec);
      const sub = spec.noscan && spec.size < 16 ? p.sub : 0;
      roots.push({ word, sub, thing: this.thing(word, sub, spec.noscan), rooted: spec.rooted });
    });
    for (const word of this.dead) expect(dropRoot(h, p, word, 0)).toBe(Status.ok);
    if (collect === 'mark') markAndAdvance(h, p, true);
    else if (collect === 'all') gcCycle(h, p);
    this.noise(collect !== 'not');
    for (const link of links) this.link(link);
    for (const { thing } of roots) thing.rooted = false;
    for (const { word, sub, thing, rooted } of roots) {
      if (rooted) thing.rooted = true;
      else expect(dropRoot(h, p, word, sub)).toBe(Status.ok);
    }
  }

  private alloc({ size, noscan, mask }: Spec): number {
    const { h } = this;
    const p = h.ps[0];
    if (noscan) return mallocNoscan(h, p, size);
    if (mask === undefined) return mallocScan(h, p, size);
    const words = [...new Set(mask.map((w) => w % Math.max(1, size >> 3)))].sort((a, b) => a - b);
    if (size > 512) return mallocScan(h, p, size, this.types.intern(words));
    let lo = 0;
    let hi = 0;
    for (const w of words) {
      if (w < 32) lo |= 1 << w;
      else hi |= 1 << (w & 31);
    }
    return mallocScan(h, p, size, TYPE_ALL_POINTERS, lo, hi);
  }

  private thing(word: number, sub: number, noscan: boolean): Thing {
    const { h } = this;
    const found = new Found();
    expect(resolve(h, h.ps[0], word, sub, found)).toBe(Status.ok);
    const start = found.tiny ? h.m[found.span + S_BASE] + found.slot * 2 : word;
    const known = this.blocks.get(start);
    if (known !== undefined) return known;
    const spc = h.m[found.span + S_SPANCLASS];
    const slotBytes = h.m[found.span + S_WORDS] * 8;
    const size = found.tiny ? 16 : usableBytes(h, found);
    expect(noscan).toBe(spc % 2 === 1);
    const thing: Thing = { word: start, size, slotBytes, noscan, rooted: true, to: new Map() };
    this.blocks.set(start, thing);
    this.things.push(thing);
    return thing;
  }

  /** Fills the objects with what looks like pointers and is none. */
  private noise(collected: boolean): void {
    const { h } = this;
    for (const thing of this.things) {
      const words = Math.min(thing.size >> 3, 40);
      for (let i = 0; i < words; i++) {
        const pointer = !thing.noscan && this.isPointer(thing, i);
        // A word that is no pointer may hold any address.
        if (!pointer) store(h, thing.word + i, this.things[i % this.things.length].word);
        else if (i % 5 === 1) store(h, thing.word + i, h.pages * 1024 + i);
        else if (i % 5 === 2) store(h, thing.word + i, -5);
        else if (i % 5 === 3) store(h, thing.word + i, h.pages * 1024 - 1);
        else if (i % 5 === 4 && collected && this.dead.length > 0)
          store(h, thing.word + i, this.dead[i % this.dead.length]);
      }
    }
  }

  private isPointer(thing: Thing, word: number): boolean {
    const { h } = this;
    const found = new Found();
    resolve(h, h.ps[0], thing.word, 0, found);
    return isPointerWord(h, found.span, found.slot, word);
  }

  private link({ from, word, to, inside }: Link): void {
    const { things, h } = this;
    const source = things[from % things.length];
    const target = things[to % things.length];
    if (source.noscan) return;
    // To a pointer word near the one that is asked for, if there is any.
    const words = Math.max(1, source.size >> 3);
    for (let i = 0; i < Math.min(words, 100); i++) {
      const w = (word + i) % words;
      if (!this.isPointer(source, w)) continue;
      const at = Math.floor(inside * target.size);
      store(h, source.word + w, target.word + (at >> 3), at & 7);
      source.to.set(w, target);
      return;
    }
  }

  /** Distance from the roots, of what they reach without passing `without`. */
  distances(without?: Thing): Map<Thing, number> {
    let level = this.things.filter((t) => t.rooted && t !== without);
    const out = new Map<Thing, number>();
    for (let depth = 0; level.length > 0; depth++) {
      for (const t of level) out.set(t, depth);
      const next = level.flatMap((t) => [...t.to.values()]);
      level = [...new Set(next)].filter((t) => !out.has(t) && t !== without);
    }
    return out;
  }

  graph(root: Thing, depth: number, limit: number) {
    const seen = new Map([[root, 0]]);
    const edges: { from: number; word: number; to: number }[] = [];
    let truncated = false;
    out: for (const [from, at] of seen) {
      if (at === depth) break;
      for (const [word, to] of [...from.to].sort(([a], [b]) => a - b)) {
        if ((!seen.has(to) && seen.size === limit) || edges.length === maxEdges(limit)) {
          truncated = true;
          break out;
        }
        if (!seen.has(to)) seen.set(to, at + 1);
        edges.push({ from: from.word, word, to: to.word });
      }
    }
    const nodes = [...seen].map(([{ word, size, noscan, rooted }, d]) => ({
      object: word,
      size,
      noscan,
      rooted,
      depth: d,
    }));
    return { nodes, edges, truncated };
  }

  verify(): void {
    const { h, things } = this;
    const before = bits(h);
    const distances = this.distances();
    const sorted = [...distances.keys()];
    for (const t of things) {
      const inside = t.word + ((t.size - 1) >> 4);
      expect(reachable(h, inside)).toBe(distances.has(t));
      this.verifyPath(t, inside, distances.get(t));
      const left = this.distances(t);
      const lost = sorted.filter((o) => !left.has(o));
      expect(retained(h, inside), formatAddress(t.word)).toEqual({
        reachable: distances.has(t),
        rooted: t.rooted,
        objects: lost.length,
        bytes: lost.reduce((sum, o) => sum + o.slotBytes, 0),
        self: t.slotBytes,
      });
      for (const [depth, limit] of [
        [64, 1000],
        [2, 1000],
        [64, 3],
        [0, 1],
      ]) {
        const { nodes, ...rest } = graph(h, inside, depth, limit);
        const plain = nodes.map(({ object, size, noscan, rooted, depth: d }) => ({
          object,
          size,
          noscan,
          rooted,
          depth: d,
        }));
        expect({ nodes: plain, ...rest }).toEqual(this.graph(t, depth, limit));
      }
    }
    expect(bits(h).every((b, i) => b === before[i])).toBe(true);
  }

  private verifyPath(t: Thing, word: number, distance: number | undefined): void {
    const { h } = this;
    const path = shortestPath(h, word);
    if (distance === undefined) {
      expect(path).toBeNull();
      return;
    }
    expect(path?.length).toBe(distance + 1);
    const steps = path?.steps ?? [];
    expect(steps.map((s) => s.depth)).toEqual(Array.from({ length: distance + 1 }, (_, i) => i));
    const way = steps.map((s) => this.blocks.get(s.object) as Thing);
    expect([way[0].rooted, way[distance]]).toEqual([true, t]);
    steps.forEach((s, i) => {
      const span = spanAtWord(h, s.object);
      expect([s.span, s.size]).toEqual([spanId(h, span), way[i].size]);
      expect(s.word < 0 ? undefined : way[i].to.get(s.word)).toBe(way[i + 1]);
    });
  }
}
