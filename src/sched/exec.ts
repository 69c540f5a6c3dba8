/**
 * Running a G: one function per operation, on the M that holds the P.
 *
 * Results go into the same frame, or the exchange. An allocation's result is written first, then it counts as done, then it is
 * published: should the M die before that, the recovery finds the object unpublished and drops it, and takes the count back
 * (settle.ts), so that no object stays rooted whose address nobody ever learned.
 */

import { storePointer, writeBytes } from '../gc/barrier.js';
import type { Collector } from '../gc/collector.js';
import { dropRoot, freeNow } from '../heap/free.js';
import {
  H_PROFILE_RATE,
  H_SWEEPGEN,
  HEAP_BASE,
  type Heap,
  type P,
  P_UNROOTED,
  P_UNROOTED_SUB,
  Served,
  T_SERVED,
} from '../heap/heap.js';
import { mallocNoscan, mallocScan, ZERO_BASE } from '../heap/malloc.js';
import { S_WORDS } from '../heap/mspan.js';
import { byteOffset, Found, isFreed, pointsInside, resolve, Status, usableBytes } from '../heap/objects.js';
import { publish } from '../heap/publish.js';
import { addSite } from '../heap/specials.js';
import { isPointerWord, maskOf, TYPE_ALL_POINTERS } from '../heap/types.js';
import { bytesAt } from '../memory/reservation.js';
import { Admin } from './admin.js';
import { BatchOp, Flag, Op, RECORD_BYTES } from './ops.js';
import { F_ARGS, F_OP, F_PROGRESS, F_RESULTS, type Shared } from './shared.js';
import { safepoint } from './world.js';

/** High half of the heap's first address; its low half is zero, so that word addresses turn into halves by shifts. */
const BASE_HI = Math.floor(HEAP_BASE / 2 ** 32);
// Local copies: an imported constant is read from its module's cell at every use.
const OK = Status.ok;
const NOSCAN = Flag.noscan;
const UNROOTED = Flag.unrooted;
const ALLOC = BatchOp.alloc;
const FREE = BatchOp.free;
const BY_REF = Flag.byRef;
const STORE = BatchOp.store;
const SITE = BatchOp.site;

/** Bytes until a sample that never comes; looked at again after so many. */
const NEVER = 0x3fff_ffff;
/** A sample's bytes are kept in an int32. */
const MAX_SAMPLE = 0x7fff_fff8;

/** Records between two safepoints of a batch, and at most. */
const SAFEPOINT_EVERY = 64;
const SAFEPOINT_AT_LAST = 1024;

/** The word address of a client's address given as two halves; far outside the heap for anything that cannot be one. */
function wordOf(lo: number, hi: number): number {
  const above = hi - BASE_HI;
  // Four times 4 GiB is more than any reservation.
  if (above >= 0 && above < 4) return (above << 29) | (lo >>> 3);
  return above === -1 && lo >>> 3 === (ZERO_BASE & 0x1fff_ffff) ? ZERO_BASE : -1;
}

export class Executor {
  private readonly h: Heap;
  private readonly p: P;
  private readonly k: Shared;
  private readonly gc: Collector;
  private readonly admin: Admin;
  private readonly found = new Found();
  /** What the last `alloc` made: word address and byte. */
  private word = 0;
  private sub = 0;
  /** The last `alloc`'s object, if it is to have no root: it keeps one until what stores it has been done. -1: none. */
  private unrooted = -1;
  /** Bytes to allocate until the heap profile takes its next sample; and, of one taken and not yet written down, its bytes. */
  private untilSample: number;
  private sampled = 0;

  constructor(h: Heap, p: P, k: Shared, gc: Collector) {
    this.h = h;
    this.p = p;
    this.k = k;
    this.gc = gc;
    this.admin = new Admin(h, p, k, gc);
    this.untilSample = this.nextSample();
  }

  /** Runs the G whose frame begins at `frame`. */
  run(frame: number): void {
    const { m } = this.k;
    const a = frame + F_ARGS;
    const r = frame + F_RESULTS;
    switch (m[frame + F_OP]) {
      case Op.alloc:
        this.alloc(m[a], m[a + 1], m[a + 2], m[a + 3], m, r, frame + F_PROGRESS, 1);
        if (m[a + 4] !== 0) this.attachSite(m[a + 4]);
        break;
      case Op.free:
        this.free(m[a], m[a + 1], m[a + 2], m, r);
        break;
      case Op.batch:
        m[r] = this.batch(frame, m[a], m[a + 1], m[a + 2]);
        this.dropUnrooted();
        if (this.p.attention) this.attend();
        return;
      case Op.read:
      case Op.write:
        m[r] = this.copy(r, m[frame + F_OP] === Op.write, m[a], m[a + 1], m[a + 2], m[a + 3], m[a + 4], m[a + 5]);
        break;
      case Op.setPointer:
        m[r] = this.setPointer(m[a], m[a + 1], m[a + 2], m[a + 3], m[a + 4]);
        break;
      case Op.reach:
        m[r] = this.admin.reach(wordOf(m[a], m[a + 1]), m[a] & 7, m[a + 2], m[a + 3], m[a + 4], m[a + 5], m[a + 6]);
        break;
      default:
        this.admin.run(m[frame + F_OP], a, r);
        break;
    }
    m[frame + F_PROGRESS] = 1;
    this.dropUnrooted();
    if (this.p.attention) this.attend();
  }

