/**
 * The program: does to the heap what the event stream says.
 *
 * The loop is the simulator's hot path. An allocation is the allocator's own code plus a handful of stores into the slot's arrays; a free sets a bit.
 * No object is made and no clock is looked at. It stops at a given number of events, and calls `service` whenever the allocator asked
 * for attention: after the object has its place, and before a realloc gives up the old one, as Go's mallocgc does.
 *
 * Counters live in local variables inside the loop and are written back (`work`, `held`) before anything else runs.
 */

import { shadeHollow } from '../../gc/hollowroots.js';
import { G_TABLE, H_GC_PHASE, type Heap, type P, P_ASSIST_DEBT, P_SCAN_ALLOC } from '../../heap/heap.js';
import { hollowDrop, hollowDropTiny, hollowFree, hollowLarge, hollowSmall, hollowTiny } from '../../heap/hollow.js';
import {
  CLASS_TO_SIZE,
  MAX_SMALL_REQUEST,
  MIN_SIZE_FOR_MALLOC_HEADER,
  PAGE_SIZE,
  PAGE_WORDS,
  sizeToClass,
  TINY_SIZE,
  TINY_SPAN_CLASS,
} from '../../heap/sizeclass.js';
import { KIND_SHIFT, Kind, OPERAND_MASK } from '../events.js';
import type { SimSettings } from '../settings.js';
import { Work } from './clock.js';
import { AGE_BUCKETS, ageBucket, EMPTY, HUGE, Objects, sizeBucket } from './objects.js';
import { Requests, TINY_ROW } from './requests.js';
import type { Held } from './where.js';

/** Size classes that the baseline's objects are of: up to 512 bytes. */
const BASELINE_CLASSES = 26;
/** Slots of a segment of the program's table. */
const SEGMENT_SLOTS = 8192;

const SCAN_NONE = 0;
const SCAN_ALL = 1;
const SCAN_RECORDED = 2;
const SCAN_SOME = 3;

const MAX_SMALL = MAX_SMALL_REQUEST;
const HEADER_ABOVE = MIN_SIZE_FOR_MALLOC_HEADER;
const TINY = TINY_SIZE;
const TINY_CLASS = TINY_SPAN_CLASS;
const SIZES = CLASS_TO_SIZE;
const SHIFT = KIND_SHIFT;
const MASK = OPERAND_MASK;
const REALLOC = Kind.realloc;
const FREE = Kind.free;
const GC_PHASE = H_GC_PHASE;

export class Program {
  readonly work = new Work();
  readonly objects = new Objects();
  readonly requests = new Requests();
  readonly held: Held = { requested: 0, tinyRequested: 0, slots: 0, tinyBlocks: 0 };
  /** Bytes asked for so far, and objects given up. */
  total = 0;
  frees = 0;
  /** Bytes of `held` that are no object of the recording: its table, its baseline. */
  ownBytes = 0;
  /** The P that it runs on. */
  p: P;
  /** Collections begun: for the objects' ages. */
  cycles = 0;
  /** It called runtime.GC: whoever runs it collects and clears this before it goes on. */
  collects = false;
  /** The heap was full at this event. */
  exhausted: { event: number; size: number } | null = null;
  private readonly h: Heap;
  private readonly settings: SimSettings;
  private readonly service: () => void;
  private readonly scan: number;
  /** xorshift32, and below which of its values an object has pointers. */
  private random: number;
  private readonly threshold: number;
  private readonly immediate: boolean;
  private readonly fit: boolean;
  private readonly table: boolean;
  private tableSlots = 0;
  /** High part of the next record's size. */
  private high = 0;

  constructor(h: Heap, settings: SimSettings, service: () => void) {
    this.h = h;
    this.p = h.ps[0];
    this.settings = settings;
    this.service = service;
    const { scan } = settings;
    this.scan =
      scan === 'none' ? SCAN_NONE : scan === 'all' ? SCAN_ALL : scan === 'recorded' ? SCAN_RECORDED : SCAN_SOME;
    this.threshold = typeof scan === 'number' ? scan * (2 ** 32 / 100) : 0;
    this.random = (settings.seed ^ 0x9e37_79b9) | 1;
    this.immediate = settings.frees === 'immediate';
    this.fit = settings.realloc === 'fit';
    this.table = settings.rootsTable === 'segments';
  }

  /** What it has before the recording begins. `slots`: of an exact table. */
  prepare(slots: number): void {
    if (slots > 0) this.ownTable(slots * 8);
    // What a Go program has made by then are small objects of many sizes: their spans have free slots, which it goes on with.
    for (let left = this.settings.baseline, c = 2; left > 0; c = c < BASELINE_CLASSES ? c + 1 : 2) {
      const size = Math.min(left, SIZES[c]);
      this.own(size);
      left -= size;
    }
  }

