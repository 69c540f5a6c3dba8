/** docs/stats.md and the tables say the same, in both directions. */

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { memStats } from '../../src/gc/memstats.js';
import { statsDocument } from '../../src/telemetry/docs.js';
import { PROCESS_METRICS, processRegistry } from '../../src/telemetry/families-server.js';
import { MEMSTATS_DOC } from '../../src/telemetry/memstats-doc.js';
import { HEAP_TABLE, SERVER_TABLE, SPANS_TABLE } from '../../src/telemetry/table.js';
import { newHeap } from './support.js';

const FILE = new URL('../../docs/stats.md', import.meta.url);

it('is what the tables make of it (write it anew with: npx vitest run test/telemetry/docs.test.ts -u)', async () => {
  await expect(statsDocument()).toMatchFileSnapshot(FILE.pathname);
});

it('has a row for every metric, and every row and every name in its prose is a metric', () => {
  const text = readFileSync(FILE, 'utf8');
  const shown = text.slice(0, text.indexOf('## Left out')) + text.slice(text.indexOf('## Inside a heap'));
  const rows = [...shown.matchAll(/^\| `((?:go|goheap|process|nodejs)_\w+)`/gm)].map((m) => m[1]);
  const table = [...HEAP_TABLE, ...SPANS_TABLE, ...SERVER_TABLE, ...PROCESS_METRICS].map((f) => f.name);
  const histograms = new Set(HEAP_TABLE.filter((f) => f.type === 'histogram').map((f) => f.name));
  expect(rows.sort()).toEqual([...table].sort());
  for (const [name] of shown.matchAll(/\b(?:go|goheap)_\w+[a-z]\b(?!_\*)/g)) {
    if (name !== 'client_golang' && !histograms.has(name.replace(/_bucket$/, '')))
      expect(table, `docs/stats.md speaks of ${name}`).toContain(name);
  }
});

it('has a row for every field of MemStats, and no other', () => {
  const fields = Object.keys(memStats(newHeap()));
  expect(Object.keys(MEMSTATS_DOC).sort()).toEqual(fields.sort());
  const text = readFileSync(FILE, 'utf8');
  for (const f of fields) expect(text).toContain(`| \`${f}\` |`);
});

it('describes the process metrics as prom-client makes them', async () => {
  const made = await processRegistry().getMetricsAsJSON();
  const described = new Map(PROCESS_METRICS.map((m) => [m.name, m]));
  for (const metric of made) {
    const own = described.get(metric.name);
    expect(own, metric.name).toBeDefined();
    expect(own).toMatchObject({ help: metric.help, type: String(metric.type) });
  }
  // Elsewhere /proc does not exist, and prom-client makes fewer.
  if (process.platform === 'linux') expect(made.map((m) => m.name).sort()).toEqual([...described.keys()].sort());
});
