/** POST …/batch in its three formats. */

import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { BatchOp, Flag } from '../../src/sched/ops.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

let t: TestApp;
beforeAll(async () => {
  t = await testApp({ GOHEAP_MAX_BATCH: '20000' });
});
afterAll(async () => {
  await t.check();
  await t.close();
});

describe('JSON', () => {
  it('carries out operations in order, on one P', async () => {
    const { status, headers, body } = await t.post('batch', {
      ops: [
        { op: 'alloc', size: 64 },
        { op: 'free', ref: 0, reuse: 'immediate' },
        { op: 'alloc', size: 64 },
        { op: 'alloc', size: 64, noscan: false },
      ],
      p: 1,
    });
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(body).toMatchObject({ done: 4, failed: 0 });
    expect(body.results[1]).toEqual({});
    expect(body.results[2].address).toBe(body.results[0].address);
    expect(body.results[3].servedBy).toBeDefined();
  });

  it('reports one bad operation among thousands, and does the rest', async () => {
    const ops = Array.from({ length: 5000 }, () => ({ op: 'alloc', size: 32 }) as Record<string, unknown>);
    ops[3141] = { op: 'alloc', size: 1.5 };
    ops[4999] = { op: 'free', address: '0x10' };
    const before = (await t.get('memstats')).body.Mallocs;
    const { body } = await t.post('batch', { ops });
    expect([body.done, body.failed, body.results.length]).toEqual([4998, 2, 5000]);
    expect(body.results[3141].error).toMatchObject({ code: 'invalid-size', index: 3141, field: 'size' });
    expect(body.results[4999].error).toMatchObject({ code: 'address-outside-heap', index: 4999 });
    expect((await t.get('memstats')).body.Mallocs - before).toBe(4998);
  });

  test.each([
    [{ op: 'alloc', size: -1 }, 'invalid-size'],
    [{ op: 'alloc', size: 2 ** 31 }, 'object-too-large'],
    [{ op: 'alloc', size: 2 ** 53 }, 'object-too-large'],
    [{ op: 'alloc', size: '12' }, 'invalid-size'],
    [{ op: 'alloc', size: null }, 'invalid-size'],
    [{ op: 'alloc' }, 'invalid-size'],
    [{ op: 'alloc', size: 8, noscan: 1 }, 'validation-failed'],
    [{ op: 'alloc', size: 8, colour: 1 }, 'unknown-field'],
    [{ op: 'alloc', size: 8, pointers: [4] }, 'validation-failed'],
    [{ op: 'alloc', size: 8, pointers: [-1] }, 'validation-failed'],
    [{ op: 'alloc', size: 8, site: 7 }, 'validation-failed'],
    [{ op: 'alloc', size: 8, site: [] }, 'validation-failed'],
    [{ op: 'alloc', size: 8, site: ['main', ''] }, 'validation-failed'],
    [{ op: 'alloc', size: 8, site: ['main', null] }, 'validation-failed'],
    [{ op: 'alloc', size: 8, site: ['main;handler'] }, 'validation-failed'],
    [{ op: 'alloc', size: 8, site: Array.from({ length: 129 }, () => 'f') }, 'validation-failed'],
    [{ op: 'alloc', size: 8, site: ['x'.repeat(512), 'y'.repeat(512)] }, 'validation-failed'],
    [{ op: 'alloc', size: 8, root: 'no' }, 'validation-failed'],
    [{ op: 'alloc', size: 8, store: { word: 0 } }, 'invalid-address'],
    [{ op: 'alloc', size: 8, store: { address: '0xc000000000', word: -1 } }, 'validation-failed'],
    [{ op: 'free' }, 'invalid-address'],
    [{ op: 'free', address: 'c0' }, 'invalid-address'],
    [{ op: 'free', address: '0xc003fff000' }, 'never-allocated'],
    [{ op: 'free', ref: 1 }, 'invalid-reference'],
    [{ op: 'free', ref: -1 }, 'invalid-reference'],
    [{ op: 'free', ref: 0.5 }, 'invalid-reference'],
    [{ op: 'free', ref: '0' }, 'invalid-reference'],
    [{ op: 'free', ref: 0, address: '0xc000000000' }, 'validation-failed'],
    [{ op: 'free', ref: 0, reuse: 'later' }, 'validation-failed'],
    [{ op: 'free', ref: 0, size: 1 }, 'unknown-field'],
    [{ op: 'launch' }, 'validation-failed'],
    [null, 'validation-failed'],
    [7, 'validation-failed'],
    [[], 'validation-failed'],
  ])('%j is %s, and its neighbours are done', async (bad, code) => {
    const { body } = await t.post('batch', { ops: [{ op: 'alloc', size: 8 }, bad, { op: 'free', ref: 0 }] });
    expect([body.done, body.failed]).toEqual([2, 1]);
    expect(body.results[1].error).toMatchObject({ code, index: 1 });
    expect(body.results[2]).toEqual({});
  });

  it('knows sites, stores and references in one batch', async () => {
    const { body } = await t.post('batch', {
      ops: [
        { op: 'alloc', size: 64, pointers: [0, 1] },
        { op: 'alloc', size: 32, site: 'main;a', store: { ref: 0, word: 1 }, root: false },
        { op: 'alloc', size: 40_000, store: { ref: 0, word: 5 } },
        { op: 'alloc', size: 16 },
        { op: 'free', ref: 3 },
        { op: 'free', ref: 4 },
        { op: 'free', ref: 3 },
      ],
    });
    const [holder, held, failed, , freed, noAlloc, twice] = body.results;
    expect(failed.error).toMatchObject({ code: 'not-pointer-word', index: 2 });
    expect(freed).toEqual({});
    expect(noAlloc.error.code).toBe('invalid-reference');
    expect(twice.error.code).toBe('already-freed');
    const object = (await t.get(`objects/${held.address}`)).body;
    expect(object).toMatchObject({ rooted: false, site: 'main;a' });
    const pointers = (await t.get(`objects/${holder.address}`)).body.pointers;
    expect(pointers).toContainEqual({ word: 1, value: held.address });
    // The object whose store failed is not kept.
    expect((await t.get('spans?class=0')).body.spans).toEqual([]);
  });

  it('takes a site as frames', async () => {
    const ops = [{ op: 'alloc', size: 24, site: ['main', 'loop'] }];
    const { body } = await t.post('batch', { ops });
    expect((await t.get(`objects/${body.results[0].address}`)).body.site).toBe('main;loop');
  });

  test.each([
    [[], 'validation-failed', 'body'],
    [{}, 'validation-failed', 'ops'],
    [{ ops: {} }, 'validation-failed', 'ops'],
    [{ ops: [], more: 1 }, 'unknown-field', 'more'],
    [{ ops: [], p: '1' }, 'invalid-p', 'p'],
    [{ ops: [{ op: 'alloc', size: 1 }], p: 2 }, 'invalid-p', 'p'],
  ])('refuses the body %j', async (body, code, field) => {
    expectProblem(await t.post('batch', body), 400, code, field);
  });

  // Each text is sent as it is, which the scanner may read, and behind an op that only the builder knows.
  it.each([
    '{"op":"alloc","size":64}',
    ' { "size" : 0 ,\n"op" : "alloc" , "noscan" : false } ',
    '{"op":"alloc","size":1073741824}',
    '{"op":"alloc","size":1073741825}',
    '{"op":"alloc","size":1e2}',
    '{"op":"alloc","size":1.0}',
    '{"op":"alloc","size":-0}',
    '{"op":"alloc","size":9007199254740993}',
    '{"op":"alloc","size":8,"size":16}',
    '{"op":"alloc","size":8,"reuse":"sweep"}',
    '{"op":"alloc","size":8,"ref":0}',
    '{"\\u006fp":"alloc","size":8}',
    '{"op":"free","address":"0x10"}',
    '{"op":"free","address":"0x00000000000000010"}',
    '{"op":"free","address":"0x"}',
    '{"op":"free","address":"0xAB"}',
    '{"op":"free","ref":1,"reuse":"sweep"}',
    '{"op":"free","ref":0,"noscan":true}',
    '{"op":"free","reuse":"immediate"}',
    '{"op":"free","__proto__":{}}',
    '{"op":"alloc","size":8,"__proto__":null}',
    '{}',
  ])('%s means the same, however it is read', async (text) => {
    const headers = { 'content-type': 'application/json' };
    const send = async (first: string) => {
      const payload = `{"ops":[${first},${text}],"p":0}`;
      const { status, body } = await t.call('POST', 'batch', payload, headers);
      const [, { address, error }] = body.results;
      if (address !== undefined) await t.post('free', { address, reuse: 'immediate', p: 0 });
      return { status, allocated: address !== undefined, error, done: body.done };
    };
    const scanned = await send('{"op":"alloc","size":8}');
    expect(await send('{"op":"alloc","size":8,"root":true}')).toEqual(scanned);
  });

  it.each([
    '',
    '{',
    '{"ops":[}',
    '{"ops":[{"op":"alloc","size":01}]}',
    '{"ops":[],}',
    '{"ops":[]}x',
    '{"ops":[{"op":"alloc","size":8},]}',
  ])('refuses %j, which is not JSON', async (text) => {
    expectProblem(await t.call('POST', 'batch', text, { 'content-type': 'application/json' }), 400, 'invalid-json');
  });

  it('takes an empty batch, and refuses too large a one', async () => {
    expect((await t.post('batch', { ops: [] })).body).toEqual({ results: [], done: 0, failed: 0 });
    const answer = await t.post('batch', { ops: Array(20_001).fill(0) });
    expectProblem(answer, 413, 'batch-too-large');
    expect(answer.body.limit).toBe(20_000);
  });
});

