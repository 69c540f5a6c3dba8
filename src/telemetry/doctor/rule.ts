/**
 * A rule: what it looks for, from which numbers, beyond which thresholds, and what it says when it finds it.
 *
 * Rules are data. `read` turns facts into named numbers; `finds` compares those, and nothing else, with the thresholds of the rule; so a finding
 * shows everything that led to it. Every threshold stands in the rule, with its unit in its name.
 *
 * A rule is silent on a healthy heap, also on one that is small, young, warming up or at rest: each has a floor below which it does not
 * speak, because a ratio of small numbers says nothing.
 */

import { CLASS_TO_SIZE } from '../../heap/sizeclass.js';
import type { Facts } from './facts.js';

export type Severity = 'info' | 'warning' | 'critical';
export const SEVERITIES: readonly Severity[] = ['info', 'warning', 'critical'];

export interface Finding {
  code: string;
  severity: Severity;
  title: string;
  /** What was measured. */
  numbers: Record<string, number>;
  /** What the rule compares it with. */
  threshold: Record<string, number>;
  /** Where it comes from: size classes, locks, cycles. */
  cause: string;
  meaning: string;
  action: string;
}

export interface Rule<N extends string = string, T extends string = string> {
  readonly code: string;
  readonly title: string;
  readonly meaning: string;
  readonly action: string;
  readonly threshold: Readonly<Record<T, number>> | ((facts: Facts) => Readonly<Record<T, number>>);
  /** The numbers; undefined where they mean nothing, such as without a memory limit. */
  read(facts: Facts): Record<N, number> | undefined;
  finds(numbers: Record<N, number>, threshold: Readonly<Record<T, number>>): Severity | undefined;
  cause(facts: Facts, numbers: Record<N, number>): string;
  /** Rules that have nothing to add when this one speaks. */
  readonly explains?: readonly string[];
}

/** Keeps the names of a rule's numbers and thresholds together for the compiler. */
export function rule<N extends string, T extends string>(of: Rule<N, T>): Rule {
  return of as unknown as Rule;
}

export function applyRule(of: Rule, facts: Facts): Finding | undefined {
  const numbers = of.read(facts);
  if (numbers === undefined) return undefined;
  const threshold = typeof of.threshold === 'function' ? of.threshold(facts) : of.threshold;
  const severity = of.finds(numbers, threshold);
  if (severity === undefined) return undefined;
  const { code, title, meaning, action } = of;
  return {
    code,
    severity,
    title,
    numbers: rounded(numbers),
    threshold: rounded(threshold),
    cause: of.cause(facts, numbers),
    meaning,
    action,
  };
}

/** Six significant digits are enough for a reader. A ratio to nothing, such as to a limit of 0, is no number in JSON: left out. */
function rounded(numbers: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(numbers)
      .filter(([, n]) => Number.isFinite(n))
      .map(([name, n]) => [name, Number.isInteger(n) ? n : Number(n.toPrecision(6))]),
  );
}

// Words that several rules need.

/** `64-byte slots (size class 6, noscan)`. */
export function spanClassName(spc: number): string {
  const c = spc >> 1;
  if (c === 0) return 'large objects';
  return `${CLASS_TO_SIZE[c]}-byte slots (size class ${c}, ${spc % 2 === 1 ? 'noscan' : 'scan'})`;
}

export function sizeClassName(c: number): string {
  return c === 0 ? 'large objects' : `${CLASS_TO_SIZE[c]}-byte slots (size class ${c})`;
}

/** `12.5 MiB`. */
export function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 100 * 2 ** 20 ? 1 : 0)} MiB`;
}

export const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

/** The indices with the largest values, those that matter (at least a tenth of the largest), at most three. */
export function largest(values: ArrayLike<number>): number[] {
  const indices = Array.from(values, (_, i) => i).filter((i) => values[i] > 0);
  indices.sort((a, b) => values[b] - values[a]);
  return indices.slice(0, 3).filter((i) => values[i] >= values[indices[0]] / 10);
}

export function sum(values: ArrayLike<number>): number {
  let n = 0;
  for (let i = 0; i < values.length; i++) n += values[i];
  return n;
}

/** What the classes with the largest values add, one after the other. */
export function listLargest(
  values: ArrayLike<number>,
  name: (index: number) => string,
  say: (index: number) => string,
): string {
  return largest(values)
    .map((i) => `${name(i)}: ${say(i)}`)
    .join('; ');
}
