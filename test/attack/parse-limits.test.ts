/**
 * What a recording may make a thread take: time that it works, and memory. Both end the thread,
 * wherever it is, with a code that says so and no bug of ours; and neither touches a client that is
 * slow, or a recording of a program. Needs the compiled workers (`npm run build`).
 */

import { readdir, readFile } from 'node:fs/promises';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { DEFAULT_SETTINGS } from '../../src/replay/defaults.js';
import { parse } from '../../src/replay/parse.js';
import { ReplayPool } from '../../src/replay/pool.js';
import { TraceStore } from '../../src/replay/store.js';
import { boundsOf } from '../../src/server/replays/bounds.js';
import { LOADED } from '../../src/threads/loaded.js';
import { system } from '../../src/threads/thread.js';
import { effort, LONG } from '../helper/effort.js';
import { closeReplayServers, recording, replayServer } from '../helper/replays.js';

const spawned = system.spawn;
const stores: TraceStore[] = [];

function newStore(): TraceStore {
  const store = TraceStore.create();
  stores.push(store);
  return store;
}

afterEach(async () => {
  vi.restoreAllMocks();
  await closeReplayServers();
  for (const store of stores.splice(0)) store.close();
});

/** A recording that does not end. */
function* endless(): Generator<Uint8Array> {
  const piece = Buffer.from(recording(10_000).split('\n').slice(1, -2).join('\n').concat('\n'));
  yield Buffer.from('= Start\n');
  for (;;) yield piece;
}

async function* slowly(pieces: readonly Uint8Array[], between: () => Promise<void>): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    yield piece;
    await between();
  }
}

describe('time', () => {
  it('a parse that works for longer than it may is ended', async () => {
    const store = newStore();
    const source = {
      stream: slowly([...Array.from({ length: 100_000 }).fill(recordingPiece)] as Uint8Array[], async () => {}),
    };
    await expect(parse(source, store, { time: 100 })).rejects.toMatchObject({ code: 'replay-timed-out' });
    // Readers of the store are told, too.
    expect(() => store.reader().report()).toThrow('parsed for more than 0.1 s');
  });

  it('GOHEAP_REPLAY_TIME holds for an upload without end', async () => {
    const server = await replayServer({ GOHEAP_REPLAY_TIME: '300ms' });
    const answer = await server.stream('', endless());
    expect(answer).toMatchObject({ status: 503, body: { code: 'replay-timed-out' } });
    await expect.poll(async () => (await server.get()).body).toMatchObject({ replays: [], running: 0, waiting: 0 });
    await expect.poll(() => server.files()).toEqual([]);
  });

  it('the clock of a thread that waits for bytes is at rest', async () => {
    let word = new BigInt64Array(1);
    vi.spyOn(system, 'spawn').mockImplementation((script, options) => {
      word = new BigInt64Array(options.workerData.clock);
      return spawned(script, options);
    });
    const text = Buffer.from(recording(20_000));
    const pieces = Array.from({ length: 4 }, (_, i) =>
      text.subarray((text.length * i) / 4, (text.length * (i + 1)) / 4),
    );
    // What it worked so far, as a negative number: it does not go on, however long the client
    // takes.
    const rested: bigint[] = [];
    const source = {
      stream: slowly(pieces, async () => {
        await expect.poll(() => Atomics.load(word, 0) < -1n).toBe(true);
        rested.push(Atomics.load(word, 0));
      }),
    };
    const { report } = await parse(source, newStore(), { time: 60_000 });
    expect(report.events).toBeGreaterThan(20_000);
    expect(rested).toHaveLength(4);
  });

  it('a report is bounded by it, in the middle of a loop', async () => {
    const server = await replayServer();
    const { body } = await server.upload('', recording(1000));
    await server.until(body.id, 'done');
    // A thread that never answers, whose clock says that it works since the beginning of time.
    const loop = `import { parentPort } from 'node:worker_threads'; parentPort.postMessage('${LOADED}'); for (;;);`;
    vi.spyOn(system, 'spawn').mockImplementation((script, options) => {
      new BigInt64Array(options.workerData.clock)[0] = 0n;
      return spawned(script, { ...options, argv: [`data:text/javascript,${encodeURIComponent(loop)}`] });
    });
    Object.assign(server.app.config, { replayTime: 1 });
    expect(await server.get(`/${body.id}/report.html`)).toMatchObject({
      status: 503,
      body: { code: 'replay-timed-out' },
    });
  });
});

const recordingPiece = Buffer.from(`= Start\n${recording(5000).split('\n').slice(1, -2).join('\n')}\n`);

