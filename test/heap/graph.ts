/**
 * A heap with a graph in it and, beside it, the graph that its clients believe in: which objects they hold by a root, and which
 * address each pointer word has. `verify` walks the believed graph from its roots and demands every object and every byte.
 *
 * Words that are no pointers hold the address of an object that is garbage, so that a collector which mistakes one for a pointer
 * keeps what it should not.
 */

import { expect } from 'vitest';
import { storePointer } from '../../src/gc/barrier.js';
import { queuesEmpty } from '../../src/gc/markqueue.js';
import { CYCLE_AT, Y_WHY } from '../../src/gc/state.js';
import { check } from '../../src/heap/check.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import {
  GcPhase,
  H_CUR_BASE,
  H_DEDICATED,
  H_GC_PHASE,
  H_LIMITER_LOCK,
  H_NUM_GC,
  H_RESTART,
  H_SCAVENGER,
  H_SPAN_NEXT,
  H_SWEEPGEN,
  H_TRANSITION,
  HEAP_BASE,
  type Heap,
  type P,
  P_MARKING,
} from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import {
  countAllocated,
  S_OBLET,
  S_QUEUED,
  S_SPANCLASS,
  S_START,
  S_STATE,
  S_SWEEPGEN,
  SpanState,
  spanAt,
  spanId,
} from '../../src/heap/mspan.js';
import { checkRooted, Found, resolve, Status } from '../../src/heap/objects.js';
import { publish } from '../../src/heap/publish.js';
import { PAGE_WORDS, TINY_SIZE, TINY_SPAN_CLASS } from '../../src/heap/sizeclass.js';
import { maskOf, TypeTable } from '../../src/heap/types.js';
import { bytesAt } from '../../src/memory/reservation.js';

export interface Node {
  word: number;
  sub: number;
  size: number;
  /** Its pointer words, ascending; null: it has none and never will. */
  words: readonly number[] | null;
  rooted: boolean;
  stamp: number;
  to: Map<number, Target>;
}

/** What a pointer word has: an address in an object. */
export interface Target {
  node: Node;
  offset: number;
}

/** Slots, tiny blocks apart. */
export interface Slots {
  tiny: number;
  others: number;
}

export const addressIn = (node: Node, offset = 0): number => HEAP_BASE + node.word * 8 + node.sub + offset;
export const low = (address: number): number => address | 0;
export const high = (address: number): number => Math.floor(address / 2 ** 32);
const isTiny = (node: Node): boolean => node.words === null && node.size <= TINY_SIZE;

export class Graph {
  readonly h: Heap;
  readonly types: TypeTable;
  nodes = new Set<Node>();
  private stamp = 0;
  decoy = HEAP_BASE;

  constructor(h: Heap) {
    this.h = h;
    this.types = new TypeTable(h);
  }

  /** A rooted object whose words that are no pointers are full of decoys. It was answered to its client. */
  alloc(p: P, size: number, words: readonly number[] | null = null): Node {
    const { h } = this;
    p.sub = 0;
    let word: number;
    if (words === null) word = mallocNoscan(h, p, size);
    else {
      const type = this.types.intern(words);
      word =
        size > 512
          ? mallocScan(h, p, size, type)
          : mallocScan(h, p, size, type, maskOf(h, type, 0), maskOf(h, type, 1));
    }
    if (word < 0) throw new Error(`no room for ${size} bytes`);
    this.stamp = (this.stamp % 255) + 1;
    const tiny = words === null && size < TINY_SIZE;
    const node: Node = { word, sub: tiny ? p.sub : 0, size, words, rooted: true, stamp: this.stamp, to: new Map() };
    publish(h, p, word);
    const dirty = this.bytes(node).findIndex((b) => b !== 0);
    if (dirty >= 0) throw new Error(`new object of ${size} bytes at ${word}: byte ${dirty} is not zero`);
    this.fill(node);
    this.nodes.add(node);
    return node;
  }

  /** The object whose address stands in all words that are no pointers from now on; it is garbage at once. */
  setDecoy(p: P): void {
    const node = this.alloc(p, 48, [0]);
    this.decoy = addressIn(node);
    this.drop(p, node);
  }

  /** Stores a pointer, as a client's request does. */
  link(p: P, from: Node, word: number, to: Node | null, offset = 0): void {
    const address = to === null ? 0 : addressIn(to, offset);
    storePointer(this.h, p, from.word + word, low(address), high(address));
    this.linked(from, word, to, offset);
  }