describe('NDJSON', () => {
  const send = (text: string, path = 'batch') => t.call('POST', path, text, { 'content-type': 'application/x-ndjson' });
  const lines = (raw: Buffer) =>
    raw
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));

  it('answers a line a line, and knows references across windows', async () => {
    const text = Array.from({ length: 2500 }, () => '{"op":"alloc","size":24}').join('\n');
    const answer = await send(`${text}\n{"op":"free","ref":3}\n\n{"op":"free","ref":3}\n{"op":"free","ref":2499}`);
    const out = lines(answer.raw);
    expect(out).toHaveLength(2503);
    expect(new Set(out.slice(0, 2500).map((r) => r.address)).size).toBe(2500);
    expect(out[2500]).toEqual({});
    expect(out[2501].error).toMatchObject({ code: 'already-freed', index: 2501 });
    expect(out[2502]).toEqual({});
  });

  it('takes a site as frames', async () => {
    const [out, bad] = lines(
      (await send('{"op":"alloc","size":9,"site":["a","b"]}\n{"op":"alloc","size":9,"site":[""]}')).raw,
    );
    expect((await t.get(`objects/${out.address}`)).body.site).toBe('a;b');
    expect(bad.error).toMatchObject({ code: 'validation-failed', field: 'site', index: 1 });
  });

  it('reports bad lines where they stand', async () => {
    const out = lines(
      (await send('{"op":"alloc","size":1}\nnonsense\n{"op":"alloc","size":-1}\n{"op":"free","ref":0}')).raw,
    );
    expect(out.map((r) => r.error?.code)).toEqual([undefined, 'invalid-json', 'invalid-size', undefined]);
    expect(out[2].error.index).toBe(2);
  });

  it('ends at a line that is too long', async () => {
    const out = lines((await send(`{"op":"alloc","size":1}\n${' '.repeat(70_000)}\n{"op":"alloc","size":1}`)).raw);
    expect(out.at(-1).error.code).toBe('invalid-record');
  });

  it('pins to a P, and refuses one that is not there', async () => {
    expect((await send('{"op":"alloc","size":1}', 'batch?p=1')).status).toBe(200);
    expectProblem(await send('', 'batch?p=2'), 400, 'invalid-p', 'p');
    expectProblem(await send('', 'batch?p=x'), 400, 'invalid-p', 'p');
    expectProblem(await send('', 'batch?q=1'), 400, 'unknown-field', 'q');
  });
});

