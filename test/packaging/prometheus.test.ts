/**
 * A real Prometheus (Debian's) scrapes a real server through /v1/sd, and is asked everything that
 * the dashboards, the rules and the stock dashboards for Go ask: each question has to be PromQL and
 * to be answered with data.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RemoteHeap } from '../../bench/alerts/heap.js';
import { hasPrometheus, Prometheus, type Sample } from '../../bench/alerts/prometheus.js';
import { PROCESS_METRICS } from '../../src/telemetry/families-server.js';
import { HEAP_TABLE, SERVER_TABLE, SPANS_TABLE } from '../../src/telemetry/table.js';
import { Server } from '../console/server.js';
import { committed, filledIn, panelQueries, root, seriesOf } from './dashboards.js';
import { STOCK } from './stock-dashboards.js';

const CLI = join(root, 'dist/src/cli.js');
const missing = !hasPrometheus()
  ? 'prometheus is not installed: nothing scrapes the server in this run'
  : !existsSync(CLI)
    ? 'dist is missing (npm run build): no server to scrape'
    : undefined;
if (missing !== undefined) console.log(missing);

/**
 * Scrapes under load before the questions. Prometheus takes up new targets every five seconds, so
 * this takes some more.
 */
const WARM_UP = 8;

/** Times that a question is asked again, half a second apart, before it counts as not answered. */
const AGAIN = 100;

/** Panels with a query that this load leaves without data, and why. */
const EMPTY: Readonly<Record<string, string>> = {
  'goheap / Requests': 'no request fails with 5xx: that series is made by the first one',
};

const server = new Server({ GOHEAP_RESERVE: '1GiB' });
let url: string;
let prometheus: Prometheus;
let loaded = true;
let load: Promise<unknown>;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * A bit of everything: every kind of allocation, frees of both kinds, pointers, cycles, requests
 * that are refused.
 */
async function work(heap: RemoteHeap): Promise<void> {
  let kept: number[] = [];
  for (let round = 0; loaded; round++) {
    const tiny = await heap.alloc(500, 7);
    const small = await heap.alloc(3000, 24 + ((round * 40) % 900));
    const scan = await heap.alloc(1000, 64, { scan: true });
    const large = await heap.alloc(2, 200_000);
    await heap.send(RemoteHeap.pairs(2000, 48));
    const hex = (address: number): string => `0x${address.toString(16)}`;
    for (let i = 0; i < 10; i++) {
      await heap.json('PUT', `/objects/${hex(scan[i])}/pointers/0`, { address: hex(scan[i + 10]) });
    }
    await heap.json('POST', '/alloc', { size: 80, site: 'main;test' });
    await heap.free(kept);
    await heap.free([...tiny, ...small.filter((_, i) => i % 3 !== 0), ...large]);
    kept = [...small.filter((_, i) => i % 3 === 0), ...scan];
    await heap.garbage(20_000, 128);
    if (round % 5 === 0) await heap.gc();
    if (round % 7 === 0) await heap.json('POST', '/scavenge', { gc: false });
    await heap.json('GET', '/objects/0x1').catch(() => {});
    await pause(100);
  }
}

const data = (samples: readonly Sample[]): boolean => samples.some(({ value }) => !Number.isNaN(value));

