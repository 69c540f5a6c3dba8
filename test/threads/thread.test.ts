/**
 * Threads that do not start, grow, throw, stand still or loop for ever: one promise tells how each
 * ended, and nothing is left of it.
 */

import { getEventListeners } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BusyClock } from '../../src/threads/busy.js';
import { LOADED } from '../../src/threads/loaded.js';
import { isScarcity } from '../../src/threads/scarcity.js';
import { ask, system, Thread, ThreadError, threadScript } from '../../src/threads/thread.js';

/**
 * A script as text: it needs no file. Without `loaded` it never says that its modules have been
 * read.
 */
const script = (code: string, loaded = `parentPort.postMessage(${JSON.stringify(LOADED)});`): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`import { parentPort, workerData } from 'node:worker_threads';${loaded}${code}`)}`,
  );
const LOOP = script('parentPort.postMessage("here"); for (;;);');
const ECHO = script('parentPort.on("message", (m) => parentPort.postMessage(m)); parentPort.postMessage("here");');

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  process.on('unhandledRejection', note);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  expect(unhandled.splice(0)).toEqual([]);
});

/** The system has no thread left: `new Worker` throws, as for EAGAIN. */
function refuse(): void {
  vi.spyOn(system, 'spawn').mockImplementation(() => {
    throw Object.assign(new Error('Worker initialization failure: EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' });
  });
}

/**
 * A worker that is up, has not said that its modules are read, and then has these events. It waits
 * in its event loop, where a worker can be terminated safely: launch.ts says where it cannot.
 */
function tell(events: (worker: Worker) => void): void {
  vi.spyOn(system, 'spawn').mockImplementation((_, options) => {
    const worker = new Worker(script('setInterval(() => {}, 1e9); parentPort.postMessage("up");', ''), options);
    worker.once('message', () => {
      events(worker);
      void worker.terminate();
    });
    return worker;
  });
}

const failure = (code: string): Error => Object.assign(new Error(`${code}: injected`), { code });

describe('a thread that does not start', () => {
  it('does not throw: it has ended', async () => {
    refuse();
    const thread = new Thread(LOOP, { name: 'test', data: null });
    expect(thread.id).toBe(-1);
    thread.post(undefined as never);
    expect(await thread.ended).toMatchObject({ name: 'ThreadError', why: 'start' });
    await thread.end();
  });

  it.each(['ERR_WORKER_INIT_FAILED', 'EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'])('tells %s', async (code) => {
    tell((worker) => worker.emit('error', failure(code)));
    const thread = new Thread(LOOP, { name: 'test', data: null });
    // Nobody looks at the promise before it is settled.
    await expect.poll(() => thread.id).toBe(-1);
    expect(await thread.ended).toMatchObject({ why: 'start', cause: { code } });
  });

  it('rejects what was asked of it', async () => {
    refuse();
    await expect(ask(LOOP, { name: 'test', data: null })).rejects.toMatchObject({ why: 'start' });
  });
});

describe('a thread that runs', () => {
  it('answers, and is gone then', async () => {
    const spawn = vi.spyOn(system, 'spawn');
    const signal = new AbortController().signal;
    expect(
      await ask(script('parentPort.postMessage(workerData + 1); for (;;);'), { name: 'test', data: 1, signal }),
    ).toBe(2);
    expect((spawn.mock.results[0].value as Worker).threadId).toBe(-1);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('is ended in the middle of a loop by its signal, with the reason', async () => {
    const abort = new AbortController();
    const thread = new Thread<never, string>(LOOP, {
      name: 'test',
      data: null,
      signal: abort.signal,
      onMessage: () => abort.abort(new Error('enough')),
    });
    expect(await thread.ended).toMatchObject({ message: 'enough' });
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
  });

  it('does not start when the signal was given up before', async () => {
    const spawn = vi.spyOn(system, 'spawn');
    const thread = new Thread(LOOP, { name: 'test', data: null, signal: AbortSignal.abort('no') });
    expect(await thread.ended).toBe('no');
    expect(spawn).not.toHaveBeenCalled();
  });

  it('is ended in the middle of a loop when its clock says that it worked too long', async () => {
    // A clock that another thread looks at: moved by hand, it shows an hour of work.
    let now = 0n;
    const clock = new BusyClock(undefined, () => now);
    const late = new Error('late');
    clock.work();
    const thread = new Thread<never, string>(LOOP, {
      name: 'test',
      data: null,
      time: { clock, limit: 1, late: () => late },
      onMessage: () => {
        now = 3_600_000_000_000n;
      },
    });
    expect(await thread.ended).toBe(late);
  });

  it('is not ended while its clock rests', async () => {
    const clock = new BusyClock();
    const late = vi.fn(() => new Error('late'));
    let echoes = 0;
    const thread = new Thread<string, string>(ECHO, {
      name: 'test',
      data: null,
      time: { clock, limit: 1, late },
      onMessage: () => {
        // Far more looks at the clock than one.
        if (++echoes < 200) setTimeout(() => thread.post('again'), 1);
        else void thread.end();
      },
    });
    expect(await thread.ended).toBeNull();
    expect(late).not.toHaveBeenCalled();
  });

  it('dies of its bound of memory, and says which', async () => {
    const hoard = script('const a = []; for (;;) a.push({ n: a.length });');
    const memory = { old: 16, young: 4 };
    await expect(ask(hoard, { name: 'test', data: null, memory })).rejects.toMatchObject({
      why: 'memory',
      limit: 16 * 2 ** 20,
    });
  });

  it('has shared memory outside of that bound', async () => {
    const large = script(
      'new Uint8Array(new SharedArrayBuffer(1 << 26)).fill(1); Buffer.alloc(1 << 26, 1); parentPort.postMessage("fits");',
    );
    expect(await ask(large, { name: 'test', data: null, memory: { old: 16, young: 4 } })).toBe('fits');
  });

  it('hands on what its script throws', async () => {
    await expect(ask(script('throw new RangeError("mine")'), { name: 'test', data: null })).rejects.toThrow('mine');
    // Of a thread that runs, a lack of descriptors is its own affair.
    const scarce = script('throw Object.assign(new Error("full"), { code: "EMFILE" })');
    expect(await new Thread(scarce, { name: 'test', data: null }).ended).toMatchObject({ code: 'EMFILE' });
  });

  it('had started, even when its error is heard before the message that says so', async () => {
    // They come through two ports. When this thread was away for a while, both wait, and the error
    // is taken first.
    tell((worker) => {
      worker.emit('error', failure('EMFILE'));
      worker.emit('message', LOADED);
    });
    const error = await new Thread(LOOP, { name: 'test', data: null }).ended;
    expect(error).toMatchObject({ message: 'EMFILE: injected', code: 'EMFILE' });
  });

  it('that says nothing has died', async () => {
    const error = await ask(script(''), { name: 'test', data: null }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ThreadError);
    expect(error).toMatchObject({ why: 'died', message: 'the thread "test" ended without an answer' });
  });

  it('is ended by a listener that throws, which nobody else could be told of', async () => {
    const thread = new Thread(LOOP, {
      name: 'test',
      data: null,
      onMessage: () => {
        throw new Error('listener');
      },
    });
    expect(await thread.ended).toMatchObject({ message: 'listener' });
  });
});

it('knows the errors of a system that has no more', () => {
  expect(isScarcity(Object.assign(new Error(), { code: 'EMFILE' }))).toBe(true);
  expect(isScarcity(Object.assign(new Error(), { code: 'ENOENT' }))).toBe(false);
  expect(isScarcity(null)).toBe(false);
});

it('finds the compiled script of a source, and of a compiled module', () => {
  expect(threadScript('file:///home/src/goheap/src/replay/parse.ts', 'parse-worker').href).toBe(
    'file:///home/src/goheap/dist/src/replay/parse-worker.js',
  );
  expect(threadScript('file:///srv/dist/src/replay/parse.js', 'parse-worker').href).toBe(
    'file:///srv/dist/src/replay/parse-worker.js',
  );
});