describe('memory', () => {
  /** Threads of this name get next to nothing. */
  function starve(name: RegExp): void {
    vi.spyOn(system, 'spawn').mockImplementation((script, options) => {
      if (!name.test(String(options.name))) return spawned(script, options);
      const resourceLimits = { maxOldGenerationSizeMb: 2, maxYoungGenerationSizeMb: 1 };
      return spawned(script, { ...options, resourceLimits });
    });
  }

  const refusedAt = (MiB: number) => ({ status: 422, body: { code: 'replay-memory', limit: MiB * 2 ** 20 } });
  const refused = refusedAt(256);
  let profile: Buffer;
  beforeAll(async () => {
    profile = await readFile(new URL('../fixtures/replay/pprof/flate.rate512k.pb.gz', import.meta.url));
  });

  it('of the parser, and of a profile', async () => {
    const server = await replayServer();
    starve(/parser|profile/);
    const answer = await server.upload('', recording(1000));
    expect(answer).toMatchObject(refused);
    expect(answer.body.detail).toBe('A thread may use 256 MiB of memory for this, and it took more.');
    expect(await server.upload('?seconds=1', profile)).toMatchObject(refusedAt(512));
    await expect.poll(() => server.files()).toEqual([]);
    // That is the client's affair, and no error of the server.
    expect(server.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
    vi.restoreAllMocks();
    expect((await server.upload('', recording(1000))).status).toBe(202);
  });

  it('of the simulators: the replay fails with it', async () => {
    const server = await replayServer();
    starve(/simulator/);
    const { body } = await server.upload('', recording(1000));
    expect(await server.until(body.id, 'done')).toMatchObject({ state: 'failed', error: { code: 'replay-memory' } });
    await expect.poll(() => server.files()).toEqual([]);
  });

  it('of a report and a heap map', async () => {
    const server = await replayServer();
    const { body } = await server.upload('', recording(1000));
    await server.until(body.id, 'done');
    // The thread for maps is another one than those that have simulated.
    starve(/report|simulator/);
    expect(await server.get(`/${body.id}/report.html`)).toMatchObject({ status: 422, body: { code: 'replay-memory' } });
    expect(await server.get(`/${body.id}/map?event=10`)).toMatchObject(refused);
    vi.restoreAllMocks();
    expect((await server.get(`/${body.id}/report.html`)).status).toBe(200);
    expect((await server.get(`/${body.id}/map?event=10`)).status).toBe(200);
  });

  it('every thread that works for a client has a bound', async () => {
    const spawn = vi.spyOn(system, 'spawn');
    const server = await replayServer();
    const { body } = await server.upload('', recording(1000));
    await server.upload('?seconds=1', profile);
    await server.until(body.id, 'done');
    await server.get(`/${body.id}/map?event=10`);
    await server.get(`/${body.id}/report.csv`);
    const bounds = new Map(spawn.mock.calls.map(([, { name, resourceLimits }]) => [name, resourceLimits]));
    expect([...bounds.keys()].sort()).toEqual([
      'goheap replay parser',
      'goheap replay profile',
      'goheap replay report',
      'goheap replay simulator',
    ]);
    for (const limits of bounds.values()) {
      expect(limits?.maxOldGenerationSizeMb).toBeLessThanOrEqual(512);
      expect(limits?.maxYoungGenerationSizeMb).toBeLessThanOrEqual(48);
    }
  });

  /**
   * Left to `npm run test:long`: the ordinary run has the one that takes a simulator most, and
   * small ones of other formats.
   */
  const ALIKE = /^(sqlite3|xmllint|python-jsontool|jq|jq-twitter)\.mtrace|^go-json-bench/;

  it('recordings of programs take less than a quarter of it', async () => {
    const quarter = (thread: 'parser' | 'simulator') => {
      const { old, young } = boundsOf(thread, { replayTime: 0 }).memory;
      return { old: old / 4, young };
    };
    const folders = ['../fixtures/replay/', '../../examples/'].map((path) => new URL(path, import.meta.url));
    const pool = new ReplayPool(1, quarter('simulator'));
    let parsed = 0;
    for (const folder of folders) {
      for (const name of (await readdir(folder)).filter((file) => /\.(zst|gz)$/.test(file))) {
        if (!LONG && ALIKE.test(name)) continue;
        const store = newStore();
        await parse({ path: new URL(name, folder).pathname }, store, { memory: quarter('parser') });
        await pool.grid(store.handle, [{ ...DEFAULT_SETTINGS, gogc: 25 }]);
        parsed++;
      }
    }
    await pool.close();
    expect(parsed).toBeGreaterThan(effort(4, 8));
  });
});
