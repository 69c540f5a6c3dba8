/** The committed dashboards are what grafana/generate makes, and say only what is true of this server. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dashboards } from '../../grafana/generate/index.js';
import { PROCESS_METRICS } from '../../src/telemetry/families-server.js';
import { HEAP_TABLE, SERVER_TABLE, SPANS_TABLE } from '../../src/telemetry/table.js';
import { type Dashboard, type Panel, panelQueries, panels, root, seriesOf } from './dashboards.js';

const folder = join(root, 'grafana/dashboards');
const made = dashboards();
const files = [...made.keys()];
const load = (file: string) => JSON.parse(made.get(file) as string) as Dashboard;

const families = new Map([...HEAP_TABLE, ...SPANS_TABLE, ...SERVER_TABLE, ...PROCESS_METRICS].map((f) => [f.name, f]));

test('there are the five of them, each with an id and a title of its own, and no other file', () => {
  expect(readdirSync(folder).sort()).toEqual([...files].sort());
  expect(files).toHaveLength(5);
  for (const key of ['uid', 'title'] as const) expect(new Set(files.map((f) => load(f)[key])).size).toBe(5);
});

test.each(files)('%s is as generated (npx vitest run test/packaging/dashboards.test.ts -u)', async (file) => {
  await expect(made.get(file)).toMatchFileSnapshot(join(folder, file));
});

describe.each(files)('%s', (file) => {
  const { templating, annotations, editable } = load(file);
  const all = panels(load(file));

  test('has variables for data source, instance and heap, and shows the cycles', () => {
    expect(templating.list.map((v) => v.name)).toEqual(['datasource', 'instance', 'heap']);
    expect(annotations.list.map((a) => a.expr)).toEqual([expect.stringContaining('go_memstats_last_gc_time_seconds')]);
    expect(editable).toBe(false);
  });

  test('gives every panel a unit, a description, and queries with the chosen heaps and the right interval', () => {
    const problems: string[] = [];
    const say = (panel: Panel, what: string) => problems.push(`${panel.title}: ${what}`);
    for (const panel of all) {
      if (!panel.description) say(panel, 'no description');
      if (!panel.fieldConfig?.defaults.unit) say(panel, 'no unit');
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana's
      if (panel.datasource?.uid !== '${datasource}') say(panel, 'another data source');
      if (!panel.targets?.length) say(panel, 'no query');
      for (const { expr, legendFormat } of panel.targets ?? []) {
        if (!expr.includes('instance=~"$instance"')) say(panel, 'does not heed $instance');
        if (/\[(?!\$__rate_interval\])/.test(expr)) say(panel, `a range of its own in ${expr}`);
        if (/\brate\(/.test(expr) && !expr.includes('$__rate_interval')) say(panel, 'no $__rate_interval');
        if (!legendFormat) say(panel, `no legend for ${expr}`);
      }
    }
    expect(problems).toEqual([]);
    expect(new Set(all.map((p) => p.id)).size).toBe(all.length);
  });

  test('asks only for metrics and labels that exist', () => {
    const problems: string[] = [];
    for (const [title, expr] of panelQueries(load(file))) {
      if (expr.startsWith('count(ALERTS')) continue;
      const names = seriesOf(expr);
      if (names.length === 0) problems.push(`${title}: no metric in ${expr}`);
      const labels = new Set(['heap', 'instance', 'le', 'quantile']);
      for (const name of names) {
        const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
        if (family === undefined) problems.push(`${title}: there is no ${name}`);
        for (const label of family?.labels ?? []) labels.add(label);
      }
      const used = [
        ...[...expr.matchAll(/\b(?:by|without|on|ignoring) \(([^)]*)\)/g)].flatMap(([, list]) => list.split(/, */)),
        ...[...expr.matchAll(/([a-z_]+)(?:=~|!~|!=|=)"/g)].map(([, label]) => label),
      ];
      for (const label of used) if (!labels.has(label)) problems.push(`${title}: no label ${label} in ${expr}`);
    }
    expect(problems).toEqual([]);
  });

  test('lays no panel over another', () => {
    const taken = new Map<string, string>();
    for (const { title, gridPos: g } of load(file).panels) {
      expect(g.x + g.w).toBeLessThanOrEqual(24);
      for (let x = g.x; x < g.x + g.w; x++) {
        for (let y = g.y; y < g.y + g.h; y++) {
          expect(taken.get(`${x},${y}`), `${title} lies over another panel`).toBeUndefined();
          taken.set(`${x},${y}`, title);
        }
      }
    }
  });
});

test('every metric of a heap is in some panel, or it is known why not', () => {
  const shown = new Set(files.flatMap((f) => panelQueries(load(f))).flatMap(([, expr]) => seriesOf(expr)));
  const has = (name: string): boolean =>
    [name, `${name}_bucket`, `${name}_sum`, `${name}_count`].some((series) => shown.has(series));
  const missing = [...SPANS_TABLE, ...SERVER_TABLE].map((f) => f.name).filter((name) => !has(name));
  expect(missing.sort()).toEqual(
    [
      'goheap_build_info', // a label for joins, and the variable `instance`
      'goheap_specials', // a count of records that no panel makes clearer
      'goheap_assists_total', // a count of what the panel Assists shows in bytes
      'goheap_thread_restarts_total', // shown as the server's page has it
      'goheap_unlinked_pointers_total', // matters to whoever asks for a sweep only
    ].sort(),
  );
});
