/** Short ways to collect over HTTP, and to look at what came of it; and the app with heaps as the server makes them. */

import { pino } from 'pino';
import { expect } from 'vitest';
import { buildApp } from '../../src/server/app.js';
import { type Config, defaultSettings, loadConfig } from '../../src/server/config.js';
import { heapFactory } from '../../src/server/factory.js';
import { Lifecycle } from '../../src/server/lifecycle.js';
import { HeapRegistry } from '../../src/server/registry.js';
import { TestApp } from './routes.js';

const BYTES = { 'content-type': 'application/octet-stream' };

/** As testApp, with heaps as the server makes them: GODEBUG counts. */
export async function debugApp(env: Record<string, string> = {}): Promise<TestApp> {
  const config: Config = loadConfig({ GOMAXPROCS: '2', GOHEAP_RESERVE: '256MiB', LOG_LEVEL: 'silent', ...env });
  const logger = pino({ level: 'silent' });
  const heaps = new HeapRegistry(heapFactory(config, logger), config.maxHeaps);
  const lifecycle = new Lifecycle();
  const app = await buildApp(config, { heaps, lifecycle, logger });
  await app.ready();
  lifecycle.serve();
  await heaps.put('t', defaultSettings(config));
  return new TestApp(app, heaps, lifecycle);
}

export const word = (value: string | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

export const plus = (address: string, bytes: number) => `0x${(Number.parseInt(address, 16) + bytes).toString(16)}`;

/** Of the app that `of` tells: it is made after this. */
export function gcClient(of: () => TestApp) {
  const collect = async () => {
    const { status, body } = await of().post('gc');
    expect(status, JSON.stringify(body)).toBe(200);
    return body;
  };
  const history = async (query = '') => (await of().get(`gc${query}`)).body;
  const stats = async () => (await of().get('memstats')).body;
  const free = async (...addresses: string[]) => {
    expect((await of().post('free', { addresses })).body).toEqual({ freed: addresses.length, refused: [] });
  };
  const point = async (from: string, word: number, to: string | null) => {
    const { status, body } = await of().call('PUT', `objects/${from}/pointers/${word}`, { address: to });
    expect(status, JSON.stringify(body)).toBe(200);
  };
  const write = async (address: string, bytes: Buffer, at = 0) => {
    const part = { ...BYTES, 'content-range': `bytes ${at}-${at + bytes.length - 1}/*` };
    const { body } = await of().call('PUT', `objects/${address}/data`, bytes, part);
    expect(body.written, JSON.stringify(body)).toBe(bytes.length);
  };
  const isThere = async (address: string): Promise<boolean> => {
    const { status, body } = await of().get(`objects/${address}`);
    if (status === 200) return true;
    expect([status, body.code]).toEqual([404, 'never-allocated']);
    return false;
  };
  return { collect, history, stats, free, point, write, isThere };
}
