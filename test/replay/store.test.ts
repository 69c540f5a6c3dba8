/** The stream between threads, on disk, and from disk. Threads are the compiled ones. */
import { spawnSync } from 'node:child_process';
import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHUNK_RECORDS, newIngestReport, ReplayInputError } from '../../src/replay/events.js';
import { type ParseProgress, parse } from '../../src/replay/parse.js';
import { STRIDE } from '../../src/replay/savedtrace.js';
import { TraceStore } from '../../src/replay/store.js';
import { type Reading, readFile, recording } from './readers/support.js';

const dist = join(import.meta.dirname, '../../dist/src/replay');
const scratch = mkdtempSync(join(tmpdir(), 'goheap-store-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A stream of `count` records, chunk k's words all k. */
function fill(store: TraceStore, count: number): void {
  const writer = store.writer();
  for (let chunk = 0; chunk * CHUNK_RECORDS < count; chunk++) {
    const records = Math.min(CHUNK_RECORDS, count - chunk * CHUNK_RECORDS);
    writer.write(new Int32Array(2 * CHUNK_RECORDS).fill(chunk), records, chunk + 1);
  }
  writer.complete({ ...newIngestReport('test'), events: count });
}

function expectFilled(store: TraceStore, count: number): void {
  const reader = store.reader();
  for (let round = 0; round < 2; round++) {
    let left = count;
    for (let chunk = 0; left > 0; chunk++) {
      const next = reader.next()!;
      expect(next.records).toBe(Math.min(left, CHUNK_RECORDS));
      expect(next.slots).toBe(chunk + 1);
      expect(next.words.subarray(0, next.records * 2).every((word) => word === chunk)).toBe(true);
      left -= next.records;
    }
    expect(reader.next()).toBeNull();
    expect(reader.next()).toBeNull();
    reader.seek();
  }
  expect(reader.report()).toMatchObject({ format: 'test', events: count });
}

const COUNT = 5 * CHUNK_RECORDS + 17;

describe('one thread', () => {
  test.each([
    ['in memory', undefined],
    ['partly in a file', 2 * STRIDE],
    ['in a file', 0],
  ])('%s', (_, memory) => {
    const store = TraceStore.create({ memory, directory: scratch });
    fill(store, COUNT);
    expectFilled(store, COUNT);
    expect(store.bytes).toBe(6 * STRIDE);
    // The file has no name, so nothing can be left behind.
    expect(readdirSync(scratch)).toEqual([]);
    store.close();
    store.close();
  });

  test('no place for a file matters only to those who need one', () => {
    const directory = join(scratch, 'nowhere');
    const small = TraceStore.create({ directory });
    fill(small, COUNT);
    expectFilled(small, COUNT);
    const large = TraceStore.create({ directory, memory: STRIDE });
    expect(() => fill(large, COUNT)).toThrow(ReplayInputError);
    expect(() => fill(large, COUNT)).toThrow(/no temporary file can be made/);
  });

  test('a full disk', () => {
    // The shell limits the size of files, in KiB; SIGXFSZ ignored, a write then fails as on a full disk.
    const script = `
      import { TraceStore } from ${JSON.stringify(pathToFileURL(join(dist, 'store.js')).href)};
      import { fstatSync } from 'node:fs';
      const store = TraceStore.create({ memory: 0, directory: ${JSON.stringify(scratch)} });
      const words = new Int32Array(${2 * CHUNK_RECORDS});
      try {
        for (let i = 0; i < 10; i++) store.writer().write(words, ${CHUNK_RECORDS}, 1);
        const writer = store.writer();
        for (let i = 0; i < 10; i++) writer.write(words, ${CHUNK_RECORDS}, 1);
      } catch (error) {
        console.log(error.code, error.message, fstatSync(store.handle.fd).size);
      }`;
    const file = join(scratch, 'full.mjs');
    writeFileSync(file, script);
    const { stdout } = spawnSync('bash', ['-c', `trap '' XFSZ; ulimit -f 2048; exec "${process.execPath}" "${file}"`]);
    rmSync(file);
    expect(stdout.toString()).toMatch(/^replay-spool .*temporary file cannot be written: .* 0\n$/);
    expect(readdirSync(scratch)).toEqual([]);
  });

  test("an error of the parser is the readers' too, after what came before it", () => {
    const store = TraceStore.create();
    const writer = store.writer();
    writer.write(new Int32Array(2), 1, 1);
    writer.fail(new ReplayInputError('replay-size', 'line 7: no'));
    const reader = store.reader();
    expect(reader.next()).toMatchObject({ records: 1 });
    expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'replay-size', message: 'line 7: no' }));
    expect(() => reader.report()).toThrow('line 7: no');
    store.close();
  });
});