  /** One allocation; its result as two int32 at `to[at]`, and `done` at `progress`. Returns its Status. */
  private alloc(
    lo: number,
    hi: number,
    flags: number,
    type: number,
    to: Int32Array,
    at: number,
    progress: number,
    done: number,
  ): number {
    const { h, p } = this;
    // What the allocation before this one asked for. It is answered and, in a batch, linked.
    if (p.attention) this.attend();
    const size = hi === 0 && lo >= 0 ? lo : (hi >>> 0) * 2 ** 32 + (lo >>> 0);
    p.served = Served.mcache;
    p.sub = 0;
    let word: number;
    if ((flags & NOSCAN) !== 0) word = mallocNoscan(h, p, size);
    else if (size > 512) word = mallocScan(h, p, size, type === 0 ? TYPE_ALL_POINTERS : type);
    else if (type <= TYPE_ALL_POINTERS) word = mallocScan(h, p, size);
    else word = mallocScan(h, p, size, type, maskOf(h, type, 0), maskOf(h, type, 1));
    if (word === -1) {
      to[at] = 0;
      to[at + 1] = Status.exhausted << 16;
      return Status.exhausted;
    }
    const sub = size < 16 && (flags & NOSCAN) !== 0 ? p.sub : 0;
    h.f[p.stats + T_SERVED + p.served]++;
    this.word = word;
    this.sub = sub;
    to[at] = (word << 3) | sub;
    // The zero base lies just below the heap: its word is negative, and the shift borrows from the high half.
    to[at + 1] = (BASE_HI + (word >> 29)) | (p.served << 24);
    this.k.m[progress] = done;
    if (word !== ZERO_BASE) {
      if ((flags & UNROOTED) !== 0) this.unroot(word, sub);
      const s = publish(h, p, word);
      // As in Go, what shares a tiny block is not counted.
      if (p.served !== Served.tiny && (this.untilSample -= h.m[s + S_WORDS] * 8) < 0) this.sample(s);
    }
    return Status.ok;
  }

  private unroot(word: number, sub: number): void {
    const { h, p } = this;
    h.m[p.at + P_UNROOTED_SUB] = sub;
    h.m[p.at + P_UNROOTED] = word + 1;
    this.unrooted = word;
  }

  private dropUnrooted(): void {
    if (this.unrooted < 0) return;
    const { h, p } = this;
    dropRoot(h, p, this.unrooted, this.sub);
    h.m[p.at + P_UNROOTED] = 0;
    this.unrooted = -1;
  }

  private free(lo: number, hi: number, flags: number, to: Int32Array, at: number): number {
    const word = wordOf(lo, hi);
    let status: number = Status.ok;
    if (word !== ZERO_BASE) {
      status =
        (flags & Flag.immediate) !== 0 ? freeNow(this.h, this.p, word, lo & 7) : dropRoot(this.h, this.p, word, lo & 7);
    }
    to[at] = 0;
    to[at + 1] = status << 16;
    return status;
  }

  /** Runs a batch; returns how many of its records failed. */
  private batch(frame: number, records: number, count: number, results: number): number {
    const { k } = this;
    const x = k.exchange32;
    const progress = frame + F_PROGRESS;
    let failed = 0;
    let since = 0;
    for (let i = 0; i < count; i++) {
      const at = (records >> 2) + i * (RECORD_BYTES / 4);
      const to = (results >> 2) + i * 2;
      const op = x[at] & 255;
      const flags = (x[at] >>> 8) & 255;
      // Not between an allocation and its site or its first store: whoever looks meanwhile would see half of it.
      if (++since >= SAFEPOINT_EVERY && ((op !== STORE && op !== SITE) || since >= SAFEPOINT_AT_LAST)) {
        since = 0;
        safepoint(k, this.p);
        this.gc.share();
      }
      if (this.unrooted >= 0 && op !== STORE && op !== SITE) this.dropUnrooted();
      let status: number;
      if (op === ALLOC) status = this.alloc(x[at + 2], x[at + 3], flags, x[at + 1], x, to, progress, i + 1);
      else if (op === FREE && (flags & BY_REF) === 0) status = this.free(x[at + 2], x[at + 3], flags, x, to);
      else status = this.rare(op, flags, at, to, i, results >> 2);
      if (status !== OK) failed++;
      k.m[progress] = i + 1;
    }
    return failed;
  }