describe.skipIf(missing !== undefined)('Prometheus scrapes the server', () => {
  beforeAll(async () => {
    await server.start();
    url = server.base;
    prometheus = await Prometheus.start({ url, rules: join(root, 'prometheus/rules') });
    const limited = await RemoteHeap.create(url, 'limited', { gomemlimit: '256MiB', reserve: '512MiB' });
    load = Promise.all([work(RemoteHeap.at(url, 'default')), work(limited)]);
    load.catch(() => {});
    const scrapes = 'min(count_over_time(up{job="goheap",goheap_kind="spans"}[1m])) and count(up{job="goheap"}) == 5';
    for (let seen = 0; seen < WARM_UP; await Promise.race([load, pause(500)])) {
      seen = (await prometheus.query(scrapes))[0]?.value ?? 0;
    }
  }, 240_000);

  afterAll(async () => {
    loaded = false;
    await load?.catch(() => {});
    await prometheus?.stop();
    await server.stop();
  });

  /**
   * Those of the questions that are not answered; each is an expression of what `of` names.
   *
   * Where the machine is busy, scrapes fail in between, and a rate over seconds has no data for a
   * while. So those that are not expected to stay without are asked again, as long as the load goes
   * on.
   */
  async function unanswered(
    questions: readonly (readonly [of: string, expr: string])[],
    expected: (of: string) => boolean = () => false,
  ): Promise<string[]> {
    const silent = async (of: string, expr: string): Promise<string | undefined> => {
      const samples = await prometheus.query(expr);
      return data(samples) ? undefined : `${of}: ${expr} → ${samples.length} series`;
    };
    const out: string[] = [];
    for (const [of, expr] of questions) {
      let why = await silent(of, expr);
      for (let tries = 0; why !== undefined && !expected(of) && tries < AGAIN; tries++) {
        await Promise.race([load, pause(500)]);
        why = await silent(of, expr);
      }
      if (why !== undefined) out.push(why);
    }
    return out;
  }

  test('every page of every heap, and nothing else, is a target and up', async () => {
    const up = async () =>
      (await prometheus.query('max_over_time(up{job="goheap"}[5m])'))
        .map(({ metric, value }) => `${metric.goheap_kind} ${metric.heap ?? '-'} ${value}`)
        .sort();
    const all = ['heap default 1', 'heap limited 1', 'server - 1', 'spans default 1', 'spans limited 1'];
    await expect.poll(up).toEqual(all);
    await expect.poll(() => prometheus.query('count_over_time(up[5m]) < 5')).toEqual([]);
  });

  test('every query of every panel is answered with data', async () => {
    const variables = { interval: '10s', instance: '.+', heap: '.+' };
    const questions = committed().flatMap((d) =>
      panelQueries(d).map(([panel, expr]): [string, string] => [panel, filledIn(expr, variables)]),
    );
    expect(questions.length).toBeGreaterThan(130);
    const empty = (of: string): boolean => Object.hasOwn(EMPTY, of);
    const silent = await unanswered(questions, empty);
    expect(silent.filter((q) => !Object.keys(EMPTY).some((panel) => q.startsWith(`${panel}: `)))).toEqual([]);
    const annotation = committed()[0].annotations.list[0].expr;
    expect(await unanswered([['GC cycles', filledIn(annotation, variables)]])).toEqual([]);
  });

  test('a chosen heap and instance narrow them down', async () => {
    const { host } = new URL(url);
    for (const [panel, expr] of committed().flatMap(panelQueries)) {
      const narrow = filledIn(expr, { interval: '10s', instance: host, heap: 'limited' });
      for (const { metric } of await prometheus.query(narrow)) {
        expect([undefined, 'limited'], `${panel}: ${expr}`).toContain(metric.heap);
      }
      const none = filledIn(expr, { interval: '10s', instance: 'elsewhere:1', heap: 'limited' });
      const samples = await prometheus.query(none);
      if (!expr.includes('or vector(0)')) expect(samples, `${panel}: ${expr}`).toEqual([]);
    }
  });

  test('every rule is evaluated; every recording one has data, and every series of an alert', async () => {
    // Until it is evaluated for the first time, the health of a rule is not known.
    await expect.poll(async () => (await prometheus.rules()).filter((r) => r.health !== 'ok')).toEqual([]);
    const rules = await prometheus.rules();
    const recording = rules.filter((r) => r.type === 'recording');
    expect(await unanswered(recording.map((r) => [r.name, r.name]))).toEqual([]);
    const alerting = rules.filter((r) => r.type === 'alerting');
    expect(alerting.length).toBeGreaterThanOrEqual(11);
    // An alert has no data where all is well. What it looks at has, each series for itself.
    const seen = alerting.flatMap(({ name, query }) => {
      const plain = query.replace(/goheap_kind/g, '');
      const names = [...(plain.match(/job_instance_heap\w*:[\w:]+/g) ?? []), ...seriesOf(plain)];
      expect(names.length + Number(/\bup\{/.test(query)), name).toBeGreaterThan(0);
      return names.map((series): [string, string] => [name, series]);
    });
    expect(await unanswered(seen)).toEqual([]);
    expect((await prometheus.alerts()).filter((a) => a.state === 'firing')).toEqual([]);
  });

  describe.each(STOCK)('Grafana $id, $title,', ({ queries, variables, unanswered: known = {} }) => {
    const grafana = (expr: string): string =>
      filledIn(expr, { interval: '10s', instance: '.+', heap: '' })
        .replaceAll('$job', 'goheap')
        .replaceAll('$namespace', '')
        .replaceAll('$pod', '')
        .replaceAll('$interval', '10s');

    test('works on a heap unchanged', async () => {
      const questions = queries.map((expr): [string, string] => [expr, grafana(expr)]);
      const mute = (expr: string): boolean => Object.keys(known).some((name) => expr.includes(name));
      const silent = await unanswered(questions, mute);
      const expected = queries.filter(mute);
      expect(silent.map((q) => q.split(': ')[0])).toEqual(expected);
    });

    test('lets one choose job and instance', async () => {
      for (const variable of variables) {
        const [, series, label] = /^label_values\((.+), (\w+)\)$/.exec(variable) as RegExpExecArray;
        const values = (await prometheus.query(grafana(series))).map(({ metric }) => metric[label]);
        expect(values.length).toBeGreaterThan(0);
        // Without Kubernetes there are no such labels, and Grafana puts nothing in their place.
        const value = { job: 'goheap', instance: new URL(url).host }[label];
        for (const v of values) expect(v).toBe(value);
      }
    });
  });

  test('what is exported, what the tables have and what docs/stats.md explains are the same metrics', async () => {
    const pages = ['/v1/heaps/limited/metrics', '/v1/heaps/limited/metrics/spans', '/metrics'];
    const texts = await Promise.all(pages.map(async (page) => (await fetch(url + page)).text()));
    const exported = texts.flatMap((text) => [...text.matchAll(/^# TYPE (\S+) /gm)].map((m) => m[1])).sort();
    const tables = [...HEAP_TABLE, ...SPANS_TABLE, ...SERVER_TABLE, ...PROCESS_METRICS].map((f) => f.name).sort();
    expect(exported).toEqual(tables);
    const document = readFileSync(join(root, 'docs/stats.md'), 'utf8');
    const left = document.indexOf('## Left out');
    const rest = document.indexOf('## Inside a heap');
    const shown = document.slice(0, left) + document.slice(rest);
    const documented = [...shown.matchAll(/^\| `((?:go|goheap|process|nodejs)_\w+)`/gm)].map((m) => m[1]).sort();
    expect(documented).toEqual(exported);
    // And all of it arrived.
    const absent = async (): Promise<string[]> => {
      const names = new Set(await prometheus.names());
      const arrived = (name: string): boolean =>
        [name, `${name}_bucket`, `${name}_count`].some((series) => names.has(series)) ||
        // one series for each kind of request to the file system that is under way: mostly none
        name === 'nodejs_active_requests';
      return exported.filter((name) => !arrived(name));
    };
    await expect.poll(absent).toEqual([]);
  });

  test('the load ran to here', async () => {
    loaded = false;
    await load;
    for (const heap of ['default', 'limited']) {
      expect(await RemoteHeap.at(url, heap).json('POST', '/check', {})).toMatchObject({ ok: true, differences: [] });
    }
  });
});
