/**
 * Objects that a heap could never hold: refused as too large (422), wherever they are asked for, while those that have no room
 * now are told that the heap is full (507).
 */

import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { BatchOp, Flag } from '../../src/sched/ops.js';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

const MiB = 2 ** 20;
const RESERVE = 64 * MiB;
const BINARY = 'application/vnd.goheap.batch';

let t: TestApp;
beforeAll(async () => {
  t = await testApp({ GOHEAP_RESERVE: '64MiB' });
});
afterAll(() => t.close());

const alloc = (size: number): string => JSON.stringify({ op: 'alloc', size });
const record = (size: number): Buffer => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(BatchOp.alloc | (Flag.noscan << 8), 0);
  bytes.writeBigUInt64LE(BigInt(size), 8);
  return bytes;
};
const send = (type: string, payload: unknown) => t.call('POST', 'batch', payload, { 'content-type': type });
const mallocs = async (): Promise<number> => (await t.get('memstats')).body.Mallocs;

/** Beyond the reservation, beyond GOHEAP_MAX_OBJECT (1 GiB), beyond what a number holds exactly. */
const NEVER = [RESERVE + 1, 2 ** 30, 2 ** 30 + 1, 2 ** 53];

describe.each(NEVER)('an object of %d bytes', (size) => {
  test.each<[string, object]>([
    ['alone', {}],
    ['with pointers', { noscan: false }],
    ['with a count', { count: 2 }],
    ['with a store', { store: { address: '0xc000000000', word: 0 } }],
  ])('is too large, %s', async (_how, more) => {
    const before = await mallocs();
    const answer = await t.post('alloc', { size, ...more });
    expectProblem(answer, 422, 'object-too-large', 'size');
    expect(answer.body.limit).toBe(size > 2 ** 30 ? 2 ** 30 : RESERVE);
    expect(await mallocs()).toBe(before);
  });

  test.each<[string, string, (text: string) => string]>([
    ['JSON', 'application/json', (op) => `{"ops":[${alloc(8)},${op}]}`],
    ['NDJSON', 'application/x-ndjson', (op) => `${alloc(8)}\n${op}\n`],
  ])('is too large, in a batch of %s', async (_name, type, payload) => {
    const before = await mallocs();
    const { raw, status } = await send(type, payload(alloc(size)));
    expect(status).toBe(200);
    const found = /\{"error":(\{[^}]*\})\}/.exec(raw.toString())?.[1] ?? '{}';
    expect(JSON.parse(found)).toMatchObject({ code: 'object-too-large', field: 'size', limit: RESERVE, index: 1 });
    expect((await mallocs()) - before).toBe(1);
  });

  it('is too large, in a binary batch, of which nothing is carried out', async () => {
    const before = await mallocs();
    const answer = await send(BINARY, Buffer.concat([record(8), record(size)]));
    expectProblem(answer, 422, 'object-too-large');
    expect(answer.body).toMatchObject({ index: 1, limit: RESERVE });
    expect(await mallocs()).toBe(before);
  });
});

it('one that fits an empty heap is allocated; a second then has no room, which is no fault of its own', async () => {
  await t.renew();
  expect((await t.post('alloc', { size: RESERVE })).status).toBe(201);
  expectProblem(await t.post('alloc', { size: RESERVE }), 507, 'reservation-exhausted');
  expectProblem(await t.post('alloc', { size: 40_000 }), 507, 'reservation-exhausted');
  const json = (await send('application/json', `{"ops":[${alloc(RESERVE)}]}`)).body;
  expect(json.results[0].error.code).toBe('reservation-exhausted');
  expect((await send(BINARY, record(RESERVE))).raw.readUInt8(6)).not.toBe(0);
  await t.check();
});

test.each([-1, 1.5, Number.NaN, '12'])('%j is no size', async (size) => {
  expectProblem(await t.post('alloc', { size }), 400, 'invalid-size', 'size');
});
