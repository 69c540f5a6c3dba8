/**
 * Stopping the world: one P makes every other P stand still at a safepoint, does what needs a heap at rest, and lets them go.
 *
 * By an M, for its P: the main thread never stops anything and never waits. worldLock serialises the stoppers; while one
 * waits for it, its own P counts as stopped, so that stoppers never wait for each other.
 *
 * A thread that the OS has put aside in the middle of something reaches no safepoint before it gets a processor again, 4 ms later
 * perhaps, and all the others would stand still for it. Who can choose the moment therefore asks first (`wouldStop`): while somebody asks,
 * each P notes when it passes a safepoint, and goes on. Once all those that run have done so just now, they have
 * processors, and the stop itself takes microseconds.
 *
 * A P whose M died may have left the heap half way through something, perhaps with a lock held that others sleep on. Until
 * its replacement has repaired that, nobody else may stop the world: whoever meets a dead P backs off. The
 * replacement itself counts Ps that sleep on a dead P's lock as stopped: they cannot move before it has broken the lock.
 */

import { type Heap, type P, P_WAITING } from '../heap/heap.js';
import { lock, lockOwner, unlock } from '../memory/lock.js';
import { ASKED, K_STOP, PStatus, SEEN_STRIDE, type Shared, SP_STATUS, STOPPED } from './shared.js';

const T_STOPS = 0;
const T_STOPPED_SECONDS = 1;
const T_SINCE = 2;

/** How long to sleep between looks at a P that is still running: its own safepoint wakes us earlier. */
const LOOK_MS = 0.1;
/** Before that we stay awake: an M that has a processor is at its next safepoint sooner than we would be awake again. */
const SPIN_MS = 0.05;
const BACK_OFF_MS = 5;
/** A P that passed a safepoint within so many ns has a processor, and will be at its next one in no time. */
const RECENT_NS = 150e3;

/**
 * Whether the other Ps would stand still at once if the world were stopped now. If not, they are asked to note when they pass a
 * safepoint: ask again a moment later, but not for ever.
 */
export function wouldStop(h: Heap, k: Shared, p: P): boolean {
  const { m, f } = k;
  const stop = k.scalars + K_STOP;
  if ((Atomics.load(m, stop) & ASKED) === 0) Atomics.or(m, stop, ASKED);
  const now = h.now();
  for (let other = 0; other < k.procs; other++) {
    if (other === p.id || Atomics.load(m, k.sp(other) + SP_STATUS) !== PStatus.running) continue;
    if (now - f[k.seen + other * SEEN_STRIDE] > RECENT_NS) return false;
  }
  return true;
}

/** Stops the world for this P. Returns with every other P standing still. */
export function stopTheWorld(h: Heap, k: Shared, p: P): void {
  const { m } = k;
  const status = k.sp(p.id) + SP_STATUS;
  for (;;) {
    Atomics.store(m, status, PStatus.stopped);
    lockWorld(k, p);
    Atomics.store(m, k.scalars + K_STOP, STOPPED);
    if (waitForOthers(h, k, p, false)) break;
    release(k);
    Atomics.wait(m, k.scalars + K_STOP, 0, BACK_OFF_MS);
  }
  Atomics.store(m, status, PStatus.running);
  k.f[k.times + T_SINCE] = performance.now();
}

/** The same for the M that replaces a dead one: its P is still marked dead, and may hold worldLock from its former life. */
export function stopTheWorldToRecover(h: Heap, k: Shared, p: P): void {
  // Whoever had it last may have died between letting it go and waking who sleeps on it: this one, perhaps.
  Atomics.notify(k.m, k.worldLock);
  if (lockOwner(k.m, k.worldLock) !== p.id) lockWorld(k, p);
  Atomics.store(k.m, k.scalars + K_STOP, STOPPED);
  waitForOthers(h, k, p, true);
  k.f[k.times + T_SINCE] = performance.now();
}

