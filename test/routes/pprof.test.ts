/** The heap profile: what pprof is told agrees with what was allocated and freed. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectProblem, type TestApp, testApp } from '../helper/routes.js';

interface Row {
  stack: string[];
  values: number[];
  labels: Record<string, string | number>;
}

async function fetchRaw(t: TestApp, path: string): Promise<Buffer> {
  const answer = await t.app.inject({ url: `/v1/heaps/t/${path}` });
  expect(answer.statusCode).toBe(200);
  return answer.rawPayload;
}

/** A profile as rows, read back with nothing but its format. */
function rows(file: Buffer): { rows: Row[]; types: string[]; period: number; shown: string } {
  const profile = Profile.decode(gunzipSync(file));
  const { strings } = profile.stringTable;
  const text = (i: number | bigint): string => strings[Number(i)];
  const functions = new Map(profile.function.map((f) => [Number(f.id), text(f.name)]));
  const locations = new Map(profile.location.map((l) => [Number(l.id), functions.get(Number(l.line[0].functionId))]));
  return {
    rows: profile.sample.map((sample) => ({
      stack: sample.locationId.map((id) => locations.get(Number(id)) as string),
      values: sample.value.map(Number),
      labels: Object.fromEntries(
        sample.label.map((l) => [text(l.key), Number(l.str) === 0 ? Number(l.num) : text(l.str)]),
      ),
    })),
    types: profile.sampleType.map((type) => `${text(type.type)}/${text(type.unit)}`),
    period: Number(profile.period),
    shown: text(profile.defaultSampleType),
  };
}

const of = (all: Row[], innermost: string): number[] =>
  all
    .filter((row) => row.stack[0] === innermost)
    .reduce((sum, row) => sum.map((n, i) => n + row.values[i]), [0, 0, 0, 0]);

describe('with every object sampled', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await testApp({ GODEBUG: 'memprofilerate=1', GOGC: 'off' });
  });
  afterAll(async () => {
    await t.check();
    await t.close();
  });

  it('counts each allocation under its site, and each free', async () => {
    const { addresses } = (await t.post('alloc', { size: 100, count: 50, site: 'main;work;a' })).body;
    await t.post('alloc', { size: 40_000, count: 3, site: 'main;b' });
    await t.post('alloc', { size: 24, noscan: false, p: 1 });
    await t.post('batch', {
      ops: [
        { op: 'alloc', size: 2000, site: 'main;work;a' },
        { op: 'free', ref: 0 },
      ],
    });
    await t.post('free', { addresses: addresses.slice(0, 20) });
    await t.post('free', { addresses: addresses.slice(20, 25), reuse: 'immediate' });
    await t.post('gc', {});
    const { rows: all, types, period, shown } = rows(await fetchRaw(t, 'debug/pprof/heap'));
    expect(types).toEqual(['alloc_objects/count', 'alloc_space/bytes', 'inuse_objects/count', 'inuse_space/bytes']);
    expect(period).toBe(1);
    expect(shown).toBe('inuse_space');
    expect(of(all, 'a')).toEqual([51, 50 * 112 + 2048, 25, 25 * 112]);
    expect(of(all, 'b')).toEqual([3, 3 * 40_960, 3, 3 * 40_960]);
    expect(of(all, '(no site)')).toEqual([1, 24, 1, 24]);
    expect(all.find((row) => row.stack[0] === 'a')?.stack).toEqual(['a', 'work', 'main']);
    expect(all.find((row) => row.stack[0] === '(no site)')?.labels).toEqual({ p: 1, bytes: 24, 'size class': '3' });
  });

  it('shows allocations first when asked for them, and collects first when asked to', async () => {
    const { address } = (await t.post('alloc', { size: 3000, site: 'main;c' })).body;
    await t.post('free', { address });
    expect(of(rows(await fetchRaw(t, 'debug/pprof/heap')).rows, 'c')).toEqual([1, 3072, 1, 3072]);
    const { rows: all, shown } = rows(await fetchRaw(t, 'debug/pprof/allocs?gc=1'));
    expect(shown).toBe('alloc_space');
    expect(of(all, 'c')).toEqual([1, 3072, 0, 0]);
  });

  it('is opened by go tool pprof', async (context) => {
    const go = process.env.GO ?? '/usr/lib/go-1.27/bin/go';
    if (!existsSync(go)) {
      console.log('pprof: no Go found (set GO to a go program); its own tool is not tried');
      context.skip();
    }
    const file = join(mkdtempSync(join(tmpdir(), 'goheap-')), 'heap.pb.gz');
    writeFileSync(file, await fetchRaw(t, 'debug/pprof/heap'));
    const env = { ...process.env, GOTOOLCHAIN: 'local' };
    const top = execFileSync(go, ['tool', 'pprof', '-top', '-sample_index=inuse_objects', file], { env }).toString();
    expect(top).toMatch(/\b25\b.* a\n/);
    expect(top).toContain('Type: inuse_objects');
    // Go builds the tool when it is first used, which takes half a minute or much longer.
  }, 900_000);

  it('refuses what it does not know', async () => {
    expectProblem(await t.get('debug/pprof/heap?debug=1'), 400, 'validation-failed', 'debug');
    expectProblem(await t.get('debug/pprof/heap?gc=yes'), 400, 'validation-failed', 'gc');
    expectProblem(await t.get('debug/pprof/heap?seconds=5'), 400, 'unknown-field');
  });

  it("has expvar's document", async () => {
    const vars = (await t.get('debug/vars')).body;
    const { body } = await t.get('memstats');
    expect(vars.memstats.Mallocs).toBe(body.Mallocs);
    expect(vars.cmdline).toContain('t');
  });
});

describe('sampled', () => {
  it('estimates what was allocated', async () => {
    const t = await testApp({ GODEBUG: 'memprofilerate=4096' });
    for (let i = 0; i < 8; i++)
      await t.post('alloc', { size: 512, count: 10_000, root: false, site: `main;s${i % 2}` });
    for (let i = 0; i < 3; i++) await t.post('alloc', { size: 16_384, count: 1000, root: false, site: 'main;big' });
    const { rows: all, period } = rows(await fetchRaw(t, 'debug/pprof/allocs'));
    expect(period).toBe(4096);
    // About 5,000 samples each: five per cent is more than three standard deviations.
    for (const site of ['s0', 's1']) expect(Math.abs(of(all, site)[0] / 40_000 - 1)).toBeLessThan(0.08);
    expect(Math.abs(of(all, 'big')[0] / 3000 - 1)).toBeLessThan(0.08);
    expect(of(all, 's0')[2]).toBeLessThanOrEqual(of(all, 's0')[0]);
    await t.check();
    await t.close();
  });

  it('can be off', async () => {
    const t = await testApp({ GODEBUG: 'memprofilerate=0' });
    await t.post('alloc', { size: 1 << 20, count: 20, site: 'main' });
    expect(rows(await fetchRaw(t, 'debug/pprof/heap')).rows).toEqual([]);
    await t.close();
  });
});
