/**
 * A JSON batch: `{"ops": […], "p"?}` → `{"results": […], "done", "failed"}`.
 *
 * The envelope is checked as a whole (a batch that is malformed or too long is refused, and nothing of it is carried
 * out); the operations are checked one by one, and a bad one is its own result.
 */

import { Problem } from '../problem.js';
import { brief, quote } from '../quote.js';
import type { Host } from '../route.js';
import { Builder } from './builder.js';
import type { Gone } from './disown.js';
import { ResultWriter } from './results.js';
import { runBatch } from './run.js';
import { Scanner } from './scan.js';

const COMMA = 44;

export interface BatchLimits {
  readonly maxBatch: number;
  readonly maxObject: number;
}

/** Bytes of the shortest operation. */
const SHORTEST = 23;
const scanner = new Scanner();

export async function jsonBatch(host: Host, bytes: Buffer, limits: BatchLimits, gone: Gone): Promise<Buffer> {
  const { maxBatch, maxObject } = limits;
  const batch = new Builder(host, maxObject, Math.min(maxBatch, Math.ceil(bytes.length / SHORTEST)));
  let p: number;
  if (scanner.scan(bytes, batch, maxBatch, batch.maxObject)) p = scanner.p;
  else {
    batch.reset();
    const body = envelope(parse(bytes), limits);
    for (const op of body.ops) batch.add(op);
    p = body.p;
  }
  const out = new ResultWriter(batch.ops);
  out.text('{"results":[');
  if (batch.records > 0) await runBatch(host, batch, p, gone, (w, first) => out.results(batch, w, first, COMMA, false));
  out.text(`],"done":${out.done},"failed":${out.failed}}`);
  return out.take();
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Problem('invalid-json', bytes.length === 0 ? 'The body is empty.' : 'The body is not valid JSON.');
  }
}

function envelope(body: unknown, limits: BatchLimits): { ops: unknown[]; p: number } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw refuse('body', 'an object with "ops"');
  const { ops, p = -1 } = body as { ops?: unknown; p?: unknown };
  for (const key in body) {
    if (key === 'ops' || key === 'p') continue;
    const detail = `The body has a field ${quote(key)} that is not allowed here.`;
    throw new Problem('unknown-field', detail, { field: brief(key), allowed: ['ops', 'p'] });
  }
  if (!Array.isArray(ops)) throw refuse('ops', 'an array of operations');
  if (ops.length > limits.maxBatch) throw tooLarge(limits.maxBatch);
  if (p !== -1 && !(typeof p === 'number' && Number.isInteger(p) && p >= 0 && p < 1024)) {
    throw new Problem('invalid-p', '"p" must be the number of a P.', { field: 'p', allowed: 'a whole number' });
  }
  return { ops, p: p as number };
}

function refuse(field: string, allowed: string): Problem {
  return new Problem('validation-failed', `"${field}" must be ${allowed}.`, { field, allowed });
}

export function tooLarge(limit: number): Problem {
  return new Problem('batch-too-large', `A batch may have ${limit} operations.`, { limit });
}
