/**
 * A server that works for minutes, and holds no more at the end than at the beginning.
 *
 * Cycles of everything that takes descriptors, threads or memory: heaps, batches, bytes of objects,
 * workloads, replays, recordings, event streams, pages, pipelined requests; uploads that are broken
 * off and connections that are killed in the middle of each. At the end of a cycle its heaps and
 * replays are deleted, and what the process holds is compared.
 *
 * Descriptors and threads come back exactly: after each cycle they fall to what they were after the
 * warm-up, or the test fails and says which are left. They are waited for, so that a slow machine
 * only takes longer.
 *
 * Memory does not: allocators keep pages, V8 collects when it likes. A leak still shows, because it
 * grows with the number of cycles, whatever their speed, while kept memory does not: of the cycles
 * after the warm-up the least of the last third is compared with the least of the first third. A
 * cycle writes 16 MiB into objects; leaking a third of that in each of the cycles in between is
 * over the bound.
 *
 * GOHEAP_LONG_SECONDS says how long, but there are never fewer cycles than the comparison needs;
 * without it (an ordinary run) this skips itself, as it does where there is no /proc.
 */

import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchOp, Flag } from '../../src/sched/ops.js';
import { BATCH_TYPE } from '../../src/server/batch/binary.js';
import { allAnswers } from '../attack/fuzz/answer.js';
import { converse } from '../attack/fuzz/wire.js';
import { descriptorsOf, HAS_PROC, residentOf, threadsOf } from '../helper/processes.js';
import { ServerProcess } from '../helper/server-process.js';

const SECONDS = Number(process.env.GOHEAP_LONG_SECONDS ?? 0);
const WARM_UP = 3;
/** After the warm-up, at least. */
const CYCLES = 12;
const MiB = 2 ** 20;
/**
 * By how much the least of a third may differ from that of another without a leak: what V8 and
 * malloc keep, as seen, is a quarter.
 */
const KEPT = 48 * MiB;
const OCTETS = { 'content-type': 'application/octet-stream' };
const HEAPS = ['soak-a', 'soak-b'];

let server: ServerProcess;

beforeAll(async () => {
  if (SECONDS === 0 || !HAS_PROC) return;
  server = await ServerProcess.start({
    GOMAXPROCS: '2',
    GOHEAP_RESERVE: '64MiB',
    GOHEAP_ARENA_SIZE: '4MiB',
    GOHEAP_REPLAY_THREADS: '1',
    GOHEAP_REPLAYS_KEPT: '4',
  });
});
afterAll(() => server?.stop());

interface Got {
  status: number;
  body: Buffer;
}

/** On a connection of its own, which is closed behind it. */
function call(
  method: string,
  path: string,
  body?: object | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Got> {
  const bytes = body === undefined || body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
  const type: Record<string, string> =
    bytes === undefined || body instanceof Uint8Array ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const req = request({
      port: server.port,
      host: '127.0.0.1',
      agent: false,
      method,
      path,
      headers: { ...type, ...headers },
    });
    req.on('error', reject).on('response', (res) => {
      const pieces: Buffer[] = [];
      res.on('data', (piece) => pieces.push(piece)).on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body: Buffer.concat(pieces) }));
    });
    req.end(bytes);
  });
}

