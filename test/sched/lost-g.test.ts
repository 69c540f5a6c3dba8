/** A G that is in no queue: the M that had it in hand died, and somebody has to answer it; or it lives, and nobody else may. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { HeapHost } from '../../src/sched/host.js';
import { SchedError } from '../../src/sched/host-api.js';
import { Op } from '../../src/sched/ops.js';
import {
  F_STATUS,
  FRAMES,
  GStatus,
  newSchedMemory,
  PStatus,
  RUNQ,
  ringPush,
  ringTake,
  Shared,
  SP_LOCAL_HEAD,
  SP_LOCAL_TAIL,
  SP_PINNED_HEAD,
  SP_PINNED_TAIL,
  SP_STATUS,
} from '../../src/sched/shared.js';
import { crashes, differences, newHost } from '../helper/host.js';

let host: HeapHost;
beforeEach(async () => {
  host = await newHost({ reserve: 64 << 20 });
});
afterEach(async () => {
  expect(await differences(host)).toEqual([]);
  expect(crashes).toEqual([]);
  await host.close();
});

const pinned = (): [m: Int32Array, ring: number, size: number, head: number, tail: number] => {
  const { k } = host as unknown as { k: Shared };
  const sp = k.sp(1);
  return [k.m, k.pinned + FRAMES, FRAMES, sp + SP_PINNED_HEAD, sp + SP_PINNED_TAIL];
};

/** A request for P1, which somebody takes off its queue before its M is woken; unless that was awake and quicker. */
async function taken(): Promise<{ answer: Promise<unknown>; answers: unknown[] }> {
  for (;;) {
    const answers: unknown[] = [];
    const answer = host.call(Op.settings, 1, [100, -1, -1]).then(
      () => answers.push('done'),
      (error) => answers.push(error),
    );
    if (ringTake(...pinned()) >= 0) return { answer, answers };
    await answer;
  }
}

test('is answered when the M that had it is dead', async () => {
  const { answer, answers } = await taken();
  await host.terminateM(1);
  await answer;
  expect(answers).toEqual([expect.any(SchedError)]);
  expect(answers[0]).toMatchObject({ code: 'm-died', happened: 'no', completed: 0 });
});

test('is left alone while a living M may have it in hand', async () => {
  // The main thread's side alone: no M that would say something else of its P.
  const k = new Shared(newSchedMemory(2));
  const answers: unknown[] = [];
  const alone = Object.assign(Object.create(HeapHost.prototype), {
    k,
    pending: new Array(FRAMES).fill(null),
    views: [new Int32Array(8)],
    view: { p: 0, r: new Int32Array(8) },
    freeFrames: [],
    inFlight: 1,
    whenEmpty: null,
    tap: null,
  });
  alone.pending[0] = (error: unknown) => answers.push(error);
  k.m[k.frame(0) + F_STATUS] = GStatus.queued;
  const pause = async () => {
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  // P0 runs, and does not say what.
  Atomics.store(k.m, k.sp(0) + SP_STATUS, PStatus.running);
  alone.findLost();
  await pause();
  expect(answers).toEqual([]);
  // It had taken it to its own queue.
  ringPush(k.m, k.local, RUNQ, k.sp(0) + SP_LOCAL_HEAD, k.sp(0) + SP_LOCAL_TAIL, 0);
  Atomics.store(k.m, k.sp(0) + SP_STATUS, PStatus.idle);
  await pause();
  expect(answers).toEqual([]);
  // P1 steals it, and runs something else when we look; then it stands still, and has nothing.
  expect(ringTake(k.m, k.local, RUNQ, k.sp(0) + SP_LOCAL_HEAD, k.sp(0) + SP_LOCAL_TAIL)).toBe(0);
  Atomics.store(k.m, k.sp(1) + SP_STATUS, PStatus.running);
  alone.findLost();
  await pause();
  expect(answers).toEqual([]);
  Atomics.store(k.m, k.sp(1) + SP_STATUS, PStatus.stopped);
  await expect.poll(() => answers).toEqual([expect.objectContaining({ code: 'm-died', happened: 'no' })]);
});