  /** The records that refer to others: free by ref, store, site. */
  private rare(op: number, flags: number, at: number, to: number, i: number, results: number): number {
    const x = this.k.exchange32;
    let lo = x[at + 2];
    let hi = x[at + 3];
    let status: number = Status.ok;
    if ((flags & Flag.byRef) !== 0) {
      const ref = results + lo * 2;
      if (lo < 0 || lo >= i || (x[ref] | (x[ref + 1] & 0xffff)) === 0) status = Status.outside;
      else {
        hi = x[ref + 1] & 0xffff;
        lo = x[ref];
      }
    }
    if (status === Status.ok && op === BatchOp.free) return this.free(lo, hi, flags, x, to);
    if (status === Status.ok) {
      const before = results + (i - 1) * 2;
      const made =
        i > 0 && ((x[before + 1] >>> 16) & 255) === Status.ok && (x[before] | (x[before + 1] & 0xffff)) !== 0;
      if (op === BatchOp.store) {
        status = made ? this.setPointer(lo, hi, x[at + 1], x[before], x[before + 1] & 0xffff) : Status.badPointer;
      } else if (op === BatchOp.site) {
        if (made) this.attachSite(x[at + 1]);
      } else status = Status.outOfRange;
      // What follows a store or a site still sees the address that the alloc before it made.
      x[to] = i > 0 ? x[before] : 0;
      x[to + 1] = (i > 0 ? x[before + 1] & 0xffff : 0) | (status << 16);
      return status;
    }
    x[to] = 0;
    x[to + 1] = status << 16;
    return status;
  }

  private attachSite(site: number): void {
    const sampled = this.sampled;
    this.sampled = 0;
    if (this.word < 0) return;
    if (resolve(this.h, this.p, this.word, this.sub, this.found) !== Status.ok) return;
    addSite(this.h, this.p, this.found.span, this.found.slot, this.found.offset, site, sampled);
  }

  /** The last allocation is one that the heap profile samples. Written down when its site is known: before the next one. */
  private sample(s: number): void {
    this.untilSample = this.nextSample();
    if (this.h.scalar(H_PROFILE_RATE) <= 0) return;
    this.sampled = Math.min(this.h.m[s + S_WORDS] * 8, MAX_SAMPLE);
    this.p.attention = true;
  }

  /** Exponentially distributed around the rate, as in Go; at a rate of 1 every allocation is sampled, at 0 none. */
  private nextSample(): number {
    const rate = this.h.scalar(H_PROFILE_RATE);
    if (rate <= 0) return NEVER;
    if (rate === 1) return 0;
    return Math.min(Math.floor(-Math.log(1 - Math.random()) * rate), NEVER);
  }

  /** What the last allocation left to do. */
  private attend(): void {
    if (this.sampled !== 0) this.attachSite(0);
    this.gc.service();
  }

  /**
   * Looks an address up and requires an object that may be in use. Its root may have been dropped, if other objects may hold it.
   */
  private resolveLive(lo: number, hi: number): number {
    const status = resolve(this.h, this.p, wordOf(lo, hi), lo & 7, this.found);
    if (status !== Status.ok) return status;
    return isFreed(this.h, this.found) ? Status.alreadyFreed : Status.ok;
  }

  private copy(
    r: number,
    write: boolean,
    lo: number,
    hi: number,
    at: number,
    fromLo: number,
    fromHi: number,
    length: number,
  ): number {
    const { h, k, found } = this;
    const status = this.resolveLive(lo, hi);
    if (status !== Status.ok) return status;
    const size = usableBytes(h, found);
    k.m[r + 2] = size | 0;
    k.m[r + 3] = Math.floor(size / 2 ** 32);
    const from = (fromHi >>> 0) * 2 ** 32 + (fromLo >>> 0);
    if (from > size) return Status.outOfRange;
    const n = Math.min(length, size - from);
    if (write && n < length) return Status.outOfRange;
    if (write) writeBytes(h, this.p, found, from, k.exchange.subarray(at, at + n));
    else k.exchange.set(bytesAt(h.memory.reservation, byteOffset(h, found) + from, n), at);
    k.m[r + 1] = n;
    return Status.ok;
  }

  /** Stores a target address, or null, into pointer word `word` of an object. */
  private setPointer(lo: number, hi: number, word: number, toLo: number, toHi: number): number {
    const { h, found } = this;
    for (;;) {
      const sweepgen = h.scalar(H_SWEEPGEN);
      const status = this.resolveLive(lo, hi);
      if (status !== Status.ok) return status;
      if (!isPointerWord(h, found.span, found.slot, word)) return Status.notPointerWord;
      if ((toLo | toHi) !== 0) {
        const target = wordOf(toLo, toHi);
        if (target !== ZERO_BASE && !pointsInside(h, this.p, target)) return Status.badPointer;
      }
      // Waiting for a span to be swept passes safepoints: if a cycle ended meanwhile, the object may be gone.
      if (h.scalar(H_SWEEPGEN) === sweepgen) break;
    }
    storePointer(h, this.p, byteOffset(h, found) / 8 + word, toLo, toHi);
    return Status.ok;
  }
}
