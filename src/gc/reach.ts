/**
 * Reachability: what keeps an object alive, what it keeps alive, and what lies below it.
 *
 *      shortestPath   the fewest pointers from a rooted object to this one: why is it not collected?
 *      retained       what would become garbage with it: how much does it cost?
 *      graph          the objects below it, level by level: what is it made of?
 *
 * The same walk as the collector's, over the same bytes, but with bits of its own: the marks say what the last cycle
 * found and what the sweep may take, and an onlooker must not change that. `fresh` has a bit for each slot, laid out as
 * markBits are, set while the slot holds an object that was not reached yet. That makes one test of three: a free slot, a
 * slot that waits for its sweep, and an object that was seen before all read 0.
 *
 * Objects are named by their slots, as in `reach-slots.ts`; tiny objects are their block.
 *
 * Nothing is remembered of how an object was reached. The queue holds the levels of the search one behind the other, so
 * the way back is found by asking, level by level, who points at the object: one more look at each level, and no memory.
 *
 * With the world stopped, by any P. Takes no lock and writes nothing into the heap.
 */

import { H_SPAN_NEXT, type Heap } from '../heap/heap.js';
import { mappedPages } from '../heap/mheap.js';
import {
  ctz,
  objectWord,
  S_ALLOC_COUNT,
  S_BITS,
  S_NELEMS,
  S_SPANCLASS,
  S_STATE,
  S_WORDS,
  SpanState,
  spanAt,
  spanId,
} from '../heap/mspan.js';
import { Found, usableBytes } from '../heap/objects.js';
import { isLive, isRooted, liveGroup, objectAt, PointerWords, pointee, rootedGroup, spanOf } from './reach-slots.js';

/** Objects of a level that are worth sorting. */
const WIDE = 1000;

/** One object on the way from a root. */
export interface Step {
  /** Word address of its first byte. */
  object: number;
  span: number;
  slot: number;
  /** Bytes that may be used. */
  size: number;
  /** Its pointer word that leads on; -1 for the object that was looked for. */
  word: number;
  /** Pointers between it and the root. */
  depth: number;
}

export interface Path {
  /** Objects on the way, both ends included. */
  length: number;
  /** All of them, or as many as were asked for: then the middle is left out. */
  steps: Step[];
}

export interface Node {
  object: number;
  size: number;
  sizeClass: number;
  noscan: boolean;
  rooted: boolean;
  /** Pointers between it and the object where the graph begins. */
  depth: number;
}

export interface Edge {
  from: number;
  word: number;
  to: number;
}

export interface Graph {
  nodes: Node[];
  edges: Edge[];
  /** The limit ended the search: there is more. */
  truncated: boolean;
}

export interface Retained {
  reachable: boolean;
  rooted: boolean;
  /** Objects that would become garbage with it, itself included; none if it is garbage already. */
  objects: number;
  /** Bytes of their slots. */
  bytes: number;
  /** Bytes of its own slot. */
  self: number;
}

/** Whether a rooted object leads to the object that contains `word`. */
export function reachable(h: Heap, word: number): boolean {
  const target = objectAt(h, word);
  return target >= 0 && (isRooted(h, target) || new Search(h, target).run(true));
}

/** The shortest way from a root to the object that contains `word`; null if there is none. At most `most` steps are shown. */
export function shortestPath(h: Heap, word: number, most = Number.POSITIVE_INFINITY): Path | null {
  const target = objectAt(h, word);
  if (target < 0) return null;
  if (isRooted(h, target)) return { length: 1, steps: [step(h, target, -1, 0)] };
  const search = new Search(h, target);
  if (!search.run(true)) return null;
  const { names, words } = search.wayBack();
  const { length } = names;
  const head = length <= most ? length : Math.ceil(most / 2);
  const rest = length <= most ? length : length - Math.floor(most / 2);
  const steps: Step[] = [];
  for (let depth = 0; depth < length; depth++) {
    const i = length - 1 - depth;
    if (depth < head || depth >= rest) steps.push(step(h, names[i], words[i], depth));
  }
  return { length, steps };
}

/**
 * What would be garbage if the object that contains `word` went, with its root and every pointer to it: what the roots reach,
 * less what they reach without passing it. One walk around the object, then one from it into what is left.
 */
export function retained(h: Heap, word: number): Retained {
  const target = objectAt(h, word);
  if (target < 0) return { reachable: false, rooted: false, objects: 0, bytes: 0, self: 0 };
  const rooted = isRooted(h, target);
  const self = h.m[spanOf(h, target) + S_WORDS] * 8;
  const search = new Search(h, target);
  const found = search.run(false) || rooted;
  if (!found) return { reachable: false, rooted, objects: 0, bytes: 0, self };
  search.objects = 0;
  search.words = 0;
  search.add(target);
  search.run(false);
  return { reachable: true, rooted, objects: search.objects, bytes: search.words * 8, self };
}

/** Most edges of a graph of at most `limit` nodes. */
export const maxEdges = (limit: number): number => 1000 + 4 * limit;

/**
 * The object that contains `word`, what it points at, what that points at, down to `depth`, at most `limit` objects: in the
 * order of their distance, an object's pointers in the order of its words. It ends with the first object that is too many.
 */
