/**
 * A futex lock in shared memory that knows its owner and its own history.
 *
 *      word          0 free, else owner + 1, with CONTENDED when a waiter may sleep on it
 *      acquired lo   times taken, 64 bits in two words
 *      acquired hi
 *      contended     times a taker did not get it at once
 *      waited µs lo  microseconds that takers slept or spun, 64 bits in two words
 *      waited µs hi
 *
 * The counters are written only by the holder, so they need no atomics. The owner is a small number (a P's id), not a
 * thread: when a thread dies with the lock held, whoever takes over its P knows that the lock is now its to release.
 * A waiter leaves the lock's index in a word of its own (`waitingAt`), so that a recovery can tell a thread that is
 * blocked on a dead owner from one that is running.
 *
 * Rule of the house: a thread holds at most one of these at a time, and passes no safepoint while it does.
 */

export const LOCK_WORDS = 8;

const ACQUIRED = 1;
const CONTENDED_COUNT = 3;
const WAITED = 4;

const CONTENDED = 0x4000_0000;
const SPINS = 64;

/** Adds to a 64-bit counter kept as two int32 words. Only the lock's holder may call it. */
function add64(m: Int32Array, at: number, n: number): void {
  const sum = (m[at] >>> 0) + n;
  m[at] = sum | 0;
  if (sum > 0xffff_ffff) m[at + 1] += Math.floor(sum / 0x1_0000_0000);
}

/** Reads a 64-bit counter kept as two int32 words. */
function read64(m: Int32Array, at: number): number {
  return (m[at + 1] >>> 0) * 0x1_0000_0000 + (m[at] >>> 0);
}

/** Takes the lock at `at` for `owner`; sleeps while another owner has it. `waitingAt`: where this thread says so. */
export function lock(m: Int32Array, at: number, owner: number, waitingAt: number): void {
  if (Atomics.compareExchange(m, at, 0, owner + 1) !== 0) lockSlow(m, at, owner, waitingAt);
  add64(m, at + ACQUIRED, 1);
}

function lockSlow(m: Int32Array, at: number, owner: number, waitingAt: number): void {
  const started = performance.now();
  let taken = false;
  for (let spin = 0; spin < SPINS && !taken; spin++) {
    taken = Atomics.load(m, at) === 0 && Atomics.compareExchange(m, at, 0, owner + 1) === 0;
  }
  if (!taken) {
    Atomics.store(m, waitingAt, at);
    for (;;) {
      const seen = Atomics.load(m, at);
      if (seen === 0) {
        // Others may sleep behind us: keep the mark, so that our unlock wakes one of them.
        if (Atomics.compareExchange(m, at, 0, (owner + 1) | CONTENDED) === 0) break;
      } else {
        const marked = seen | CONTENDED;
        if (seen === marked || Atomics.compareExchange(m, at, seen, marked) === seen) Atomics.wait(m, at, marked);
      }
    }
    Atomics.store(m, waitingAt, 0);
  }
  m[at + CONTENDED_COUNT]++;
  add64(m, at + WAITED, Math.round((performance.now() - started) * 1000));
}

/** Releases the lock. Only its holder may. */
export function unlock(m: Int32Array, at: number): void {
  const seen = Atomics.exchange(m, at, 0);
  if ((seen & CONTENDED) !== 0) Atomics.notify(m, at, 1);
}

/** The P that holds the lock, or -1. */
export function lockOwner(m: Int32Array, at: number): number {
  return (Atomics.load(m, at) & ~CONTENDED) - 1;
}

/** Takes the lock away from a dead owner and wakes every waiter. Only a recovery may, once what the lock guards is whole. */
export function breakLock(m: Int32Array, at: number): void {
  Atomics.store(m, at, 0);
  Atomics.notify(m, at);
}

export interface LockStats {
  /** Times the lock was taken. */
  acquisitions: number;
  /** Times a taker had to spin or sleep. */
  contended: number;
  /** Seconds that takers spent waiting, in all. */
  waitSeconds: number;
}

/** The lock's own history. Racy by nature: read without taking it. */
export function lockStats(m: Int32Array, at: number): LockStats {
  return {
    acquisitions: read64(m, at + ACQUIRED),
    contended: m[at + CONTENDED_COUNT] >>> 0,
    waitSeconds: read64(m, at + WAITED) / 1e6,
  };
}