/** Lets the others go on. Returns how long the world stood still, in milliseconds. */
export function startTheWorld(k: Shared): number {
  const ms = performance.now() - k.f[k.times + T_SINCE];
  k.f[k.times + T_STOPS]++;
  k.f[k.times + T_STOPPED_SECONDS] += ms / 1000;
  release(k);
  return ms;
}

export function worldStops(k: Shared): { stops: number; seconds: number } {
  return { stops: k.f[k.times + T_STOPS], seconds: k.f[k.times + T_STOPPED_SECONDS] };
}

/** A safepoint: stands still while somebody stops the world. Cheap when nobody does. Never inside a lock. */
export function safepoint(k: Shared, p: P): void {
  if (k.m[k.scalars + K_STOP] !== 0) standStill(k, p);
}

/** Becomes running again from idle or stopped, standing still first if the world is being stopped. */
export function becomeRunning(k: Shared, p: P): void {
  Atomics.store(k.m, k.sp(p.id) + SP_STATUS, PStatus.running);
  if (Atomics.load(k.m, k.scalars + K_STOP) !== 0) standStill(k, p);
}

/** Sleeps at most `ms` while a word of the heap has a value, at a safepoint: nobody who stops the world waits for this P. */
export function rest(h: Heap, k: Shared, p: P, word: number, value: number, ms: number): void {
  const status = k.sp(p.id) + SP_STATUS;
  Atomics.store(k.m, status, PStatus.stopped);
  Atomics.notify(k.m, status);
  Atomics.wait(h.m, word, value, ms);
  becomeRunning(k, p);
}

function standStill(k: Shared, p: P): void {
  const { m } = k;
  const status = k.sp(p.id) + SP_STATUS;
  const stop = k.scalars + K_STOP;
  k.f[k.seen + p.id * SEEN_STRIDE] = p.heap.now();
  while ((Atomics.load(m, stop) & STOPPED) !== 0) {
    Atomics.store(m, status, PStatus.stopped);
    Atomics.notify(m, status);
    for (let now = Atomics.load(m, stop); (now & STOPPED) !== 0; now = Atomics.load(m, stop))
      Atomics.wait(m, stop, now);
    Atomics.store(m, status, PStatus.running);
  }
}

function lockWorld(k: Shared, p: P): void {
  // The word that says where this P waits lives in the heap's metadata; worldLock does not: a spare word stands in for it.
  lock(k.m, k.worldLock, p.id, k.sp(p.id) + 31);
}

function release(k: Shared): void {
  Atomics.store(k.m, k.scalars + K_STOP, 0);
  unlock(k.m, k.worldLock);
  Atomics.notify(k.m, k.scalars + K_STOP);
}

/** Waits until no other P runs. Without `recovering`: false as soon as a dead P is seen. */
function waitForOthers(h: Heap, k: Shared, p: P, recovering: boolean): boolean {
  const { m } = k;
  const spinUntil = performance.now() + SPIN_MS;
  for (let other = 0; other < k.procs; other++) {
    if (other === p.id) continue;
    const status = k.sp(other) + SP_STATUS;
    for (;;) {
      const seen = Atomics.load(m, status);
      if (seen === PStatus.dead && !recovering) return false;
      if (seen !== PStatus.running) break;
      if (recovering && sleepsOnDeadLock(h, k, other)) break;
      if (!recovering && anyDead(k)) return false;
      if (performance.now() > spinUntil) Atomics.wait(m, status, PStatus.running, LOOK_MS);
    }
  }
  return true;
}

function anyDead(k: Shared): boolean {
  for (let p = 0; p < k.procs; p++) if (Atomics.load(k.m, k.sp(p) + SP_STATUS) === PStatus.dead) return true;
  return false;
}

function sleepsOnDeadLock(h: Heap, k: Shared, other: number): boolean {
  const at = Atomics.load(h.m, h.ps[other].at + P_WAITING);
  if (at === 0) return false;
  const owner = lockOwner(h.m, at);
  // Free: whoever had it last may have died between letting it go and waking who sleeps on it.
  if (owner < 0) Atomics.notify(h.m, at);
  return owner >= 0 && Atomics.load(k.m, k.sp(owner) + SP_STATUS) === PStatus.dead;
}
