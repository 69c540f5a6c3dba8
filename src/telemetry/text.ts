/**
 * From families to what is sent: Prometheus' text format 0.0.4, and the same as JSON.
 *
 *     # HELP name text            once a family; backslash and newline escaped
 *     # TYPE name counter
 *     name{label="value"} 12      label values: backslash, newline and double quote escaped
 *
 * One string is appended to and returned; no sample becomes an object on the way. JavaScript's shortest notation of a
 * double is also what Prometheus parses back to the same double, but for the infinities.
 */

import type { Family, Out } from './family.js';

export const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

const TO_ESCAPE = /[\\\n"]/;

/** A number as the text format writes it. */
export function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

export function escapeHelp(help: string): string {
  return help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}

export function escapeLabel(value: string): string {
  if (!TO_ESCAPE.test(value)) return value;
  return value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
}

class TextOut implements Out {
  text = '';
  private name = '';
  private labels: readonly string[] = [];

  begin(family: Family<never>): void {
    this.name = family.name;
    this.labels = family.labels;
    this.text += `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`;
  }

  value(value: number, ...labels: string[]): void {
    this.line('', value, this.pairs(labels));
  }

  histogram(bounds: readonly number[], counts: ArrayLike<number>, sum: number, ...labels: string[]): void {
    const pairs = this.pairs(labels);
    const before = pairs === '' ? '' : `${pairs},`;
    let n = 0;
    for (let i = 0; i <= bounds.length; i++) {
      n += counts[i];
      const le = i === bounds.length ? '+Inf' : formatValue(bounds[i]);
      this.line('_bucket', n, `${before}le="${le}"`);
    }
    this.line('_sum', sum, pairs);
    this.line('_count', n, pairs);
  }

  summary(quantiles: readonly (readonly [number, number])[], sum: number, count: number): void {
    for (const [q, value] of quantiles) this.line('', value, `quantile="${formatValue(q)}"`);
    this.line('_sum', sum, '');
    this.line('_count', count, '');
  }

  private pairs(values: readonly string[]): string {
    let pairs = '';
    for (let i = 0; i < values.length; i++) {
      pairs += `${i === 0 ? '' : ','}${this.labels[i]}="${escapeLabel(values[i])}"`;
    }
    return pairs;
  }

  private line(suffix: string, value: number, pairs: string): void {
    this.text += `${this.name}${suffix}${pairs === '' ? '' : `{${pairs}}`} ${formatValue(value)}\n`;
  }
}

/** The text of all families, read from one view. */
export function renderText<V>(families: readonly Family<V>[], view: V): string {
  const out = new TextOut();
  for (const family of families) {
    out.begin(family);
    family.read(view, out);
  }
  return out.text;
}

export interface JsonSample {
  labels: Record<string, string>;
  value?: number;
  /** Histograms: cumulative, as in Prometheus; the last bucket is `+Inf`. */
  buckets?: { le: string; count: number }[];
  quantiles?: Record<string, number>;
  sum?: number;
  count?: number;
}

export interface JsonFamily {
  name: string;
  type: string;
  help: string;
  unit: string;
  samples: JsonSample[];
}

class JsonOut implements Out {
  samples: JsonSample[] = [];
  private readonly names: readonly string[];

  constructor(names: readonly string[]) {
    this.names = names;
  }

  value(value: number, ...labels: string[]): void {
    this.samples.push({ labels: this.pairs(labels), value });
  }

  histogram(bounds: readonly number[], counts: ArrayLike<number>, sum: number, ...labels: string[]): void {
    let n = 0;
    const buckets = Array.from({ length: bounds.length + 1 }, (_, i) => {
      n += counts[i];
      return { le: i === bounds.length ? '+Inf' : formatValue(bounds[i]), count: n };
    });
    this.samples.push({ labels: this.pairs(labels), buckets, sum, count: n });
  }

  summary(quantiles: readonly (readonly [number, number])[], sum: number, count: number): void {
    this.samples.push({ labels: {}, quantiles: Object.fromEntries(quantiles), sum, count });
  }

  private pairs(values: readonly string[]): Record<string, string> {
    return Object.fromEntries(values.map((value, i) => [this.names[i], value]));
  }
}

/** The same as data, with units. */
export function renderJson<V>(families: readonly Family<V>[], view: V): JsonFamily[] {
  return families.map((family) => {
    const out = new JsonOut(family.labels);
    family.read(view, out);
    const { name, type, help, unit } = family;
    return { name, type, help, unit, samples: out.samples };
  });
}
