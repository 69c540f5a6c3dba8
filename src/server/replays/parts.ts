/**
 * A result as text, in parts: what is small and always told, and the large parts one by one.
 *
 * A result has up to a few megabytes. It is written once, when it is made, and never parsed again: an answer is put together from the texts of the
 * parts that were asked for. Writing one goes in portions between turns of the event loop.
 */

import { setImmediate as turn } from 'node:timers/promises';
import type { SimResult } from '../../replay/result.js';
import { Problem } from '../problem.js';
import { quote } from '../quote.js';

/** The parts that have to be asked for. */
export const PARTS = ['timeline', 'classes', 'lifetimes', 'cycles', 'gctrace', 'memstats', 'samples'] as const;
export type Part = (typeof PARTS)[number];
/** Of the parts that are always told, the name under which they are kept. */
export const CORE = 'core';

/** Items of a list that are written at a stretch. */
const PORTION = 2048;
/** Characters after which it is time to let others go on. */
const LONG = 32_768;

/** The same text as JSON.stringify's. */
export async function encode(value: unknown): Promise<string> {
  if (Array.isArray(value) && value.length > PORTION) {
    const portions: string[] = [];
    for (let at = 0; at < value.length; at += PORTION) {
      portions.push(JSON.stringify(value.slice(at, at + PORTION)).slice(1, -1));
      await turn();
    }
    return `[${portions.join(',')}]`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(value);
  const fields: string[] = [];
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue;
    const text = await encode(field);
    fields.push(`${JSON.stringify(key)}:${text}`);
    if (text.length > LONG) await turn();
  }
  return `{${fields.join(',')}}`;
}

/** The texts of a result's parts. That of the core is an object without its closing brace, for others to follow. */
export async function* textsOf(result: SimResult): AsyncGenerator<[part: Part | typeof CORE, text: string]> {
  const core: Record<string, unknown> = { ...result };
  for (const part of PARTS) delete core[part];
  yield [CORE, JSON.stringify(core).slice(0, -1)];
  for (const part of PARTS) {
    yield [part, await encode(result[part])];
    await turn();
  }
}

/** The parts that `include` names. Throws a Problem. */
export function partsOf(include: string | undefined, otherwise: readonly Part[]): readonly Part[] {
  if (include === undefined) return otherwise;
  const names = include.split(',');
  if (names.length === 1 && names[0] === 'all') return PARTS;
  for (const name of names) {
    if ((PARTS as readonly string[]).includes(name)) continue;
    const allowed = `all, or of ${PARTS.join(', ')} one or several, with commas between`;
    throw new Problem('validation-failed', `"include" must be ${allowed}, not ${quote(name)}.`, {
      field: 'include',
      allowed,
    });
  }
  return PARTS.filter((part) => names.includes(part));
}
