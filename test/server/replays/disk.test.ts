/** Results on disk: read while they are written and while they are moved, and only as they were written. */

import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SimResult } from '../../../src/replay/result.js';
import { DamagedError, Disk, type Kept, type Places, Results } from '../../../src/server/replays/disk.js';
import { CORE, PARTS } from '../../../src/server/replays/parts.js';

let root: string;
let disk: Disk;
const ID = 'abcdefghijkl';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'goheap-test-disk-'));
  disk = await Disk.open(join(root, 'a', 'b'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Something of every part, told apart by its number. */
function result(n: number): SimResult {
  const parts = Object.fromEntries(PARTS.map((part) => [part, [part, n, 'x'.repeat(n)]]));
  return { version: 1, headline: { events: n }, warnings: [], ...parts } as unknown as SimResult;
}

async function read(results: Results, places: Places): Promise<unknown> {
  const texts = [(await results.read(places[CORE])).toString()];
  for (const part of PARTS) texts.push(`,"${part}":`, (await results.read(places[part])).toString());
  return JSON.parse(`${texts.join('')}}`);
}

it('makes its directory for its user alone', async () => {
  expect((await stat(disk.replays)).mode & 0o777).toBe(0o700);
  expect((await stat(disk.traces)).mode & 0o777).toBe(0o700);
});

it('keeps results that are written at the same time apart', async () => {
  const results = await Results.create(disk, ID);
  const places = await Promise.all([3, 100_000, 7].map((n) => results.append(result(n))));
  for (const [i, n] of [3, 100_000, 7].entries()) expect(await read(results, places[i])).toEqual(result(n));
  await results.discard();
  expect(await readdir(disk.replays)).toEqual([]);
});

it('is read before, while and after it gets its name', async () => {
  const results = await Results.create(disk, ID);
  const places = await results.append(result(50_000));
  expect(await readdir(disk.replays)).toEqual([`.${ID}.${process.pid}.partial`]);
  const reading = [read(results, places), read(results, places)];
  const committing = results.commit({ kept: 1, id: ID } as Kept);
  reading.push(read(results, places));
  await committing;
  reading.push(read(results, places));
  for (const each of await Promise.all(reading)) expect(each).toEqual(result(50_000));
  expect(await readdir(disk.replays)).toEqual([ID]);
  expect(await read(Results.kept(disk, ID), places)).toEqual(result(50_000));
});

it('is not read as anything else than what was written', async () => {
  const results = await Results.create(disk, ID);
  const places = await results.append(result(100));
  const [offset, length, crc] = places.cycles;
  for (const place of [
    [offset + 1, length, crc],
    [offset, length - 1, crc],
    [offset, length, crc ^ 1],
    [offset, length + 1_000_000, crc],
  ] as const) {
    await expect(results.read(place)).rejects.toThrow(DamagedError);
  }
  await results.commit({ kept: 1, id: ID } as Kept);
  await disk.remove(ID);
  await expect(results.read(places.cycles)).rejects.toThrow(DamagedError);
});
