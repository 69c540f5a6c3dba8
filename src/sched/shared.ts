/**
 * What the main thread and the Ms share beside the heap: G frames, run queues, wake words; one block, from one table.
 *
 *      main thread ──► runq[P] (stealable) ──┐                      ┌──► done[P] ──► main thread
 *                 ──► pinned[P] ─────────────┼──► M that holds P ───┤
 *                 ──► global (overflow) ─────┘        ▲             └──► local[P] (stolen Gs; stealable)
 *                                                     └── steals half of another P's runq or local
 *
 * Every queue is a ring with one producer. Consumers of runq, local and global take from the head by compare-and-swap; pinned and
 * done have one consumer. Heads and tails only grow (int32, wrapping); an index is taken modulo the ring's size, a power of two.
 *
 * A P's status is its M's word for "I touch the heap": whoever stops the world waits until no other P says running. An
 * M that leaves idle or stopped says running first and looks at the stop flag second; the stopper sets the flag first and looks at
 * the status second; so one of them sees the other.
 */

import { layOut, type RegionSpec } from '../memory/layout.js';
import { LOCK_WORDS } from '../memory/lock.js';

/** Gs that a heap can have in flight. */
export const FRAMES = 4096;
export const FRAME_STRIDE = 32;
export const RUNQ = 256;
/** Bytes of the exchange; untouched ones cost nothing. */
export const EXCHANGE_BYTES = 64 << 20;

/** Scalars. */
export const K_STOP = 0; // STOPPED: the world is stopped or being stopped. ASKED: somebody is about to, see world.ts
export const K_DOORBELL = 1; // raised by Ms when Gs are done
export const K_MAIN_WAITS = 2; // 1: the main thread sleeps on the doorbell
export const K_SHUTDOWN = 3; // main: the heap is being removed, and the Ms of Ps below this are to end
export const K_GLOBAL_HEAD = 16;
export const K_GLOBAL_TAIL = 32;

/** A P's scheduling record, 128 words: what different threads write lies on different cache lines. */
export const SP_STRIDE = 128;
export const SEEN_STRIDE = 16;
export const SP_WAKE = 0; // main: raised to wake its M
export const SP_STATUS = 16; // its M (dead: main)
export const SP_CURRENT = 17; // G that its M runs, + 1
export const SP_LONG = 18; // 1 while that G may take long
export const SP_RUNQ_HEAD = 32;
export const SP_RUNQ_TAIL = 33;
export const SP_LOCAL_HEAD = 48;
export const SP_LOCAL_TAIL = 49;
export const SP_PINNED_HEAD = 64;
export const SP_PINNED_TAIL = 65;
export const SP_DONE_HEAD = 80;
export const SP_DONE_TAIL = 81;
export const SP_RAN = 96; // its M: Gs run
export const SP_STOLEN = 97; // its M: Gs stolen
export const SP_PARKED = 98; // its M: times it went to sleep

/** Bits of K_STOP. */
export const STOPPED = 1;
export const ASKED = 2;

export const PStatus = { idle: 0, running: 1, stopped: 2, dead: 3 } as const;
export const P_STATUS_NAMES = ['idle', 'running', 'stopped', 'dead'] as const;

/** A frame. */
export const F_STATUS = 0;
export const F_OP = 1;
export const F_RAN = 2; // P that ran it
export const F_PROGRESS = 3; // records of a batch that are done; 1 for a single operation
export const F_PINNED = 4; // P that it must run on, or -1
export const F_ARGS = 8; // A0 … A7
export const F_RESULTS = 16; // R0 … R7

export const GStatus = { free: 0, queued: 1, running: 2, done: 3 } as const;

interface Size {
  readonly procs: number;
}

