/** Ms that die: the P is taken over, every request gets an answer, no lock stays held, nothing answered is lost. */

import { afterEach, describe, expect, it } from 'vitest';
import { Status } from '../../src/heap/objects.js';
import { lockOwner } from '../../src/memory/lock.js';
import type { HeapHost } from '../../src/sched/host.js';
import { SchedError } from '../../src/sched/host-api.js';
import { Op } from '../../src/sched/ops.js';
import type { Shared } from '../../src/sched/shared.js';
import { effort } from '../helper/effort.js';
import { batch, crashes, type DeadBatch, differences, json, newHost } from '../helper/host.js';

let host: HeapHost;

afterEach(async () => {
  expect(crashes).toEqual([]);
  expect(await differences(host)).toEqual([]);
  await host.close();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('terminate() on an M', () => {
  it('replaces an idle one', async () => {
    host = await newHost();
    await host.terminateM(1);
    const made = await batch(host, [{ op: 'alloc', size: 64 }], 1);
    expect(made[0].status).toBe(Status.ok);
    expect(made[0].p).toBe(1);
    expect(host.stats().restarts).toBe(1);
  });

  it('while it has stopped the world: the others go on', async () => {
    host = await newHost({ gomaxprocs: 3 });
    const made = await batch(
      host,
      Array.from({ length: 60_000 }, (_, i) => ({ op: 'alloc' as const, size: 1 + ((i * 13) % 700) })),
    );
    const kept = made.filter((_, i) => i % 3 === 0);
    const { k } = host as unknown as { k: Shared };
    let killed = 0;
    for (const [i, op] of [Op.sweep, Op.check, Op.flush, Op.sweep, Op.sweep, Op.check].entries()) {
      const dead = made.filter((_, j) => j % 3 !== 0).slice(i * 6000, (i + 1) * 6000);
      await batch(
        host,
        dead.map((o) => ({ op: 'free' as const, address: o.address })),
      );
      let over = false;
      const running = json(host, op, 0, i % 3)
        .catch((error: SchedError) => {
          expect(error.code).toBe('m-died');
          killed++;
        })
        .finally(() => {
          over = true;
        });
      // It has stopped the world, or is about to; or it was done before we saw it.
      while (!over && lockOwner(k.m, k.worldLock) !== i % 3) await new Promise((resolve) => setImmediate(resolve));
      await host.terminateM(i % 3);
      await running;
      expect(await differences(host)).toEqual([]);
    }
    const freed = await batch(
      host,
      kept.map((o) => ({ op: 'free' as const, address: o.address })),
    );
    expect(freed.every((o) => o.status === Status.ok)).toBe(true);
    console.log(`operations that died with the world stopped: ${killed} of 6`);
  });

  it('answers every request and loses nothing, under load, on every P, many times', async () => {
    host = await newHost({ gomaxprocs: 3 });
    const live = new Set<number>();
    let stop = false;
    let answered = 0;
    let died = 0;
    const churn = async (id: number): Promise<void> => {
      let n = id;
      while (!stop) {
        const items = Array.from({ length: 2000 }, (_, i) => ({
          op: 'alloc' as const,
          size: 8 + ((i * 61 + n++) % 3000),
          noscan: i % 2 === 0,
        }));
        let made = [] as { address: number; status: number }[];
        try {
          made = await batch(host, items);
        } catch (error) {
          expect(error).toBeInstanceOf(SchedError);
          expect((error as SchedError).code).toBe('m-died');
          made = (error as DeadBatch).results;
          died++;
        }
        answered++;
        for (const o of made) {
          expect(o.status).toBe(Status.ok);
          expect(live.has(o.address)).toBe(false);
          live.add(o.address);
        }
        const dead = [...made].filter((_, i) => i % 4 !== 0);
        for (const o of dead) live.delete(o.address);
        try {
          await batch(
            host,
            dead.map((o, i) => ({ op: 'free' as const, address: o.address, immediate: i % 2 === 0 })),
          );
        } catch (error) {
          expect((error as SchedError).code).toBe('m-died');
          died++;
        }
      }
    };
    const churners = [0, 1, 2, 3, 4].map(churn);
    const sweeper = (async () => {
      while (!stop) {
        await json(host, Op.sweep).catch((error: SchedError) => expect(error.code).toBe('m-died'));
        await pause(5);
      }
    })();
    const deaths = effort(4, 20);
    for (let i = 0; i < deaths; i++) {
      // Between two deaths at least one request ends, one way or the other; when, differs.
      const goal = answered + 1;
      await pause((i * 17) % 50);
      while (answered < goal) await pause(1);
      await host.terminateM(i % 3);
    }
    stop = true;
    await Promise.all([...churners, sweeper]);
    expect(answered).toBeGreaterThanOrEqual(deaths);
    expect(host.stats().restarts).toBe(deaths);
    expect(host.stats().inFlight).toBe(0);
    expect(await differences(host)).toEqual([]);
    const held = [...live];
    for (let i = 0; i < held.length; i += 50_000) {
      const freed = await batch(
        host,
        held.slice(i, i + 50_000).map((address) => ({ op: 'free' as const, address })),
      );
      expect(freed.every((o) => o.status === Status.ok)).toBe(true);
    }
    console.log(`requests that died with their M: ${died} of ${answered * 2}`);
  });
});
