/** The text format: escaping, special numbers, histograms, summaries; and what promtool says of whole pages. */

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import type { Family } from '../../src/telemetry/family.js';
import { HttpMetrics } from '../../src/telemetry/http.js';
import { heapText, serverText } from '../../src/telemetry/table.js';
import { renderJson, renderText } from '../../src/telemetry/text.js';
import { newHeap, parse, scraped } from './support.js';

const family = (over: Partial<Family<null>>): Family<null> => ({
  name: 'm',
  type: 'gauge',
  help: 'h',
  labels: [],
  unit: '',
  from: '',
  advice: '',
  read: (_, out) => out.value(1),
  ...over,
});

describe('the text format', () => {
  it('escapes helps and label values', () => {
    const nasty = 'a\\b\n"c" é';
    const text = renderText([family({ help: 'x\\y\nz "q"', labels: ['l'], read: (_, o) => o.value(1, nasty) })], null);
    expect(text).toBe('# HELP m x\\\\y\\nz "q"\n# TYPE m gauge\nm{l="a\\\\b\\n\\"c\\" é"} 1\n');
    expect(parse(text).get('m')?.samples[0].labels.l).toBe(nasty);
  });

  it('writes infinities and NaN as Prometheus reads them', () => {
    const read: Family<null>['read'] = (_, o) => {
      for (const v of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 2 ** 64, 0.1]) {
        o.value(v, String(v));
      }
    };
    const values = renderText([family({ labels: ['l'], read })], null).match(/ \S+$/gm);
    expect(values?.slice(2)).toEqual([' +Inf', ' -Inf', ' NaN', ' 18446744073709552000', ' 0.1']);
  });

  it('makes histograms cumulative and puts le last', () => {
    const f = family({ type: 'histogram', labels: ['l'], read: (_, o) => o.histogram([1, 2.5], [3, 0, 4], 17, 'x') });
    expect(renderText([f], null).split('\n').slice(2, -1)).toEqual([
      'm_bucket{l="x",le="1"} 3',
      'm_bucket{l="x",le="2.5"} 3',
      'm_bucket{l="x",le="+Inf"} 7',
      'm_sum{l="x"} 17',
      'm_count{l="x"} 7',
    ]);
    expect(renderJson([f], null)[0].samples[0]).toEqual({
      labels: { l: 'x' },
      buckets: [
        { le: '1', count: 3 },
        { le: '2.5', count: 3 },
        { le: '+Inf', count: 7 },
      ],
      sum: 17,
      count: 7,
    });
  });
});

const promtool = spawnSync('promtool', ['--version']).error === undefined;
if (!promtool) console.warn('promtool is not installed (apt install prometheus): its check of the pages is skipped');

describe.skipIf(!promtool)('promtool check metrics', () => {
  const check = (text: string): string => {
    const run = spawnSync('promtool', ['check', 'metrics'], { input: text });
    return `${run.status} ${run.stdout}${run.stderr}`;
  };

  it.each(['go', 'spans'] as const)('finds nothing on the page %s of a heap', (page) => {
    const h = newHeap(2);
    for (const size of [3, 8, 100, 5000, 100_000]) mallocNoscan(h, h.ps[0], size);
    mallocScan(h, h.ps[1], 640);
    expect(check(heapText(page, scraped(h)))).toBe('0 ');
  });

  it("finds nothing on the server's page", async () => {
    const http = new HttpMetrics();
    http.observer('GET', '/v1/heaps/:heap')(200, 3);
    const heap = { name: 'default', summary: () => ({ heapInuse: 8192 }), stats: scraped(newHeap()).stats };
    const text = await serverText({ heaps: [heap], maxHeaps: 8, http });
    parse(text);
    expect(check(text)).toBe('0 ');
  });
});