  linked(from: Node, word: number, to: Node | null, offset = 0): void {
    if (to === null) from.to.delete(word);
    else from.to.set(word, { node: to, offset });
  }

  /** What a pointer word says in the heap. */
  read(from: Node, word: number): number {
    const at = (from.word + word) * 2;
    return (this.h.w32[at + 1] >>> 0) * 2 ** 32 + (this.h.w32[at] >>> 0);
  }

  drop(p: P, node: Node, now = false): number {
    const status = (now ? freeNow : dropRoot)(this.h, p, node.word, node.sub);
    if (status === Status.ok) node.rooted = false;
    return status;
  }

  /** A drop that died may have happened or not. */
  believeDrop(p: P, node: Node): void {
    const found = new Found();
    const status = resolve(this.h, p, node.word, node.sub, found);
    if (status !== Status.ok || checkRooted(this.h, found) !== Status.ok) node.rooted = false;
  }

  /** A store that died has happened or not: the word has the one address or the other. */
  believeStore(from: Node, word: number, to: Node | null, offset = 0): void {
    const is = this.read(from, word);
    const before = from.to.get(word);
    if (is === (before === undefined ? 0 : addressIn(before.node, before.offset))) return;
    const should = to === null ? 0 : addressIn(to, offset);
    if (is !== should) throw new Error(`word ${word} has 0x${is.toString(16)}, was to get 0x${should.toString(16)}`);
    this.linked(from, word, to, offset);
  }

  reachable(): Set<Node> {
    const out = new Set<Node>();
    const left: Node[] = [];
    for (const node of this.nodes) if (node.rooted) left.push(node);
    for (let node = left.pop(); node !== undefined; node = left.pop()) {
      if (out.has(node)) continue;
      out.add(node);
      for (const { node: next } of node.to.values()) if (!out.has(next)) left.push(next);
    }
    return out;
  }

  /** Forgets what nothing reaches: its slots may be anybody's soon. */
  prune(): void {
    this.nodes = this.reachable();
  }

  /** Walks the graph from its roots: everything is there, rooted or not as its client believes, with the bytes that it had. */
  verify(p: P): void {
    const { h } = this;
    const found = new Found();
    for (const node of this.reachable()) {
      const what = `object of ${node.size} bytes at word ${node.word}.${node.sub}`;
      const status = resolve(h, p, node.word, node.sub, found);
      if (status !== Status.ok) throw new Error(`${what}: status ${status}`);
      if ((checkRooted(h, found) === Status.ok) !== node.rooted) throw new Error(`${what}: rooted is ${!node.rooted}`);
      if (node.words === null) {
        if (this.bytes(node).some((b) => b !== node.stamp)) throw new Error(`${what}: bytes changed`);
      } else this.verifyWords(node, node.words, what);
    }
  }

  private verifyWords(node: Node, words: readonly number[], what: string): void {
    const { w32 } = this.h;
    const lo = low(this.decoy);
    const hi = high(this.decoy);
    let next = 0;
    for (let i = 0, at = node.word * 2; i < node.size >> 3; i++, at += 2) {
      if (words[next] !== i) {
        if (w32[at] !== lo || w32[at + 1] !== hi) throw new Error(`${what}: word ${i} changed`);
        continue;
      }
      next++;
      const to = node.to.get(i);
      const should = to === undefined ? 0 : addressIn(to.node, to.offset);
      if (w32[at] !== low(should) || w32[at + 1] !== high(should)) throw new Error(`${what}: pointer ${i} changed`);
    }
  }

  private bytes(node: Node): Buffer {
    return bytesAt(this.h.memory.reservation, node.word * 8 + node.sub, node.size);
  }

  private fill(node: Node): void {
    if (node.words === null) {
      this.bytes(node).fill(node.stamp);
      return;
    }
    const { w32 } = this.h;
    let next = 0;
    for (let i = 0, at = node.word * 2; i < node.size >> 3; i++, at += 2) {
      if (node.words[next] === i) {
        next++;
        continue;
      }
      w32[at] = low(this.decoy);
      w32[at + 1] = high(this.decoy);
    }
  }

  /** As if a cycle had been abandoned. */
  restart(why: number): void {
    this.h.m[this.h.mheap + H_RESTART] = why + 1;
    this.h.f[this.h.pacer + CYCLE_AT + Y_WHY] = why;
  }

  /** Slots that have to be allocated: those of reachable objects. */
  needed(): Slots {
    const blocks = new Set<number>();
    let others = 0;
    for (const node of this.reachable()) {
      if (isTiny(node)) blocks.add(node.word >> 1);
      else others++;
    }
    return { tiny: blocks.size, others };
  }