// biome-ignore lint/suspicious/noExplicitAny: what a test expects of it, it says itself
async function json(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<any> {
  const { status, body: text } = await call(method, path, body, headers);
  expect(status, `${method} ${path}: ${text}`).toBeLessThan(300);
  return text.length === 0 ? undefined : JSON.parse(text.toString());
}

/**
 * Sends bytes, waits for so many bytes of an answer, and kills the connection: with a reset, or by
 * closing it.
 */
async function kill(bytes: string | Buffer, after: number, reset: boolean): Promise<void> {
  const socket = connect({ port: server.port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  let got = 0;
  const end = (): void => void (reset ? socket.resetAndDestroy() : socket.destroy());
  socket.on('data', (piece) => {
    got += piece.length;
    if (got >= after) end();
  });
  socket.write(bytes, () => {
    if (after === 0) end();
  });
  await closed;
}

/**
 * Refused, perhaps, so that the answer is shorter than what the killer waits for: then the server
 * ends the connection.
 */
const once = (path: string): string => head('GET', path, 'Connection: close\r\n');

const head = (method: string, path: string, rest = ''): string =>
  `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${rest}\r\n`;

function recording(pairs: number): Buffer {
  const at = (i: number): string => `0x${(0x5500_0000_0000 + (i % 50) * 4096).toString(16)}`;
  const lines = Array.from(
    { length: pairs },
    (_, i) =>
      `${i >= 50 ? `@ app:[0x1] - ${at(i)}\n` : ''}@ app:[0x1] + ${at(i)} 0x${(64 + (i % 9) * 100).toString(16)}`,
  );
  return Buffer.from(`= Start\n${lines.join('\n')}\n= End\n`);
}

async function work(heap: string): Promise<void> {
  const path = `/v1/heaps/${heap}`;
  await json('PUT', path, { gomaxprocs: 2, reserve: '64MiB', arenaSize: '4MiB' });
  const records = new Int32Array(4 * 2000);
  for (let i = 0; i < 2000; i++) records.set([BatchOp.alloc | (Flag.noscan << 8), 0, 16 + (i % 500), 0], i * 4);
  const batch = await call('POST', `${path}/batch`, new Uint8Array(records.buffer), { 'content-type': BATCH_TYPE });
  expect(batch.status).toBe(200);
  const { address } = await json('POST', `${path}/alloc`, { size: 8 * MiB });
  const { written } = JSON.parse(
    (await call('PUT', `${path}/objects/${address}/data`, Buffer.alloc(8 * MiB, 1), OCTETS)).body.toString(),
  );
  expect(written).toBe(8 * MiB);
  // One ends by itself or not; the heap goes in any case.
  await json('POST', `${path}/workloads`, { workload: 'larson', duration: 0.2, bytes: MiB });
  await json('POST', `${path}/workloads`, { workload: 'leak', duration: 60, bytes: MiB });
  const whole = call('GET', `${path}/recording?seconds=0.3`);
  await json('POST', `${path}/alloc`, { size: 64, count: 50 });
  await json('POST', `${path}/gc`);
  expect((await whole).status).toBe(200);
}

/** What clients do that give up. */
async function breakOff(heap: string): Promise<void> {
  const path = `/v1/heaps/${heap}`;
  const half = Buffer.alloc(100_000, 1);
  const announced = `Content-Length: 1600000\r\n`;
  const upload = (method: string, to: string, type: string): Buffer =>
    Buffer.concat([Buffer.from(head(method, to, `Content-Type: ${type}\r\n${announced}`)), half]);
  const { address } = await json('POST', `${path}/alloc`, { size: 2 * MiB });
  const all: Promise<void>[] = [];
  for (const reset of [true, false]) {
    all.push(kill(upload('POST', `${path}/batch`, BATCH_TYPE), 0, reset));
    all.push(kill(upload('PUT', `${path}/objects/${address}/data`, 'application/octet-stream'), 0, reset));
    all.push(kill(upload('POST', '/v1/replays', 'application/octet-stream'), 0, reset));
    all.push(
      kill(
        Buffer.concat([
          Buffer.from(head('POST', '/v1/replays', `${announced}Content-Type: application/octet-stream\r\n`)),
          recording(200),
        ]),
        0,
        reset,
      ),
    );
    all.push(kill(once(`${path}/events?rate=10`), 200, reset));
    all.push(kill(once(`${path}/objects/${address}/data`), 1000, reset));
    all.push(kill(once(`${path}/heap.heapsnapshot`), 1000, reset));
    all.push(kill(once('/docs/static/swagger-ui-bundle.js'), 1000, reset));
    all.push(kill(head('GET', '/docs/static/swagger-ui-bundle.js').repeat(5), 1000, reset));
    all.push(kill(head('GET', '/docs/static/swagger-ui-bundle.js').repeat(5), 0, reset));
    all.push(kill(head('GET', '/openapi.json').repeat(5), 0, reset));
    all.push(kill(head('POST', `${path}/gc`, 'Content-Length: 0\r\n').repeat(5), 0, reset));
    all.push(kill('GET /livez HTTP/1.1\r\nHost: loc', 0, reset));
    all.push(kill('', 0, reset));
  }
  await Promise.all(all);
  // A heap is recorded once at a time: this one comes alone, when the other has ended.
  await kill(once(`${path}/recording?seconds=60`), 100, true);
  const pipelined = head('GET', '/livez').repeat(100) + head('GET', '/v1/heaps', 'Connection: close\r\n');
  expect(allAnswers(await converse(server.port, [pipelined], false))).toHaveLength(101);
}

async function replays(): Promise<void> {
  const first = await call('POST', '/v1/replays?gogc=50,100&variations=1', recording(2000), OCTETS);
  expect(first.status, String(first.body)).toBeLessThan(300);
  const { id } = JSON.parse(first.body.toString());
  await kill(once(`/v1/replays/${id}/events`), 200, true);
  await expect.poll(async () => (await json('GET', `/v1/replays/${id}`)).state).toBe('done');
  await json('GET', `/v1/replays/${id}/map?event=100`);
  expect((await call('GET', `/v1/replays/${id}/report.html`)).status).toBe(200);
  await kill(once(`/v1/replays/${id}/report.html`), 1000, true);
  const again = await json('POST', '/v1/replays?gogc=off', { replay: id });
  await call('DELETE', `/v1/replays/${again.id}`);
  await Promise.all([id, again.id].map((each) => call('DELETE', `/v1/replays/${each}`)));
}

async function cycle(): Promise<void> {
  await Promise.all([...HEAPS.map(work), replays()]);
  await Promise.all(HEAPS.map(breakOff));
  for (const heap of HEAPS) expect(await json('POST', `/v1/heaps/${heap}/check`)).toMatchObject({ ok: true });
  await Promise.all(HEAPS.map((heap) => call('DELETE', `/v1/heaps/${heap}`)));
  const { replays: left } = await json('GET', '/v1/replays');
  for (const { id } of left) await call('DELETE', `/v1/replays/${id}`);
}

/** Waits until neither has changed for longer than the pools of threads keep idle ones (5 s). */
async function settled(): Promise<{ threads: number; descriptors: string[] }> {
  let last = { threads: Number.POSITIVE_INFINITY, descriptors: [] as string[] };
  let same = 0;
  await expect
    .poll(
      () => {
        const now = { threads: threadsOf(server.pid), descriptors: descriptorsOf(server.pid) };
        const changed = now.threads !== last.threads || now.descriptors.join() !== last.descriptors.join();
        same = changed ? 0 : same + 1;
        last = now;
        return same;
      },
      { interval: 100, timeout: 300_000, message: 'threads and descriptors at rest' },
    )
    .toBeGreaterThanOrEqual(80);
  return last;
}

const why = SECONDS > 0 && !HAS_PROC ? ' (skipped: there is no /proc here)' : '';

test.runIf(SECONDS > 0 && HAS_PROC)(
  `holds no more after many cycles than after ${WARM_UP}${why}`,
  async () => {
    const began = performance.now();
    for (let i = 0; i < WARM_UP; i++) await cycle();
    const base = await settled();
    const resident: number[] = [];
    while (resident.length < CYCLES || performance.now() - began < SECONDS * 800) {
      await cycle();
      const told = `cycle ${resident.length}`;
      await expect
        .poll(() => threadsOf(server.pid), { message: `threads after ${told}` })
        .toBeLessThanOrEqual(base.threads);
      await expect
        .poll(() => descriptorsOf(server.pid).length, { message: `descriptors after ${told}` })
        .toBeLessThanOrEqual(base.descriptors.length)
        .catch((error: Error) => {
          throw new Error(
            `${error.message}\n${descriptorsOf(server.pid).join('\n')}\nwere ${base.descriptors.join('\n')}`,
          );
        });
      resident.push(residentOf(server.pid));
    }
    const third = Math.floor(resident.length / 3);
    const first = Math.min(...resident.slice(0, third));
    const last = Math.min(...resident.slice(-third));
    const shown = resident.map((bytes) => Math.round(bytes / MiB)).join(' ');
    console.log(
      `${resident.length} cycles, ${base.threads} threads, ${base.descriptors.length} descriptors; resident MiB: ${shown}`,
    );
    expect(last - first, `resident MiB: ${shown}`).toBeLessThan(KEPT);
    expect(await json('POST', '/v1/heaps/default/check')).toMatchObject({ ok: true, differences: [] });
    expect([server.alive, server.complaints]).toEqual([true, []]);
  },
  (SECONDS + 600) * 1000,
);
