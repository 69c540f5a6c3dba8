/**
 * The doctor: looks at a heap for a moment, and says what is wrong with it, why, and what to do. In the manner of Redis' MEMORY DOCTOR,
 * and like it silent about a heap that is well.
 */

import type { Scraped } from '../view.js';
import { type Facts, gather } from './facts.js';
import { applyRule, type Finding, type Rule, SEVERITIES } from './rule.js';
import { ALLOCATOR_RULES } from './rules-allocator.js';
import { GC_RULES } from './rules-gc.js';
import { MEMORY_RULES } from './rules-memory.js';

export const RULES: readonly Rule[] = [...GC_RULES, ...MEMORY_RULES, ...ALLOCATOR_RULES];

/** Milliseconds for which it looks. */
export const DEFAULT_WINDOW = 1000;
export const MAX_WINDOW = 10_000;

/** Below so many bytes ever allocated there is nothing to say. */
const HARDLY_USED = 2 ** 20;

export interface Examination {
  healthy: boolean;
  /** One sentence. */
  summary: string;
  /** Seconds that the rates were taken over. */
  window: number;
  /** The worst first. */
  findings: Finding[];
}

export function diagnose(facts: Facts): Finding[] {
  const found = RULES.flatMap((rule) => applyRule(rule, facts) ?? []);
  const explained = new Set(
    RULES.filter(({ code }) => found.some((f) => f.code === code)).flatMap(({ explains = [] }) => explains),
  );
  const rank = (f: Finding): number => SEVERITIES.indexOf(f.severity);
  return found.filter(({ code }) => !explained.has(code)).sort((a, b) => rank(b) - rank(a));
}

function summarise(facts: Facts, findings: readonly Finding[]): string {
  if (findings.length > 0) {
    const titles = findings.map(({ title }) => title.charAt(0).toLowerCase() + title.slice(1));
    return `I am worried about ${findings.length === 1 ? 'one thing' : `${findings.length} things`}: ${titles.join('; ')}.`;
  }
  if (facts.mem.TotalAlloc < HARDLY_USED) {
    return 'This heap has hardly been used, so there is nothing to find yet. Call me again when it has worked a little.';
  }
  return `I put ${RULES.length} rules to this heap and none of them found anything. It is well; let it work.`;
}

/** Examines a heap for `window` milliseconds. */
export async function examine(source: Scraped, window: number = DEFAULT_WINDOW): Promise<Examination> {
  return examination(await gather(source, () => new Promise((resolve) => setTimeout(resolve, window))));
}

export function examination(facts: Facts): Examination {
  const findings = diagnose(facts);
  return {
    healthy: findings.length === 0,
    summary: summarise(facts, findings),
    window: Number(facts.seconds.toPrecision(6)),
    findings,
  };
}