export function graph(h: Heap, word: number, depth: number, limit: number): Graph {
  const first = objectAt(h, word);
  const out: Graph = { nodes: [], edges: [], truncated: false };
  if (first < 0) return out;
  // Bounded by the limit, so that a bitmap of the whole heap would be the greater cost.
  const seen = new Set([first]);
  const queue = [first];
  const words = new PointerWords(h);
  out.nodes.push(node(h, first, 0));
  for (let next = 0; next < queue.length; next++) {
    const from = queue[next];
    const at = out.nodes[next];
    if (at.depth === depth) break;
    words.begin(from);
    for (let i = words.next(); i >= 0; i = words.next()) {
      const to = pointee(h, at.object + i);
      if (to < 0 || !isLive(h, to)) continue;
      const known = seen.has(to);
      if ((!known && queue.length === limit) || out.edges.length === maxEdges(limit)) {
        out.truncated = true;
        return out;
      }
      if (!known) {
        seen.add(to);
        queue.push(to);
        out.nodes.push(node(h, to, at.depth + 1));
      }
      out.edges.push({ from: at.object, word: i, to: objectWord(h, spanOf(h, to), to & 1023) });
    }
  }
  return out;
}

/** A breadth-first search from every root, around one object: that is looked for, but never entered. */
class Search {
  objects = 0;
  words = 0;
  private readonly h: Heap;
  private readonly target: number;
  private readonly fresh: Int32Array;
  /** Objects with pointers, level by level. */
  private readonly queue: Int32Array;
  /** Level n is queue[levels[n]] to queue[levels[n + 1] - 1]. */
  private readonly levels: Int32Array;
  private readonly pointers: PointerWords;
  private level = 0;
  private head = 0;
  private tail = 0;

  constructor(h: Heap, target: number) {
    this.h = h;
    this.target = target;
    this.pointers = new PointerWords(h);
    // As large as they can ever become: what is not touched costs nothing.
    const most = scanObjects(h);
    this.queue = new Int32Array(most);
    this.levels = new Int32Array(most + 2);
    this.fresh = new Int32Array(mappedPages(h) * 32);
    this.enterRoots();
  }

  private enterRoots(): void {
    const { h, fresh, target } = this;
    const { m } = h;
    const last = h.scalar(H_SPAN_NEXT);
    for (let id = 1; id < last; id++) {
      const s = spanAt(h, id);
      if (m[s + S_STATE] !== SpanState.inUse) continue;
      const at = m[s + S_BITS];
      const groups = (m[s + S_NELEMS] + 31) >> 5;
      for (let i = 0; i < groups; i++) {
        let live = liveGroup(h, s, i);
        if (at + i === target >> 5) live &= ~(1 << (target & 31));
        fresh[at + i] = live;
        for (let left = rootedGroup(h, s, i, live); left !== 0; left &= left - 1) this.add((at + i) * 32 + ctz(left));
      }
    }
  }

  /** Counts an object as reached, and puts it on the queue if it has pointers. */
  add(name: number): void {
    const { m } = this.h;
    const s = spanOf(this.h, name);
    this.fresh[name >> 5] &= ~(1 << (name & 31));
    this.objects++;
    this.words += m[s + S_WORDS];
    if ((m[s + S_SPANCLASS] & 1) === 0) this.queue[this.tail++] = name;
  }

  /** Follows every pointer of what is on the queue; whether one led to the target. With `stop` it ends there. */
  run(stop: boolean): boolean {
    const { h, fresh, queue, levels, pointers, target } = this;
    let hit = false;
    while (this.head < this.tail) {
      const end = this.tail;
      levels[++this.level] = end;
      // In the order of their addresses: memory is read about twice as fast, and within a level any order will do.
      if (end - this.head > WIDE) queue.subarray(this.head, end).sort();
      while (this.head < end) {
        pointers.begin(queue[this.head++]);
        for (let i = pointers.next(); i >= 0; i = pointers.next()) {
          const name = pointee(h, pointers.first + i);
          if (name < 0) continue;
          if (((fresh[name >> 5] >>> (name & 31)) & 1) === 1) this.add(name);
          else if (name === target) {
            hit = true;
            if (stop) return true;
          }
        }
      }
    }
    return hit;
  }

  /** After a run that stopped at the target: the objects on the way from it back to a root, and the word of each that leads on. */
  wayBack(): { names: number[]; words: number[] } {
    const { h, queue, levels, pointers } = this;
    const names = [this.target];
    const words = [-1];
    for (let level = this.level - 1; level >= 0; level--) {
      const child = names[names.length - 1];
      let word = -1;
      for (let q = levels[level]; word < 0; q++) {
        if (q === levels[level + 1]) throw new Error('reach: an object without a way to it');
        pointers.begin(queue[q]);
        for (let i = pointers.next(); i >= 0 && word < 0; i = pointers.next()) {
          if (pointee(h, pointers.first + i) === child) word = i;
        }
        if (word >= 0) names.push(queue[q]);
      }
      words.push(word);
    }
    return { names, words };
  }
}

/** Objects with pointers, or a few more. */
function scanObjects(h: Heap): number {
  const { m } = h;
  const last = h.scalar(H_SPAN_NEXT);
  let n = 0;
  for (let id = 1; id < last; id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] === SpanState.inUse && (m[s + S_SPANCLASS] & 1) === 0) n += m[s + S_ALLOC_COUNT];
  }
  return n;
}

const found = new Found();

function usable(h: Heap, name: number): number {
  found.span = spanOf(h, name);
  found.slot = name & 1023;
  return usableBytes(h, found);
}

function step(h: Heap, name: number, word: number, depth: number): Step {
  const s = spanOf(h, name);
  const slot = name & 1023;
  return { object: objectWord(h, s, slot), span: spanId(h, s), slot, size: usable(h, name), word, depth };
}

function node(h: Heap, name: number, depth: number): Node {
  const s = spanOf(h, name);
  const spc = h.m[s + S_SPANCLASS];
  return {
    object: objectWord(h, s, name & 1023),
    size: usable(h, name),
    sizeClass: spc >> 1,
    noscan: (spc & 1) === 1,
    rooted: isRooted(h, name),
    depth,
  };
}