describe('binary', () => {
  const TYPE = { 'content-type': 'application/vnd.goheap.batch' };
  const body = (...records: (readonly [op: number, flags: number, a: number, lo: number, hi: number])[]) => {
    const words = records.flatMap(([op, flags, a, lo, hi]) => [op | (flags << 8), a, lo, hi]);
    return Buffer.from(Int32Array.from(words).buffer);
  };
  const status = (raw: Buffer, i: number) => raw[i * 8 + 6];

  it('runs records as they are', async () => {
    const records = body(
      [BatchOp.alloc, Flag.noscan, 0, 64, 0],
      [BatchOp.free, Flag.byRef | Flag.immediate, 0, 0, 0],
      [BatchOp.alloc, Flag.noscan, 0, 64, 0],
      [BatchOp.free, 0, 0, 16, 0],
    );
    for (const type of [TYPE, { 'content-type': 'application/octet-stream' }]) {
      const { status: code, headers, raw } = await t.call('POST', 'batch?p=0', records, type);
      expect([code, headers['content-type'], raw.length]).toEqual([200, TYPE['content-type'], 32]);
      expect(raw.readBigUInt64LE(0) & 0xffffffffffffn).toBe(raw.readBigUInt64LE(16) & 0xffffffffffffn);
      expect([0, 1, 2, 3].map((i) => status(raw, i))).toEqual([0, 0, 0, 1]);
    }
  });

  it('takes ten thousand', async () => {
    const all = Array.from({ length: 10_000 }, () => [BatchOp.alloc, Flag.noscan, 0, 48, 0] as const);
    const { raw } = await t.call('POST', 'batch', body(...all), TYPE);
    const addresses = new BigUint64Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
    expect(new Set([...addresses].map((a) => a & 0xffffffffffffn)).size).toBe(10_000);
  });

  it('refuses what is no batch, and carries nothing of it out', async () => {
    const before = (await t.get('memstats')).body.Mallocs;
    const good = body([BatchOp.alloc, Flag.noscan, 0, 64, 0]);
    const send = (bytes: Buffer) => t.call('POST', 'batch', bytes, TYPE);
    expectProblem(await send(good.subarray(0, 15)), 400, 'invalid-record');
    for (const bad of [body([9, 0, 0, 0, 0]), body([0, 0, 0, 0, 0]), body([BatchOp.alloc, 0, 77, 64, 0])]) {
      const answer = await send(Buffer.concat([good, bad]));
      expectProblem(answer, 400, 'invalid-record');
      expect(answer.body.index).toBe(1);
    }
    expectProblem(await send(body([BatchOp.alloc, 1, 0, 0, 1])), 422, 'object-too-large');
    expectProblem(await send(body([BatchOp.alloc, 1, 0, -1, -1])), 422, 'object-too-large');
    expectProblem(await send(Buffer.alloc(20_001 * 16)), 413, 'batch-too-large');
    expect((await send(Buffer.alloc(0))).raw.length).toBe(0);
    expect((await t.get('memstats')).body.Mallocs).toBe(before);
  });
});
