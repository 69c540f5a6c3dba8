/**
 * The whole heap as a graph of numbers: every object that the roots reach, and every pointer between two of them.
 *
 * Taken with the world stopped, so that it is the heap of one moment, and made into a file afterwards
 * (`telemetry/heapsnapshot.ts`). Garbage is not in it: what no root leads to waits for a cycle, whether a mark has
 * condemned it or not. Objects are named by their slots, as in `reach-slots.ts`; tiny objects are their block.
 *
 * It goes breadth first, the rooted objects before all others, and never beyond `limit` objects and `maxEdges(limit)`
 * pointers: what the world stands still for, and the memory that it takes, depend on the limit and hardly on the heap.
 * When objects are left out, it is those furthest from the roots; pointers to them are left out as well. No object is
 * written down without the root or the pointer that led to it, so that even a part is one piece.
 *
 * A region of int32 (`shapeOf(limit)` says where):
 *
 *     nodes    4 an object    word address · words of its slot · site << 2 | noscan << 1 | rooted · its pointers
 *     edges    2 a pointer    which word of the object · index of the node it leads to
 *     rooted   1 a rooted     index of a node; by site
 *     groups   2 a site       site · how many rooted objects
 *
 * Edges stand in the order of the nodes that they leave. `walk` needs the stopped world, so it does no more than it must:
 * a bitmap tells it what it has seen, laid out as markBits are and small enough for the processor's cache, and a
 * pointer is noted with the slot that it leads to. Which node that is, which site belongs to which object and which objects
 * to a site, is found out by `finish` when the heap goes on: it looks at no more than what `walk` has written.
 */

import { H_SPAN_NEXT, type Heap } from '../heap/heap.js';
import { mappedPages } from '../heap/mheap.js';
import {
  ctz,
  objectWord,
  S_BITS,
  S_NELEMS,
  S_SPANCLASS,
  S_SPECIALS,
  S_STATE,
  S_WORDS,
  SpanState,
  spanAt,
} from '../heap/mspan.js';
import { popcount32 } from '../heap/pallocbits.js';
import { eachSite } from '../heap/spansites.js';
import { isLive, liveGroup, PointerWords, pointee, rootedGroup, spanOf } from './reach-slots.js';

export const NODE_WORDS = 4;
export const N_WORD = 0;
export const N_WORDS = 1;
export const N_FLAGS = 2;
export const N_EDGES = 3;

export const ROOTED = 1;
export const NOSCAN = 2;
export const SITE_SHIFT = 2;

/** Sites are numbered up to 65,536; 0 is none. */
const MAX_GROUPS = 65_537;
const MIN_EDGES = 1 << 20;

/** Most pointers of a snapshot of at most `limit` objects. */
export const maxEdges = (limit: number): number => Math.max(MIN_EDGES, 4 * limit);

/** Where a region's parts begin, in int32, and how many it has. */
export interface SnapshotShape {
  nodes: number;
  edges: number;
  rooted: number;
  groups: number;
  words: number;
}

export function shapeOf(limit: number): SnapshotShape {
  const edges = NODE_WORDS * limit;
  const rooted = edges + 2 * maxEdges(limit);
  const groups = rooted + limit;
  return { nodes: 0, edges, rooted, groups, words: groups + 2 * Math.min(limit, MAX_GROUPS) };
}

export interface SnapshotCounts {
  nodes: number;
  edges: number;
  rooted: number;
  groups: number;
  /** Objects in the heap, garbage included. */
  live: number;
  /** There was more than the limits allow. */
  truncated: boolean;
}

/** Edges, and nodes, between two calls of a safepoint: about a tenth of a millisecond. */
const SAFEPOINT_EVERY = 1024;

export class Snapshot implements SnapshotCounts {
  nodes = 0;
  edges = 0;
  rooted = 0;
  groups = 0;
  live = 0;
  truncated = false;
  private readonly h: Heap;
  private readonly out: Int32Array;
  private readonly limit: number;
  private readonly shape: SnapshotShape;
  /** The slots of the nodes, by index: the queue of the search. */
  private readonly names: Int32Array;
  /** Slots of nodes that have a site, and their sites. */
  private readonly sited: Int32Array;
  private siteCount = 0;
  /** A bit for each slot: it is a node. */
  private seen = new Int32Array(0);

  constructor(h: Heap, out: Int32Array, limit: number) {
    this.h = h;
    this.out = out;
    this.limit = limit;
    this.shape = shapeOf(limit);
    // What is not touched costs nothing.
    this.names = new Int32Array(limit);
    this.sited = new Int32Array(2 * limit);
  }

  /** Writes down what is in the heap. With the world stopped. */
  walk(): void {
    this.seen = new Int32Array(mappedPages(this.h) * 32);
    this.enterRoots();
    this.follow();
    this.nameSites();
  }

  private enterRoots(): void {
    const { h } = this;
    const { m } = h;
    const last = h.scalar(H_SPAN_NEXT);
    for (let id = 1; id < last; id++) {
      const s = spanAt(h, id);
      if (m[s + S_STATE] !== SpanState.inUse) continue;
      const groups = (m[s + S_NELEMS] + 31) >> 5;
      for (let i = 0; i < groups; i++) {
        const live = liveGroup(h, s, i);
        if (live === 0) continue;
        this.live += popcount32(live);
        const first = (m[s + S_BITS] + i) * 32;
        for (let left = rootedGroup(h, s, i, live); left !== 0; left &= left - 1) {
          if (this.nodes === this.limit) {
            this.truncated = true;
            break;
          }
          this.add(first + ctz(left), ROOTED);
        }
      }
    }
    this.rooted = this.nodes;
  }

