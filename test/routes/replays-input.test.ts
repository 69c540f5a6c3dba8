/** What a POST of a replay refuses: settings and recordings of every bad kind, each with a clear problem, and nothing left behind. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createGzip, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest';
import { closeReplayServers, type ReplayServer, recording, replayServer } from '../helper/replays.js';
import { expectProblem } from '../helper/routes.js';

const LIMIT = 300_000;

let server: ReplayServer;

beforeAll(async () => {
  server = await replayServer({
    GOHEAP_REPLAY_UPLOAD: `${LIMIT}`,
    GOHEAP_REPLAY_TEXT: '2MiB',
    GOHEAP_REPLAY_EVENTS: '20000',
    GOHEAP_REPLAY_OBJECTS: '1000',
    GOHEAP_REPLAY_CELLS: '6',
    GOHEAP_MAX_PROCS: '8',
  });
});
afterAll(closeReplayServers);

async function nothingLeft(of = server): Promise<void> {
  expect((await of.get()).body).toMatchObject({ replays: [], running: 0, waiting: 0, bytes: 0 });
  expect(await of.files()).toEqual([]);
}

/** The same of an upload that its client, or the server, cut off: nobody was told when it was over. */
async function soonNothingLeft(): Promise<void> {
  await expect.poll(async () => (await server.get()).body).toMatchObject({ replays: [], running: 0, waiting: 0 });
  await expect.poll(() => server.files()).toEqual([]);
}

/** What comes on a connection, until it is of this form. */
async function until(socket: Socket, form: RegExp): Promise<void> {
  let text = '';
  while (!form.test(text)) text += String((await once(socket, 'data'))[0]);
}

describe('settings', () => {
  test.each([
    ['gogc=fast', 'gogc'],
    ['gogc=', 'gogc'],
    ['gogc=50,', 'gogc'],
    ['gogc=-1', 'gogc'],
    ['gogc=1.5', 'gogc'],
    ['gogc=2147483648', 'gogc'],
    ['memlimit=512MB', 'memlimit'],
    ['memlimit=off,-1', 'memlimit'],
    ['procs=0', 'procs'],
    ['procs=9', 'procs'],
    ['procs=1;2', 'procs'],
    ['arena=8MiB', 'arena'],
    ['clock=wall', 'clock'],
    ['clock=stw,concurrent', 'clock'],
    ['frees=never', 'frees'],
    ['scan=101', 'scan'],
    ['scan=some', 'scan'],
    ['realloc=old', 'realloc'],
    ['roots=table', 'roots'],
    ['threads=two', 'threads'],
    ['time=1h', 'time'],
    ['time=0/s', 'time'],
    ['time=2000000000ns', 'time'],
    ['time=recorded', 'time'],
    ['from=-1', 'from'],
    ['from=400', 'from'],
    ['from=10&to=10', 'to'],
    ['to=0', 'to'],
    ['loops=0', 'loops'],
    ['loops=10001', 'loops'],
    ['seed=x', 'seed'],
    ['variations=0', 'variations'],
    ['variations=33', 'variations'],
  ])('%s', async (query, field) => {
    const answer = await server.upload(`?${query}`, recording(200));
    expectProblem(answer, 400, 'invalid-setting', field);
    expect(answer.body.detail).toContain(answer.body.allowed);
    await nothingLeft();
  });

  it('a grid that is too large', async () => {
    const answer = await server.start('?gogc=1,2,3,4&procs=1,2', { example: 'jq' });
    expectProblem(answer, 422, 'grid-too-large');
    expect(answer.body.limit).toBe(6);
  });

  it('a name, a query field, a body', async () => {
    expectProblem(await server.start(`?name=${'x'.repeat(101)}`, { example: 'jq' }), 400, 'validation-failed', 'name');
    expectProblem(await server.start('?name=a%0ab', { example: 'jq' }), 400, 'validation-failed', 'name');
    expectProblem(await server.start('?gcpercent=50', { example: 'jq' }), 400, 'unknown-field', 'gcpercent');
    expectProblem(await server.start('?gogc=50&gogc=100', { example: 'jq' }), 400, 'validation-failed', 'gogc');
    expectProblem(await server.start('', {}), 400, 'validation-failed', 'body');
    expectProblem(await server.start('', { example: 'jq', replay: 'x' }), 400, 'validation-failed', 'body');
    expectProblem(await server.start('', { example: 7 }), 400, 'validation-failed', 'example');
    expectProblem(await server.start('', { file: '/etc/passwd' }), 400, 'unknown-field', 'file');
    await nothingLeft();
  });

  it('a content type', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expectProblem(await server.call('POST', '', 'x', form), 415, 'unsupported-media-type');
    const bare = await server.call('POST', '');
    expectProblem(bare, 415, 'unsupported-media-type');
    expect(bare.body.allowed).toEqual(['application/octet-stream', 'application/json']);
  });
});

