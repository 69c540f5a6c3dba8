/** The rules for Prometheus: valid, tested by promtool, and explained in docs/alerts.md. */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hasty } from '../../bench/alerts/hasty.js';
import { WORKLOADS } from '../../bench/alerts/workloads.js';
import { PROCESS_METRICS } from '../../src/telemetry/families-server.js';
import { HEAP_TABLE, SERVER_TABLE, SPANS_TABLE } from '../../src/telemetry/table.js';
import { WORDS } from '../../src/workloads/texts.js';
import { root, seriesOf } from './dashboards.js';

const folder = join(root, 'prometheus/rules');
const files = readdirSync(folder);
const text = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
const alerts = [...new Set([...text.matchAll(/^ *- alert: (\w+)$/gm)].map((m) => m[1]))];
const recorded = [...text.matchAll(/^ *- record: (\S+)$/gm)].map((m) => m[1]);

const hasPromtool = spawnSync('promtool', ['--version']).error === undefined;
if (!hasPromtool) console.log('promtool is not installed: the rules are not checked and not tested by it');
const promtool = (...args: string[]) => spawnSync('promtool', args, { cwd: root, encoding: 'utf8' });

test('there is an alert for each way in which a heap can be unwell', () => {
  expect(alerts.sort()).toEqual(
    [
      'CentralContention',
      'FragmentationHigh',
      'GCThrashing',
      'HeapDown',
      'LiveHeapLeak',
      'MRestarted',
      'McacheThrash',
      'NearMemoryLimit',
      'ReservationNearEnd',
      'RetainedIdle',
      'SweepDebtGrowing',
    ].sort(),
  );
});

test('every alert says what it is and links to a section of docs/alerts.md, which has no others', () => {
  const doc = readFileSync(join(root, 'docs/alerts.md'), 'utf8');
  const sections = [...doc.matchAll(/^## (\w+)$/gm)].map((m) => m[1]);
  expect(sections.sort()).toEqual(alerts.sort());
  for (const section of sections) {
    const body = doc.slice(doc.indexOf(`## ${section}`)).split('\n## ')[0];
    for (const part of ['**It means**', '**Look closer.**', '**Do**']) expect(body, section).toContain(part);
    expect(doc, section).toContain(`| [${section}](#${section.toLowerCase()}) |`);
  }
  const bodies = text.split(/^ *- alert: /m).slice(1);
  expect(bodies.length).toBeGreaterThanOrEqual(alerts.length);
  for (const body of bodies) {
    const name = body.slice(0, body.indexOf('\n'));
    expect(body, name).toContain(`runbook_url: docs/alerts.md#${name.toLowerCase()}\n`);
    for (const key of ['severity:', 'component: goheap', 'summary:', 'description:']) expect(body, name).toContain(key);
  }
});

test('the runbooks speak only of metrics, panels and dashboards that exist', () => {
  const doc = readFileSync(join(root, 'docs/alerts.md'), 'utf8');
  const names = [...HEAP_TABLE, ...SPANS_TABLE, ...SERVER_TABLE, ...PROCESS_METRICS].map((f) => f.name);
  for (const [, name] of doc.matchAll(/`((?:go|goheap|process|nodejs)_[a-z0-9_]+)`/g)) {
    if (name !== 'goheap_kind') expect(names).toContain(name);
  }
  const dashboards = readdirSync(join(root, 'grafana/dashboards')).map((file) =>
    readFileSync(join(root, 'grafana/dashboards', file), 'utf8'),
  );
  const titles = dashboards.flatMap((d) => [...d.matchAll(/"title": "([^"]+)"/g)].map((m) => m[1]));
  for (const [, words] of doc.matchAll(/(?<!\*)\*([^*]+)\*(?!\*)/g))
    expect(titles).toContain(words.replace(/\s+/g, ' '));
});

test('every series that they name exists or is recorded', () => {
  const expressions = text.replace(/^ *#.*$/gm, '').replace(/^ *- record: .*$/gm, '');
  const names = [...HEAP_TABLE, ...SPANS_TABLE, ...SERVER_TABLE].map((f) => f.name);
  const used = seriesOf(expressions.replace(/goheap_kind/g, ''));
  expect(used.length).toBeGreaterThan(20);
  for (const name of used) expect(names).toContain(name);
  for (const [name] of expressions.matchAll(/job_instance_heap\w*:[\w:]+/g)) expect(recorded).toContain(name);
});

test('the demo fires by each built-in workload what that promises, and promises nothing else', () => {
  const promised = Object.entries(WORDS).flatMap(([kind, words]) =>
    words.alerts.map(({ alert }) => `${kind}: ${alert}`),
  );
  const shown = WORKLOADS.flatMap(({ alert, kind }) => (kind === undefined ? [] : [`${kind}: ${alert}`]));
  expect(shown.sort()).toEqual(promised.sort());
  for (const { alerts: named } of Object.values(WORDS)) for (const { alert } of named) expect(alerts).toContain(alert);
});

test('every alert has a workload in the demo, and the demo changes durations only', () => {
  expect([...WORKLOADS.map((w) => w.alert), 'MRestarted', 'HeapDown'].sort()).toEqual(alerts.sort());
  const without = (rules: string): string =>
    rules
      .replace(/^( *for: ).*$/gm, '$1')
      .replace(/\[[^\]]+[smhd]\]/g, '[]')
      .replace(/offset \w+/g, 'offset');
  expect(without(hasty(text))).toBe(without(text));
  expect(hasty(text)).not.toMatch(/\[\d+[mh]\]|for: \d+[mh]|offset \d+[mh]/);
});

test.skipIf(!hasPromtool)('promtool finds nothing wrong with rules and configuration', () => {
  const rules = promtool('check', 'rules', ...files.map((file) => join('prometheus/rules', file)));
  expect(rules.stderr).toBe('');
  expect(rules.status).toBe(0);
  const config = promtool('check', 'config', 'prometheus/prometheus.yml');
  expect(config.stderr).toBe('');
  expect(config.stdout).toContain('2 rule files found');
  expect(config.status).toBe(0);
});

test.skipIf(!hasPromtool)('promtool test rules: each alert fires when it should, and not otherwise', () => {
  const cases = readFileSync(join(root, 'prometheus/tests/alerts.yml'), 'utf8');
  for (const alert of alerts) expect(cases).toContain(`alertname: ${alert}\n`);
  const result = promtool('test', 'rules', 'prometheus/tests/alerts.yml');
  expect(`${result.stdout}${result.stderr}`).not.toContain('FAILED');
  expect(result.status).toBe(0);
});