  /** (Part of) the table of its objects. It is scanned by the root jobs (gc/rootmark.ts), which mark what it points to. */
  private ownTable(size: number): boolean {
    const { h, p } = this;
    if (!this.own(size)) return false;
    h.m[p.at + P_SCAN_ALLOC] += size / 8;
    h.f[h.gcStats + G_TABLE] += size;
    return true;
  }

  /** An object of its own without pointers, which it never gives up. False when the heap is full. */
  private own(size: number): boolean {
    const { h, p, held } = this;
    const large = size > MAX_SMALL;
    const bit = large ? hollowLarge(h, p, size, true) : hollowSmall(h, p, (sizeToClass(size) << 1) | 1, size);
    if (bit < 0) return false;
    held.requested += size;
    this.ownBytes += size;
    held.slots += large ? Math.ceil(size / 8192) * 8192 : SIZES[sizeToClass(size)];
    return true;
  }

  /** The recording begins again: what it never freed stays, and nobody can name it any more. */
  forget(): void {
    this.objects.bits.fill(EMPTY);
    this.high = 0;
  }

  private room(slot: number): void {
    this.objects.grow(slot);
    while (this.table && slot >= this.tableSlots && this.exhausted === null) {
      if (!this.ownTable(SEGMENT_SLOTS * 8)) this.exhausted = { event: this.work.events, size: SEGMENT_SLOTS * 8 };
      this.tableSlots += SEGMENT_SLOTS;
    }
  }

  /**
   * While a mark is on: pays for a large object before it is allocated, as Go does. If that ends the mark, the object is none of its, neither in size
   * nor in colour. For small objects the difference is a span's.
   */
  private payFirst(p: P, size: number): void {
    const { m, mheap } = this.h;
    const words = Math.ceil(size / PAGE_SIZE) * PAGE_WORDS;
    m[p.at + P_ASSIST_DEBT] += words;
    this.service();
    // What the allocation itself will add.
    if (m[mheap + GC_PHASE] !== 0) m[p.at + P_ASSIST_DEBT] -= words;
  }

