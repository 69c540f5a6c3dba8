/** The committed dashboards as the tests read them. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: { uid: string };
  fieldConfig?: { defaults: { unit?: string } };
  targets?: { expr: string; legendFormat?: string; instant?: boolean }[];
  gridPos: { x: number; y: number; w: number; h: number };
}

export interface Dashboard {
  uid: string;
  title: string;
  editable: boolean;
  panels: Panel[];
  templating: { list: { name: string; definition?: string }[] };
  annotations: { list: { name: string; expr: string }[] };
}

/** The panels that show something. */
export const panels = (dashboard: Dashboard): Panel[] => dashboard.panels.filter((p) => p.type !== 'row');

/** Title and expression of every query of a dashboard. */
export const panelQueries = (dashboard: Dashboard): [title: string, expr: string][] =>
  panels(dashboard).flatMap((p) =>
    (p.targets ?? []).map((t): [string, string] => [`${dashboard.title} / ${p.title}`, t.expr]),
  );

/** The files in grafana/dashboards. */
export function committed(): Dashboard[] {
  const folder = join(root, 'grafana/dashboards');
  return readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Dashboard);
}

/** The series of this server that an expression names. */
export const seriesOf = (expr: string): string[] => [
  ...new Set(expr.match(/(?<![:\w])(?:go|goheap|process|nodejs)_[a-z0-9_]+/g) ?? []),
];

export interface Variables {
  readonly interval: string;
  readonly instance: string;
  readonly heap: string;
}

/** An expression with Grafana's variables replaced. */
export const filledIn = (expr: string, { interval, instance, heap }: Variables): string =>
  expr
    .replaceAll('$__rate_interval', interval)
    .replaceAll('$__interval', interval)
    .replaceAll('$instance', instance)
    .replaceAll('$heap', heap);