describe('saved', () => {
  const path = join(scratch, 'saved');

  test('and opened again, though the file be gone meanwhile', async () => {
    for (const memory of [undefined, STRIDE]) {
      const store = TraceStore.create({ memory });
      fill(store, COUNT);
      await store.save(path);
      store.close();
      const opened = TraceStore.open(path);
      rmSync(path);
      expectFilled(opened, COUNT);
      opened.close();
    }
  });

  test('what is damaged is refused', async () => {
    const store = TraceStore.create();
    fill(store, COUNT);
    await store.save(path);
    store.close();
    const whole = readFileSync(path);
    const refuses = (why: RegExp) => {
      expect(() => TraceStore.open(path)).toThrow(expect.objectContaining({ code: 'replay-saved' }));
      expect(() => TraceStore.open(path)).toThrow(why);
    };
    truncateSync(path, whole.length - 8);
    refuses(/damaged/);
    truncateSync(path, 10);
    refuses(/no saved stream/);
    writeFileSync(path, whole.fill(99, 8, 12));
    refuses(/version/);
    writeFileSync(path, whole.fill(0, 0, 4));
    refuses(/no saved stream/);
    expect(readdirSync(scratch)).toEqual(['saved']);
    rmSync(path);
  });

  test('an incomplete stream is not saved, and leaves nothing', async () => {
    const store = TraceStore.create();
    await expect((async () => store.save(path))()).rejects.toThrow('still being read');
    store.close();
    expect(readdirSync(scratch)).toEqual([]);
  });
});

/** Readers in threads of their own: each answers with a checksum of all words, or an error. */
function readersOf(store: TraceStore, count: number): Promise<unknown>[] {
  const code = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { TraceReader } from ${JSON.stringify(pathToFileURL(join(dist, 'store.js')).href)};
    const reader = new TraceReader(workerData);
    let sum = 0, records = 0;
    try {
      for (let c = reader.next(); c !== null; c = reader.next()) {
        records += c.records;
        for (let i = 0; i < 2 * c.records; i++) sum = (Math.imul(sum, 31) + c.words[i]) | 0;
      }
      parentPort.postMessage({ sum, records, events: reader.report().events });
    } catch (error) { parentPort.postMessage({ code: error.code, message: error.message }); }`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  return Array.from(
    { length: count },
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(url, { workerData: store.handle });
        worker.once('message', resolve);
        worker.once('error', reject);
      }),
  );
}

describe('threads', () => {
  const file = recording('examples/sqlite3.mtrace.gz');
  let read: Reading;
  let sum = 0;
  beforeAll(async () => {
    read = await readFile(file);
    for (const word of read.words) sum = (Math.imul(sum, 31) + word) | 0;
  });

  test.each([
    ['in memory', undefined, { path: file }],
    ['in a file', STRIDE, { path: file }],
    ['an upload', undefined, { stream: createReadStream(file, { highWaterMark: 10_000 }) }],
  ])('two read while one parses: %s', async (_, memory, source) => {
    const { words, report } = read;
    const store = TraceStore.create({ memory });
    const readers = readersOf(store, 2);
    const told: ParseProgress[] = [];
    const parsed = await parse(source, store, { onProgress: (progress) => told.push(progress) });
    expect(parsed.report).toEqual(report);
    expect(parsed.hash).toBe('0d78f6e91da55982cee3d1d512b67cb50bfce4acb030fcff16bc66c4aa205c9e');
    const answer = { sum, records: words.length / 2, events: report.events };
    expect(await Promise.all(readers)).toEqual([answer, answer]);
    expect(store.reader().report()).toEqual(report);
    for (const { bytes, total } of told) expect(bytes).toBeLessThanOrEqual(total || report.bytes);
    store.close();
  });

  test('what follows the end of packed data belongs to the file', async () => {
    const path = join(scratch, 'trailing.gz');
    const bytes = Buffer.concat([readFileSync(recording('examples/jq.mtrace.gz')), Buffer.alloc(500_000)]);
    writeFileSync(path, bytes);
    const store = TraceStore.create();
    const { createHash } = await import('node:crypto');
    expect((await parse({ path }, store)).hash).toBe(createHash('sha256').update(bytes).digest('hex'));
    store.close();
    rmSync(path);
  });

  test('an upload that is no recording is not read to its end', async () => {
    let given = 0;
    async function* endless() {
      for (;;) {
        given++;
        yield Buffer.alloc(1 << 20, 'noise\n');
      }
    }
    const store = TraceStore.create();
    const readers = readersOf(store, 1);
    const failure = { code: 'replay-format', message: expect.stringContaining('noise') };
    await expect(parse({ stream: endless() }, store)).rejects.toMatchObject(failure);
    expect(await Promise.all(readers)).toEqual([failure]);
    expect(given).toBeLessThan(50);
    store.close();
  });

  test('an upload that breaks off', async () => {
    async function* broken() {
      yield Buffer.from('= Start\n+ 0x10 0x10\n');
      throw new Error('socket hang up');
    }
    const store = TraceStore.create();
    const failure = { code: 'replay-upload', message: 'the upload broke off: socket hang up' };
    await expect(parse({ stream: broken() }, store)).rejects.toMatchObject(failure);
    store.close();
  });

  test('given up: the parser ends, and readers are told', async () => {
    const stop = new AbortController();
    async function* slow() {
      yield Buffer.from('= Start\n+ 0x10 0x10\n');
      stop.abort(new Error('enough'));
      await new Promise(() => {});
    }
    const store = TraceStore.create();
    const readers = readersOf(store, 1);
    await expect(parse({ stream: slow() }, store, { signal: stop.signal })).rejects.toThrow('enough');
    expect(await Promise.all(readers)).toEqual([{ code: 'replay-failed', message: 'enough' }]);
    store.close();
  });

  test.each([
    ['/no/such/file', /no such file/],
    [tmpdir(), /is a directory/],
  ])('%s', async (path, message) => {
    const store = TraceStore.create();
    await expect(parse({ path }, store)).rejects.toMatchObject({
      code: 'replay-file',
      message: expect.stringMatching(message),
    });
    store.close();
  });
});