const TABLE = [
  { name: 'scalars', type: 'i32', count: () => 64, meaning: 'stop flag, doorbell, global queue' },
  { name: 'worldLock', type: 'i32', count: () => LOCK_WORDS, meaning: 'held by the P that has stopped the world' },
  { name: 'times', type: 'f64', count: () => 16, meaning: 'world stops and their seconds; under worldLock' },
  {
    name: 'seen',
    type: 'f64',
    count: (g) => g.procs * SEEN_STRIDE,
    meaning: 'when each P last passed a safepoint while somebody asked, in ns; its M',
  },
  { name: 'sp', type: 'i32', count: (g) => g.procs * SP_STRIDE, meaning: 'scheduling records of the Ps' },
  {
    name: 'frames',
    type: 'i32',
    count: () => FRAMES * FRAME_STRIDE,
    meaning: 'G frames: main thread, then the M that runs it',
  },
  { name: 'runq', type: 'i32', count: (g) => g.procs * RUNQ, meaning: 'Gs for a P; produced by the main thread' },
  { name: 'local', type: 'i32', count: (g) => g.procs * RUNQ, meaning: 'Gs that a P stole; produced by its M' },
  {
    name: 'pinned',
    type: 'i32',
    count: (g) => g.procs * FRAMES,
    meaning: 'Gs that name their P; produced by the main thread',
  },
  { name: 'global', type: 'i32', count: () => FRAMES, meaning: 'Gs that found their run queue full' },
  { name: 'done', type: 'i32', count: (g) => g.procs * FRAMES, meaning: 'Gs that are done; produced by the M' },
] as const satisfies readonly RegionSpec<Size>[];

export interface SchedMemory {
  readonly procs: number;
  readonly control: SharedArrayBuffer;
  readonly exchange: SharedArrayBuffer;
}

export function newSchedMemory(procs: number): SchedMemory {
  return {
    procs,
    control: new SharedArrayBuffer(layOut<Size, typeof TABLE>(TABLE, { procs }).bytes),
    exchange: new SharedArrayBuffer(EXCHANGE_BYTES),
  };
}

/** A thread's view of it. All fields are constant. */
export class Shared {
  readonly memory: SchedMemory;
  readonly procs: number;
  readonly m: Int32Array;
  readonly f: Float64Array;
  readonly exchange: Uint8Array;
  readonly exchange32: Int32Array;
  readonly scalars: number;
  readonly worldLock: number;
  readonly times: number;
  readonly seen: number;
  readonly sps: number;
  readonly frames: number;
  readonly runq: number;
  readonly local: number;
  readonly pinned: number;
  readonly global: number;
  readonly done: number;

  constructor(memory: SchedMemory) {
    const r = layOut<Size, typeof TABLE>(TABLE, { procs: memory.procs }).regions;
    this.memory = memory;
    this.procs = memory.procs;
    this.m = new Int32Array(memory.control);
    this.f = new Float64Array(memory.control);
    this.exchange = new Uint8Array(memory.exchange);
    this.exchange32 = new Int32Array(memory.exchange);
    this.scalars = r.scalars.at;
    this.worldLock = r.worldLock.at;
    this.times = r.times.at;
    this.seen = r.seen.at;
    this.sps = r.sp.at;
    this.frames = r.frames.at;
    this.runq = r.runq.at;
    this.local = r.local.at;
    this.pinned = r.pinned.at;
    this.global = r.global.at;
    this.done = r.done.at;
  }

  sp(p: number): number {
    return this.sps + p * SP_STRIDE;
  }

  frame(g: number): number {
    return this.frames + g * FRAME_STRIDE;
  }
}

/** Puts a G at a ring's tail. By the ring's only producer. False when the ring is full. */
export function ringPush(m: Int32Array, ring: number, size: number, head: number, tail: number, g: number): boolean {
  const t = m[tail];
  if (((t - Atomics.load(m, head)) | 0) >= size) return false;
  m[ring + (t & (size - 1))] = g;
  Atomics.store(m, tail, (t + 1) | 0);
  return true;
}

/** Takes a G from a ring's head, in competition with others; -1 when it is empty. */
export function ringTake(m: Int32Array, ring: number, size: number, head: number, tail: number): number {
  for (;;) {
    const at = Atomics.load(m, head);
    if (Atomics.load(m, tail) === at) return -1;
    const g = m[ring + (at & (size - 1))];
    if (Atomics.compareExchange(m, head, at, (at + 1) | 0) === at) return g;
  }
}

/** Gs in a ring; a moment's view. */
export function ringLength(m: Int32Array, head: number, tail: number): number {
  return (Atomics.load(m, tail) - Atomics.load(m, head)) | 0;
}
