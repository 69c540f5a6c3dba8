/**
 * What a dead M left of the G that it ran, settled by its replacement while the world still stands still.
 *
 * Only now can it be told for certain: no other P has moved since the recovery, so a root that is there is that of the object in question, and
 * not of one that came after it. The G's progress is made exact, and what turns out to be done is marked so; the main thread answers it
 * like any other. The rest it answers with m-died, saying how far it went (dead.ts).
 *
 * May run twice, if this thread dies as well.
 */

import { gcSettings } from '../gc/settings.js';
import type { Heap } from '../heap/heap.js';
import { Status } from '../heap/objects.js';
import { isFreed } from './dead.js';
import { BatchOp, Flag, MUST, Op, RECORD_BYTES } from './ops.js';
import { F_ARGS, F_OP, F_PROGRESS, F_RAN, F_RESULTS, F_STATUS, GStatus, type Shared } from './shared.js';

/** Settles the G in frame `g` that P `p` was running. */
export function settle(h: Heap, k: Shared, g: number, p: number): void {
  const { m } = k;
  const frame = k.frame(g);
  // It may have been answered already, and the frame serve another request.
  if (m[frame + F_STATUS] !== GStatus.running || m[frame + F_RAN] !== p) return;
  const a = frame + F_ARGS;
  const r = frame + F_RESULTS;
  const progress = frame + F_PROGRESS;
  switch (m[frame + F_OP]) {
    case Op.batch:
      settleBatch(h, k, frame);
      return;
    case Op.alloc:
      if (m[progress] !== 0 && undone(h, m[a + 2], m[r], m[r + 1])) m[progress] = 0;
      break;
    case Op.settings:
      if (gcSettings(h).ticket === m[a + 4]) m[progress] = 1;
      break;
    default:
      break;
  }
  // Its results are complete before it says so.
  if (m[progress] !== 0) m[frame + F_STATUS] = GStatus.done;
}

function settleBatch(h: Heap, k: Shared, frame: number): void {
  const { m, exchange32: x } = k;
  const records = m[frame + F_ARGS] >> 2;
  const count = m[frame + F_ARGS + 1];
  const results = m[frame + F_ARGS + 2] >> 2;
  const at = (i: number): number => records + i * (RECORD_BYTES / 4);
  let done = m[frame + F_PROGRESS];
  if (done > 0) {
    const head = x[at(done - 1)];
    const to = results + (done - 1) * 2;
    if ((head & 255) === BatchOp.alloc && undone(h, (head >>> 8) & 255, x[to], x[to + 1])) done--;
  }
  // Frees that the server sends on its own account are done when the root is gone.
  if (m[frame + F_ARGS + 3] === MUST && done < count && (x[at(done)] & 255) === BatchOp.free) {
    if (isFreed(h, x[at(done) + 2], x[at(done) + 3])) done++;
  }
  m[frame + F_PROGRESS] = done;
  if (done < count) return;
  let failed = 0;
  for (let i = 0; i < count; i++) if (((x[results + i * 2 + 1] >>> 16) & 255) !== Status.ok) failed++;
  m[frame + F_RESULTS] = failed;
  m[frame + F_STATUS] = GStatus.done;
}

/** Whether the recovery has dropped what an allocation made, as it was not published yet. */
function undone(h: Heap, flags: number, lo: number, hi: number): boolean {
  if (((hi >>> 16) & 255) !== Status.ok || (flags & Flag.unrooted) !== 0) return false;
  return isFreed(h, lo, hi & 0xffff);
}