  /** Runs the records [i, end) of a chunk until `stop` events were done in all, it collects, or the heap is full. Returns where it stopped. */
  run(words: Int32Array, from: number, end: number, stop: number): number {
    const { h, work, objects, requests, held, scan, immediate } = this;
    const { m, u } = h;
    const { ages, ageBytes, survived } = objects;
    const { count, bytes, bySize, liveBySize } = requests;
    let { bits, sizes, classes, born, cycles } = objects;
    let p = this.p;
    let { events, allocs, bytes: handed } = work;
    let { requested, tinyRequested, slots, tinyBlocks } = held;
    let { total, frees, random } = this;
    let room = this.table ? Math.min(bits.length, this.tableSlots) : bits.length;
    let i = from;
    for (; i < end && events < stop; i += 2) {
      const head = words[i];
      const kind = head >>> SHIFT;
      const slot = head & MASK;
      if (kind > FREE) {
        if (kind === Kind.thread) {
          if (this.settings.threads === 'modulo') p = this.p = h.ps[slot % h.ps.length];
        } else if (kind === Kind.time) work.recorded += slot * 2 ** 32 + (words[i + 1] >>> 0);
        else if (kind === Kind.high) this.high = slot;
        else if (kind === Kind.skip) events += slot;
        else if (kind === Kind.collect) {
          this.collects = true;
          i += 2;
          break;
        }
        continue;
      }
      events++;
      let old = -1;
      let oldSize = 0;
      let oldClass = 0;
      const oldBorn = born[slot];
      const oldCycles = cycles[slot];
      if (kind !== FREE) {
        let size = words[i + 1] >>> 0;
        if (this.high !== 0) {
          size += this.high * 2 ** 32;
          this.high = 0;
        }
        if (slot >= room) {
          // The table's segments are the program's, too.
          held.requested = requested;
          held.slots = slots;
          this.room(slot);
          ({ requested, slots } = held);
          ({ bits, sizes, classes, born, cycles } = objects);
          room = this.table ? Math.min(bits.length, this.tableSlots) : bits.length;
          if (this.exhausted !== null) break;
        }
        let noscan = true;
        if (kind === REALLOC) {
          old = bits[slot];
          oldSize = sizes[slot];
          if (oldSize === HUGE) oldSize = objects.large.get(slot) as number;
          oldClass = classes[slot];
          noscan = (oldClass & 1) === 1;
          if (this.fit && oldClass > 1 && size >= TINY && oldSize >= TINY && fits(oldClass, size)) {
            // The slot has room: Go's append would not have allocated.
            requested += size - oldSize;
            if (oldSize <= MAX_SMALL) liveBySize[oldSize]--;
            liveBySize[size]++;
            sizes[slot] = size;
            continue;
          }
        } else if (scan === SCAN_ALL) noscan = false;
        else if (scan === SCAN_RECORDED) noscan = kind !== Kind.allocScan;
        else if (scan === SCAN_SOME) {
          random ^= random << 13;
          random ^= random >>> 17;
          random ^= random << 5;
          noscan = random >>> 0 >= this.threshold;
        }
        let bit: number;
        let spc: number;
        let slotSize: number;
        let row: number;
        if (size > MAX_SMALL) {
          spc = noscan ? 1 : 0;
          if (m[h.mheap + GC_PHASE] !== 0) {
            work.events = events;
            work.allocs = allocs;
            work.bytes = handed;
            this.payFirst(p, size);
          }
          bit = hollowLarge(h, p, size, noscan);
          slotSize = Math.ceil(size / 8192) * 8192;
          slots += slotSize;
          row = spc;
          requests.largeBytes += slotSize;
        } else if (noscan) {
          if (size < TINY) {
            spc = TINY_CLASS;
            bit = hollowTiny(h, p, size);
            slotSize = size;
            row = TINY_ROW;
            tinyRequested += size;
            if (bit >= 0 && u[bit] === 1) tinyBlocks++;
          } else {
            spc = (sizeToClass(size) << 1) | 1;
            bit = hollowSmall(h, p, spc, size);
            slotSize = SIZES[spc >> 1];
            slots += slotSize;
            row = spc;
          }
        } else {
          spc = sizeToClass(size > HEADER_ABOVE ? size + 8 : size) << 1;
          bit = hollowSmall(h, p, spc, size);
          slotSize = SIZES[spc >> 1];
          slots += slotSize;
          row = spc;
          m[p.at + P_SCAN_ALLOC] += (size + 7) >> 3;
        }
        if (bit < 0) {
          // What was counted for it is taken back.
          if (row === TINY_ROW) tinyRequested -= size;
          else slots -= slotSize;
          this.exhausted = { event: events, size };
          break;
        }
        bits[slot] = bit;
        classes[slot] = spc;
        born[slot] = total;
        cycles[slot] = this.cycles;
        total += size;
        requested += size;
        allocs++;
        handed += slotSize;
        count[row]++;
        bytes[row] += size;
        if (size <= MAX_SMALL) {
          sizes[slot] = size;
          bySize[size]++;
          liveBySize[size]++;
        } else if (size < HUGE) sizes[slot] = size;
        else {
          sizes[slot] = HUGE;
          objects.large.set(slot, size);
        }
        if (p.attention) {
          work.events = events;
          work.allocs = allocs;
          work.bytes = handed;
          this.service();
        }
        if (old < 0) continue;
      } else {
        old = bits[slot];
        oldSize = sizes[slot];
        if (oldSize === HUGE) oldSize = objects.large.get(slot) as number;
        oldClass = classes[slot];
        bits[slot] = EMPTY;
      }
      // The old object is given up.
      if (m[h.mheap + GC_PHASE] !== 0) shadeHollow(h, p, old);
      frees++;
      requested -= oldSize;
      if (oldSize <= MAX_SMALL) liveBySize[oldSize]--;
      if (oldClass === TINY_CLASS && oldSize < TINY) {
        tinyRequested -= oldSize;
        if (hollowDropTiny(h, p, old)) {
          tinyBlocks--;
          if (immediate) hollowFree(h, p, TINY_CLASS, old);
        }
      } else {
        slots -= oldClass < 2 ? Math.ceil(oldSize / 8192) * 8192 : SIZES[oldClass >> 1];
        hollowDrop(h, p, old);
        if (immediate) hollowFree(h, p, oldClass, old);
      }
      const age = ageBucket(total - oldBorn);
      ages[sizeBucket(oldSize) * AGE_BUCKETS + age]++;
      ageBytes[age] += oldSize;
      const lived = this.cycles - oldCycles;
      survived[lived < 4 ? lived : lived < 8 ? 4 : lived < 16 ? 5 : 6]++;
    }
    work.events = events;
    work.allocs = allocs;
    work.bytes = handed;
    held.requested = requested;
    held.tinyRequested = tinyRequested;
    held.slots = slots;
    held.tinyBlocks = tinyBlocks;
    this.total = total;
    this.frees = frees;
    this.random = random;
    return i;
  }
}

/** Whether an object of `size` bytes without moving fits a slot of the span class. */
function fits(spc: number, size: number): boolean {
  const header = (spc & 1) === 0 && SIZES[spc >> 1] > HEADER_ABOVE ? 8 : 0;
  return size <= SIZES[spc >> 1] - header;
}