  private follow(): void {
    const { h, out, names, seen } = this;
    const pointers = new PointerWords(h);
    const most = this.shape.edges + maxEdges(this.limit) * 2;
    let edge = this.shape.edges;
    let full = false;
    for (let from = 0; from < this.nodes && !full; from++) {
      const node = from * NODE_WORDS;
      if ((out[node + N_FLAGS] & NOSCAN) !== 0) continue;
      const before = edge;
      pointers.begin(names[from]);
      for (let word = pointers.next(); word >= 0; word = pointers.next()) {
        const name = pointee(h, pointers.first + word);
        if (name < 0) continue;
        const known = ((seen[name >> 5] >>> (name & 31)) & 1) === 1;
        if (!known && !isLive(h, name)) continue;
        full = edge === most;
        if (full || (!known && this.nodes === this.limit)) {
          this.truncated = true;
          if (full) break;
          // It goes on, for the pointers between the objects that are in.
          continue;
        }
        if (!known) this.add(name, 0);
        out[edge] = word;
        out[edge + 1] = name;
        edge += 2;
      }
      out[node + N_EDGES] = (edge - before) / 2;
    }
    this.edges = (edge - this.shape.edges) / 2;
  }

  private nameSites(): void {
    const { h, seen, sited } = this;
    const { m } = h;
    const last = h.scalar(H_SPAN_NEXT);
    for (let id = 1; id < last; id++) {
      const s = spanAt(h, id);
      if (m[s + S_STATE] !== SpanState.inUse || m[s + S_SPECIALS] === 0) continue;
      const first = m[s + S_BITS] * 32;
      let done = -1;
      eachSite(h, s, (slot, site) => {
        const name = first + slot;
        // Of the tiny objects in a block, one.
        if (slot === done || ((seen[name >> 5] >>> (name & 31)) & 1) === 0) return;
        done = slot;
        sited[this.siteCount++] = name;
        sited[this.siteCount++] = site < MAX_GROUPS ? site : 0;
      });
    }
  }

  private add(name: number, flags: number): void {
    const { h, out } = this;
    const s = spanOf(h, name);
    const index = this.nodes++;
    const at = index * NODE_WORDS;
    out[at + N_WORD] = objectWord(h, s, name & 1023);
    out[at + N_WORDS] = h.m[s + S_WORDS];
    out[at + N_FLAGS] = flags | ((h.m[s + S_SPANCLASS] & 1) === 1 ? NOSCAN : 0);
    out[at + N_EDGES] = 0;
    this.names[index] = name;
    this.seen[name >> 5] |= 1 << (name & 31);
  }

  /** Turns slots into nodes. While the world goes on: `safepoint` is called again and again. */
  finish(safepoint: () => void): void {
    const { out, shape, sited } = this;
    const table = new Table(this.names, this.nodes, safepoint);
    for (let i = 0; i < this.edges; i++) {
      if (i % SAFEPOINT_EVERY === 0) safepoint();
      const at = shape.edges + i * 2 + 1;
      out[at] = table.indexOf(out[at]);
    }
    for (let i = 0; i < this.siteCount; i += 2) {
      if (i % SAFEPOINT_EVERY === 0) safepoint();
      out[table.indexOf(sited[i]) * NODE_WORDS + N_FLAGS] |= sited[i + 1] << SITE_SHIFT;
    }
    this.group(safepoint);
  }

  /** Puts the rooted objects in the order of their sites. */
  private group(safepoint: () => void): void {
    const { out, shape, rooted } = this;
    const next = new Int32Array(MAX_GROUPS);
    for (let i = 0; i < rooted; i++) next[out[i * NODE_WORDS + N_FLAGS] >> SITE_SHIFT]++;
    safepoint();
    let at = shape.rooted;
    for (let site = 0; site < MAX_GROUPS; site++) {
      const count = next[site];
      next[site] = at;
      at += count;
      if (count === 0) continue;
      out[shape.groups + this.groups * 2] = site;
      out[shape.groups + this.groups * 2 + 1] = count;
      this.groups++;
    }
    safepoint();
    for (let i = 0; i < rooted; i++) out[next[out[i * NODE_WORDS + N_FLAGS] >> SITE_SHIFT]++] = i;
  }
}

/** The index of each node by its slot: pairs of slot + 1 and index where the slot hashes to, or further on. At most half full. */
class Table {
  private readonly pairs: Int32Array;
  private readonly shift: number;

  constructor(names: Int32Array, count: number, safepoint: () => void) {
    this.shift = Math.clz32(count | 1) - 1;
    this.pairs = new Int32Array(2 ** (33 - this.shift));
    for (let i = 0; i < count; i++) {
      if (i % SAFEPOINT_EVERY === 0) safepoint();
      const at = this.find(names[i]);
      this.pairs[at] = names[i] + 1;
      this.pairs[at + 1] = i;
    }
  }

  indexOf(name: number): number {
    return this.pairs[this.find(name) + 1];
  }

  private find(name: number): number {
    const { pairs } = this;
    const mask = pairs.length - 1;
    let at = (Math.imul(name, 0x9e37_79b1) >>> this.shift) * 2;
    while (pairs[at] !== 0 && pairs[at] !== name + 1) at = (at + 2) & mask;
    return at;
  }
}
