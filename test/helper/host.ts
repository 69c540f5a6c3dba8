/** A real heap with real threads for a test, and small promise-shaped calls on it. */

import { HeapHost, type HostOptions } from '../../src/sched/host.js';
import type { SchedError } from '../../src/sched/host-api.js';
import { BatchOp, Flag, Op, RECORD_BYTES, RESULT_BYTES } from '../../src/sched/ops.js';
import type { EffectiveSettings } from '../../src/server/hosted.js';

export const SETTINGS: EffectiveSettings = {
  gomaxprocs: 2,
  gogc: 100,
  gomemlimit: 'off',
  arenaSize: 64 << 20,
  reserve: 1 << 30,
};

/** Errors that ended an M by itself (not by terminate()), since the process began: a test asserts that there are none. */
export const crashes: Error[] = [];

export function newHost(settings: Partial<EffectiveSettings> = {}, options: HostOptions = {}): Promise<HeapHost> {
  const onRestart = (_: number, error: Error | null): void => {
    if (error === null) return;
    crashes.push(error);
    console.error(error);
  };
  return HeapHost.create('test', { ...SETTINGS, ...settings }, { onRestart, ...options });
}

export interface Outcome {
  address: number;
  status: number;
  served: number;
  p: number;
}

const outcome = (lo: number, hi: number, p = -1): Outcome => ({
  address: (hi & 0xffff) * 2 ** 32 + (lo >>> 0),
  status: (hi >>> 16) & 255,
  served: hi >>> 24,
  p,
});

export function alloc(host: HeapHost, size: number, p = -1, flags: number = Flag.noscan): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    host.submitAlloc(size, flags, 0, 0, p, (error, g) => {
      if (error) reject(error);
      else resolve(outcome(g.r[0], g.r[1], g.p));
    });
  });
}

export async function free(host: HeapHost, address: number, p = -1, immediate = false): Promise<number> {
  const { r } = await host.call(Op.free, p, [
    address | 0,
    Math.floor(address / 2 ** 32),
    immediate ? Flag.immediate : 0,
  ]);
  return (r[1] >>> 16) & 255;
}

export type BatchItem =
  | { op: 'alloc'; size: number; noscan?: boolean }
  | { op: 'free'; address: number; immediate?: boolean };

/** Runs a batch; rejects with the SchedError, whose `results` then holds what was done before its M died. */
export function batch(host: HeapHost, items: readonly BatchItem[], p = -1): Promise<Outcome[]> {
  const piece = host.take(items.length * (RECORD_BYTES + RESULT_BYTES) + 64);
  const results = items.length * RECORD_BYTES;
  const w = piece.words;
  items.forEach((item, i) => {
    const at = i * 4;
    if (item.op === 'alloc') {
      w[at] = BatchOp.alloc | ((item.noscan ?? true) ? Flag.noscan << 8 : 0);
      w[at + 1] = 0;
      w[at + 2] = item.size | 0;
      w[at + 3] = Math.floor(item.size / 2 ** 32);
    } else {
      w[at] = BatchOp.free | (item.immediate ? Flag.immediate << 8 : 0);
      w[at + 1] = 0;
      w[at + 2] = item.address | 0;
      w[at + 3] = Math.floor(item.address / 2 ** 32);
    }
  });
  return new Promise((resolve, reject) => {
    host.submit(Op.batch, p, [piece.offset, items.length, piece.offset + results], (error, g) => {
      const n = error === null ? items.length : error.completed;
      const out: Outcome[] = [];
      for (let i = 0; i < n; i++) out.push(outcome(w[results / 4 + i * 2], w[results / 4 + i * 2 + 1], g.p));
      piece.release();
      if (error === null) resolve(out);
      else reject(Object.assign(error, { results: out }));
    });
  });
}

export type DeadBatch = SchedError & { results: Outcome[] };

/** An operation that answers JSON. */
export async function json<T>(host: HeapHost, op: number, mode = 0, p = -1): Promise<T> {
  const piece = host.take(1 << 20);
  try {
    const { r } = await host.call(op, p, [mode, piece.offset, piece.length]);
    return JSON.parse(Buffer.from(piece.bytes.subarray(0, r[0])).toString()) as T;
  } finally {
    piece.release();
  }
}

export interface CheckAnswer {
  ok: boolean;
  differences: string[];
}

/** check() through an M, with the world stopped. */
export async function differences(host: HeapHost): Promise<string[]> {
  return (await json<CheckAnswer>(host, Op.check)).differences;
}
