/** When a client gets what: rates, resuming, slowness. With a sink in place of a connection. */

import { describe, expect, it } from 'vitest';
import { EventRing } from '../../src/telemetry/event-ring.js';
import { EventStream, type Sink } from '../../src/telemetry/event-stream.js';

/** A client that reads when it is told to. */
class Client implements Sink {
  readonly got: { id?: string; event: string; data: string }[] = [];
  cut = false;
  slow = false;
  private waiting: (() => void)[] = [];

  send(message: { id?: string; event: string; data: string }): Promise<void> {
    this.got.push(message);
    return this.slow ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve();
  }

  destroy(): void {
    this.cut = true;
  }

  async read(): Promise<void> {
    this.slow = false;
    for (const resolve of this.waiting.splice(0)) resolve();
    await settle();
  }

  ids(type = 'sample'): number[] {
    return this.got.filter(({ event }) => event === type).map(({ id }) => Number(id!.split('-')[1]));
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

async function start(ring: EventRing, gap: number, after?: number) {
  const client = new Client();
  const stream = new EventStream({ ring, sink: client, epoch: 'e', gap, after });
  stream.pump();
  await settle();
  return { client, stream };
}

/** Fills a ring with a sample every `step` ms and pumps. */
async function run(ring: EventRing, from: number, n: number, step: number, streams: EventStream[] = []) {
  for (let i = 0; i < n; i++) {
    ring.push('sample', from + i * step, '{}');
    for (const stream of streams) stream.pump();
    await settle();
  }
}

describe('a ring', () => {
  it('keeps the newest of each kind', () => {
    const ring = new EventRing(3, 2);
    for (let i = 1; i <= 5; i++) {
      ring.push('sample', i, `s${i}`);
      ring.push('gc', i, `g${i}`);
    }
    expect(ring.newest).toBe(10);
    expect(ring.sampleAfter(0, () => true)).toMatchObject({ seq: 5, data: 's3' });
    expect(ring.sampleAfter(0, ({ t }) => t > 3)).toMatchObject({ data: 's4' });
    expect(ring.sampleAfter(9, () => true)).toBeUndefined();
    expect(ring.otherAfter(0)).toMatchObject({ seq: 8, data: 'g4' });
    expect(ring.otherAfter(8)).toMatchObject({ seq: 10 });
    expect(ring.newestSample()).toMatchObject({ data: 's5' });
  });
});

describe('a stream', () => {
  it('begins now, without an id to resume from', async () => {
    const ring = new EventRing(600, 256);
    await run(ring, 1e6, 5, 100);
    const { client, stream } = await start(ring, 100);
    expect(client.got).toEqual([]);
    await run(ring, 1e6 + 500, 3, 100, [stream]);
    expect(client.ids()).toEqual([6, 7, 8]);
    expect(client.got[0].id).toBe('e-6');
  });

  it.each([
    [10, 100],
    [5, 200],
    [4, 250],
    [3, 1000 / 3],
    [1, 1000],
  ])('gives %i samples a second on average, from ten', async (rate, gap) => {
    const ring = new EventRing(600, 256);
    const { client, stream } = await start(ring, gap);
    await run(ring, 1e6, 600, 100, [stream]);
    expect(Math.abs(client.ids().length - rate * 60)).toBeLessThanOrEqual(2);
  });

  it('survives a clock that is set back', async () => {
    const ring = new EventRing(600, 256);
    const { client, stream } = await start(ring, 250);
    await run(ring, 1e9, 5, 250, [stream]);
    await run(ring, 1e6, 5, 250, [stream]);
    expect(client.ids()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('replays what was missed, in order, at its own rate', async () => {
    const ring = new EventRing(600, 256);
    await run(ring, 1e6, 10, 100);
    ring.push('gc', 1e6 + 1000, '{}');
    await run(ring, 1e6 + 1000, 9, 100);
    const all = await start(ring, 100, 4);
    expect(all.client.ids()).toEqual([5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    expect(all.client.ids('gc')).toEqual([11]);
    expect(all.client.got.map(({ id }) => Number(id!.slice(2)))).toEqual(Array.from({ length: 16 }, (_, i) => i + 5));
    const half = await start(ring, 200, 4);
    expect(half.client.ids()).toEqual([5, 7, 9, 12, 14, 16, 18, 20]);
    expect(half.client.ids('gc')).toEqual([11]);
  });

  it('replays what the ring still has', async () => {
    const ring = new EventRing(4, 2);
    await run(ring, 1e6, 10, 100);
    const { client } = await start(ring, 100, 1);
    expect(client.ids()).toEqual([7, 8, 9, 10]);
  });

  it('drops samples for a slow client, and no collection', async () => {
    const ring = new EventRing(600, 256);
    const { client, stream } = await start(ring, 100);
    client.slow = true;
    await run(ring, 1e6, 20, 100, [stream]);
    ring.push('gc', 1e6 + 2000, '{}');
    await run(ring, 1e6 + 2000, 20, 100, [stream]);
    // One event on its way, and nothing behind it.
    expect(client.ids()).toEqual([1]);
    await client.read();
    expect(client.got.map(({ id }) => id)).toEqual(['e-1', 'e-21', 'e-41']);
    await run(ring, 1e6 + 4000, 2, 100, [stream]);
    expect(client.ids()).toEqual([1, 41, 42, 43]);
  });

  it('says for how long a client blocks, and cuts it when told', async () => {
    const ring = new EventRing(600, 256);
    const { client, stream } = await start(ring, 100);
    client.slow = true;
    expect(stream.blockedFor(performance.now())).toBe(0);
    await run(ring, 1e6, 2, 100, [stream]);
    expect(stream.blockedFor(performance.now() + 1000)).toBeGreaterThanOrEqual(1000);
    stream.end('stalled');
    expect(await stream.done).toBe('stalled');
    expect(client.cut).toBe(true);
    await client.read();
    await run(ring, 1e6 + 200, 2, 100, [stream]);
    expect(client.ids()).toEqual([1]);
  });

  it('says farewell once', async () => {
    const { client, stream } = await start(new EventRing(1, 1), 100);
    stream.end('gone', '{"heap":"t"}');
    stream.end('draining');
    expect(await stream.done).toBe('gone');
    expect(client.got).toEqual([{ event: 'gone', data: '{"heap":"t"}' }]);
    expect(client.cut).toBe(false);
  });
});
