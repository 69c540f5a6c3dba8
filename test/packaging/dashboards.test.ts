/** The committed dashboards and configurations say only what is true of this server. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HEAP_TABLE, SERVER_TABLE, SPANS_TABLE } from '../../src/telemetry/table.js';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'grafana/dashboards');
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  targets?: { expr: string }[];
  gridPos: { x: number; y: number; w: number; h: number };
}
const load = (file: string) =>
  JSON.parse(readFileSync(join(folder, file), 'utf8')) as { uid: string; title: string; panels: Panel[] };

const families = new Map([...HEAP_TABLE, ...SPANS_TABLE, ...SERVER_TABLE].map((f) => [f.name, f]));
const hasPromtool = spawnSync('promtool', ['--version']).error === undefined;

test('there is a dashboard, and each has an id of its own', () => {
  expect(files).toContain('goheap-overview.json');
  const ids = files.map((file) => load(file).uid);
  expect(new Set(ids).size).toBe(ids.length);
});

test.each(files)('%s asks only for metrics and labels that exist, and explains every panel', (file) => {
  const { panels } = load(file);
  const problems: string[] = [];
  for (const panel of panels) {
    if (panel.type === 'row') continue;
    if (!panel.description) problems.push(`${panel.title}: no description`);
    for (const { expr } of panel.targets ?? []) {
      const names = expr.match(/\b(?:go|goheap|process|nodejs)_[a-z_]+/g) ?? [];
      if (names.length === 0) problems.push(`${panel.title}: no metric in ${expr}`);
      const labels = new Set(['heap', 'goheap_kind']);
      for (const name of names) {
        const family = families.get(name.replace(/_(bucket|sum|count)$/, '')) ?? families.get(name);
        if (family === undefined) problems.push(`${panel.title}: there is no ${name}`);
        for (const label of family?.labels ?? []) labels.add(label);
      }
      for (const [, list] of expr.matchAll(/\b(?:by|without|on|ignoring) \(([^)]*)\)/g)) {
        for (const label of list.split(/, */))
          if (!labels.has(label)) problems.push(`${panel.title}: no label ${label}`);
      }
    }
  }
  expect(problems).toEqual([]);
});

test.each(files)('the panels of %s do not overlap', (file) => {
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

test.skipIf(!hasPromtool)('every expression is PromQL', () => {
  const expressions = files.flatMap((file) =>
    load(file)
      .panels.flatMap((p) => p.targets ?? [])
      .map((t) => t.expr),
  );
  const rules = expressions.map((expr, i) => ({
    record: `dashboard:expr:${i}`,
    expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$heap', 'default'),
  }));
  const scratch = mkdtempSync(join(tmpdir(), 'goheap-rules-'));
  try {
    // JSON is YAML.
    writeFileSync(join(scratch, 'rules.yml'), JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    const result = spawnSync('promtool', ['check', 'rules', join(scratch, 'rules.yml')], { encoding: 'utf8' });
    expect(result.stderr).toBe('');
    expect(result.stdout).toContain(`${expressions.length} rules found`);
    expect(result.status).toBe(0);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

test.skipIf(!hasPromtool)('prometheus.yml is valid', () => {
  const result = spawnSync('promtool', ['check', 'config', 'prometheus/prometheus.yml'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(result.stderr).toBe('');
  expect(result.status).toBe(0);
});