describe('recordings', () => {
  const text = recording(3000);
  const packed = gzipSync(text);
  const damaged = Buffer.from(packed);
  damaged.fill(0xff, 200, 260);

  test.each<[string, string | Buffer, number, string]>([
    ['no bytes', '', 422, 'replay-empty'],
    ['no events', '= Start\n= End\n', 422, 'replay-empty'],
    ['text of another kind', 'To whom it may concern\n'.repeat(50), 422, 'replay-format'],
    ['binary garbage', Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251)), 422, 'replay-format'],
    ['an encrypted zip', Buffer.from(`PK\x03\x04\x14\0\x01\0${'\0'.repeat(100)}`, 'latin1'), 422, 'replay-format'],
    ['packed data that are damaged', damaged, 422, 'replay-damaged'],
    ['a size that no program asks for', '= Start\n@ a:[0x1] + 0x10 0xffffffffffffff\n', 422, 'replay-damaged'],
    ['too many bytes', `${recording(2000)}${' '.repeat(LIMIT)}`, 413, 'replay-too-large'],
    ['too much text', gzipSync(`${recording(500)}${'#\n'.repeat(2 ** 20)}`), 413, 'replay-too-large'],
    ['too many events', gzipSync(recording(12_000)), 413, 'replay-too-many-events'],
    ['too many objects', recording(1500, 1200), 413, 'replay-too-many-objects'],
  ])('with %s', async (_what, body, status, code) => {
    const answer = await server.upload('', body);
    expectProblem(answer, status, code);
    await nothingLeft();
  });

  it('with too many bytes, and no length told', async () => {
    const line = Buffer.from('@ app:[0x1] - 0x10\n'.repeat(500));
    const answer = await server
      .stream(
        '',
        Array.from({ length: 100 }, () => line),
      )
      .catch(() => undefined);
    // Who goes on sending may be cut off before it looks at the answer.
    if (answer !== undefined) expectProblem(answer, 413, 'replay-too-large');
    await soonNothingLeft();
  });

  it('that are cut off are replayed up to the cut', async () => {
    const { status, body } = await server.upload('?variations=1', packed.subarray(0, packed.length - 400));
    expect(status).toBe(202);
    expect(body.ingest).toMatchObject({ truncated: true, compression: 'gzip' });
    expect(body.ingest.events).toBeGreaterThan(1000);
    expect((await server.until(body.id, 'done')).state).toBe('done');
    expect((await server.call('DELETE', `/${body.id}`)).status).toBe(204);
    await nothingLeft();
  });

  it('that unpack to hundreds of times their size', async () => {
    const roomy = await replayServer();
    const gzip = createGzip({ level: 9 });
    const out: Buffer[] = [];
    gzip.on('data', (piece: Buffer) => out.push(piece));
    const line = Buffer.from(`${' '.repeat(2 ** 20)}\n`);
    gzip.write(recording(1000));
    for (let bytes = 0; bytes < 280 * 2 ** 20; bytes += line.length) {
      if (!gzip.write(line)) await once(gzip, 'drain');
    }
    gzip.end();
    await once(gzip, 'end');
    expectProblem(await roomy.upload('', Buffer.concat(out)), 413, 'replay-bomb');
    await nothingLeft(roomy);
  });
});

describe('an upload', () => {
  it('that the client gives up leaves nothing behind', async () => {
    const half = server.halfUpload('', recording(2000));
    await expect.poll(async () => (await server.get()).body.waiting).toBe(1);
    const [seen] = (await server.get()).body.replays;
    expect(seen).toMatchObject({ state: 'parsing', source: 'upload', hash: null, ingest: null });
    half.end('destroy');
    await soonNothingLeft();
    await nothingLeft();
  });

  it('that is cancelled is told so', async () => {
    const half = server.halfUpload('', recording(2000));
    await expect.poll(async () => (await server.get()).body.waiting).toBe(1);
    const [{ id }] = (await server.get()).body.replays;
    expectProblem(await server.get(`/${id}/results/0`), 409, 'replay-not-done');
    expectProblem(await server.get(`/${id}/map?event=0`), 409, 'replay-not-done');
    expectProblem(await server.start('', { replay: id }), 409, 'replay-not-done');
    const cancelled = await server.call('DELETE', `/${id}`);
    expect(cancelled.body.state).toBe('cancelled');
    expect(await half.status).toBe(409);
    half.end('destroy');
    await nothingLeft();
  });

  it('that is longer than allowed is told so before it is sent', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      'POST /v1/replays HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\ncontent-length: 400000\r\n\r\n',
    );
    await until(socket, /^HTTP\/1\.1 413 .*replay-too-large/s);
    socket.destroy();
    await nothingLeft();
  });

  it('that is refused half-way is told so while it is sent, and the connection can be used again', async () => {
    // The server reads what is left for a while. Here that is as long as it takes.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const socket = connect(server.port, '127.0.0.1');
    const garbage = 'no recording at all, '.repeat(8000);
    const rest = 'and more of it';
    socket.write(
      'POST /v1/replays HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n' +
        `content-length: ${garbage.length + rest.length}\r\n\r\n${garbage}`,
    );
    await until(socket, /^HTTP\/1\.1 422 .*\r\n\r\n.*\}/s);
    socket.write(`${rest}GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    await until(socket, /^HTTP\/1\.1 200 /);
    socket.destroy();
    vi.useRealTimers();
    await nothingLeft();
  });
});
