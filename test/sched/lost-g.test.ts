/** A G that is in no queue: the M that had it in hand died, and somebody has to answer it; or it lives, and nobody else may. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HeapHost } from '../../src/sched/host.js';
import { SchedError } from '../../src/sched/host-api.js';
import { Op } from '../../src/sched/ops.js';
import {
  FRAMES,
  PStatus,
  ringPush,
  ringTake,
  type Shared,
  SP_CURRENT,
  SP_PINNED_HEAD,
  SP_PINNED_TAIL,
  SP_STATUS,
} from '../../src/sched/shared.js';
import { crashes, differences, newHost } from '../helper/host.js';

interface Inside {
  k: Shared;
  findLost(): void;
}

let host: HeapHost;
let inside: Inside;
beforeEach(async () => {
  host = await newHost({ reserve: 64 << 20 });
  inside = host as unknown as Inside;
});
afterEach(async () => {
  expect(await differences(host)).toEqual([]);
  expect(crashes).toEqual([]);
  await host.close();
});

const pinned = (): [m: Int32Array, ring: number, size: number, head: number, tail: number] => {
  const { k } = inside;
  const sp = k.sp(1);
  return [k.m, k.pinned + FRAMES, FRAMES, sp + SP_PINNED_HEAD, sp + SP_PINNED_TAIL];
};

/** A request for P1, which somebody takes off its queue before its M is woken. */
function taken(): { g: number; answer: Promise<unknown>; answers: unknown[] } {
  const answers: unknown[] = [];
  const answer = host.call(Op.settings, 1, [100, -1, -1]).then(
    () => answers.push('done'),
    (error) => answers.push(error),
  );
  return { g: ringTake(...pinned()), answer, answers };
}

test('is answered when the M that had it is dead', async () => {
  const { answer, answers } = taken();
  await host.terminateM(1);
  await answer;
  expect(answers).toEqual([expect.any(SchedError)]);
  expect(answers[0]).toMatchObject({ code: 'm-died', happened: 'no', completed: 0 });
});

test('is left alone while a living M may have it in hand', async () => {
  const { k } = inside;
  const { g, answer, answers } = taken();
  // As if P0 ran, and had not said what.
  const status = k.sp(0) + SP_STATUS;
  await expect.poll(() => Atomics.load(k.m, status), { timeout: 20_000 }).toBe(PStatus.idle);
  expect(k.m[k.sp(0) + SP_CURRENT]).toBe(0);
  Atomics.store(k.m, status, PStatus.running);
  inside.findLost();
  for (let i = 0; i < 25; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(answers).toEqual([]);
  Atomics.store(k.m, status, PStatus.idle);
  expect(ringPush(...pinned(), g)).toBe(true);
  // Another one wakes the M.
  await host.call(Op.settings, 1, [100, -1, -1]);
  await answer;
  expect(answers).toEqual(['done']);
});