  /** What the graph is now; the answer puts the model back (the heap has its own way). */
  save(): () => void {
    const nodes = [...this.nodes].map((node) => ({ node, rooted: node.rooted, to: new Map(node.to) }));
    const { stamp } = this;
    return () => {
      this.stamp = stamp;
      this.nodes = new Set(nodes.map(({ node }) => node));
      for (const { node, rooted, to } of nodes) Object.assign(node, { rooted, to: new Map(to) });
    };
  }
}

/** Slots that are allocated. 16-byte objects without pointers lie among tiny blocks and count as such. */
export function slots(h: Heap): Slots {
  const out = { tiny: 0, others: 0 };
  for (let id = 1; id < h.scalar(H_SPAN_NEXT); id++) {
    const s = spanAt(h, id);
    if (h.m[s + S_STATE] !== SpanState.inUse) continue;
    out[h.m[s + S_SPANCLASS] === TINY_SPAN_CLASS ? 'tiny' : 'others'] += countAllocated(h, s);
  }
  return out;
}

/** Beyond check(): nothing of a mark is left that was abandoned, and no claim of anybody who died. `hands`: as in check(). */
export function expectQuiet(h: Heap, context: string, hands: readonly number[] = []): void {
  const { m } = h;
  const wrong = check(h, { hands });
  const at = h.mheap;
  if (m[at + H_GC_PHASE] !== GcPhase.off) wrong.push(`phase ${m[at + H_GC_PHASE]}`);
  if (!queuesEmpty(h)) wrong.push('a mark queue is not empty');
  for (const p of h.ps) if (m[p.at + P_MARKING] !== 0) wrong.push(`P${p.id} marks`);
  for (const claim of [H_TRANSITION, H_DEDICATED, H_LIMITER_LOCK, H_SCAVENGER]) {
    if (m[at + claim] !== 0) wrong.push(`scalar ${claim} is ${m[at + claim]}`);
  }
  if (m[at + H_NUM_GC] !== m[at + H_SWEEPGEN] >> 1)
    wrong.push(`NumGC ${m[at + H_NUM_GC]}, sweepgen ${m[at + H_SWEEPGEN]}`);
  for (let id = 1; id < h.scalar(H_SPAN_NEXT); id++) {
    const s = spanAt(h, id);
    if (m[s + S_STATE] !== SpanState.inUse || m[s + S_SWEEPGEN] === m[at + H_SWEEPGEN] - 2) continue;
    if ((m[s + S_SPANCLASS] & 1) === 0 && m[s + S_QUEUED] === m[at + H_SWEEPGEN] + 1) wrong.push(`span ${id}: queued`);
    if (m[s + S_OBLET] !== 0) wrong.push(`span ${id}: oblet ${m[s + S_OBLET]}`);
    const scans = h.scanBits + m[s + S_START] * 32;
    if (!isZero(m, scans, scans + 32)) wrong.push(`span ${spanId(h, s)}: scanned but swept`);
  }
  expectClear(h, wrong);
  expect(wrong, `${context}: ${wrong.slice(0, 5).join('; ')}`).toEqual([]);
}

/** Whoever gets a free page expects its bitmaps clear. */
function expectClear(h: Heap, wrong: string[]): void {
  const pages = h.scalar(H_CUR_BASE);
  for (let page = 0, end = 0; page < pages; page = end + 1) {
    for (end = page; end < pages && h.m[h.pageSpan + end] === 0; end++);
    if (end === page) continue;
    for (const bits of [h.allocBits, h.markBits, h.scanBits, h.droppedBits]) {
      if (!isZero(h.m, bits + page * 32, bits + end * 32))
        wrong.push(`bits of free pages ${page} to ${end}, at ${bits}`);
    }
    const masks = (n: number): number => h.tinyMasks + n * PAGE_WORDS;
    if (!isZero(h.u, masks(page), masks(end))) wrong.push(`tiny masks of free pages ${page} to ${end}`);
  }
}

const ZEROS = Buffer.alloc(4 << 20);

function isZero(view: Int32Array | Uint16Array, from: number, to: number): boolean {
  const size = (to - from) * view.BYTES_PER_ELEMENT;
  const bytes = Buffer.from(view.buffer as ArrayBuffer, view.byteOffset + from * view.BYTES_PER_ELEMENT, size);
  return bytes.equals(ZEROS.subarray(0, size));
}
