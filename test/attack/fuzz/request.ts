/**
 * Requests: as a plan, which is what fast-check makes and shrinks, and as bytes.
 *
 * A plan is right for its operation; its mutations then make it wrong. References to the server's
 * state are looked up when the plan becomes bytes, so that one plan may name another object each
 * time.
 */

import fc, { type Arbitrary } from 'fast-check';
import type { Operation } from './document.js';
import { type Body, bodyOf, hintsOf, pathValue } from './hints.js';
import { apply, type Draft, encoded, type Mutation, mutation } from './mutation.js';
import { Ref, valid } from './values.js';
import type { World } from './world.js';

export interface Plan {
  operation: Operation;
  path: Record<string, unknown>;
  query: Record<string, unknown>;
  headers: Record<string, unknown>;
  body: Body | undefined;
  mutations: Mutation[];
}

/** What is sent. */
export interface Request {
  method: string;
  target: string;
  headers: [string, string][];
  body: Buffer;
  /** The body, where it is JSON that can be parsed. */
  json: unknown;
  /** The values of the path, as long as no mutation touched it. */
  path: Record<string, string>;
  mutated: boolean;
}

const optional = (values: Record<string, Arbitrary<unknown>>, required: string[]): Arbitrary<Record<string, unknown>> =>
  fc.record(values, { requiredKeys: required });

/** Plans for an operation: without a mutation as often as with some. */
export function planOf(operation: Operation, codes: readonly string[]): Arbitrary<Plan> {
  const hint = hintsOf(operation);
  const part = (place: 'path' | 'query' | 'header'): [Record<string, Arbitrary<unknown>>, string[]] => {
    const parameters = operation.parameters.filter((each) => each.in === place);
    const values = parameters.map(({ name, schema }) => {
      const own = place === 'path' ? pathValue(operation, name, codes) : hint(name, schema);
      return [name, own ?? valid(schema, hint)] as const;
    });
    return [Object.fromEntries(values), parameters.filter((each) => each.required).map(({ name }) => name)];
  };
  const names = operation.parameters.filter((each) => each.in === 'query').map(({ name }) => name);
  const plan = fc.record({
    operation: fc.constant(operation),
    path: optional(...part('path')),
    query: optional(...part('query')),
    headers: optional(...part('header')),
    body: bodyOf(operation),
    mutations: fc.oneof(fc.constant<Mutation[]>([]), fc.array(mutation(names), { minLength: 1, maxLength: 3 })),
  });
  return plan.map(together);
}

/** A Content-Range is as long as the body that it speaks of. */
function together(plan: Plan): Plan {
  const { bytes } = plan.body ?? {};
  if (plan.headers['content-range'] === undefined || bytes === undefined) return plan;
  return { ...plan, headers: { ...plan.headers, 'content-range': `bytes 0-${bytes.length - 1}/*` } };
}

/** A value with the references of it looked up; a reference to nothing is left out. */
function resolved(value: unknown, world: World, heap: string): unknown {
  if (value instanceof Ref) {
    const { kind, n } = value;
    if (kind === 'heap') return world.heap(n);
    if (kind === 'replay') return world.replay(n);
    return (
      world.pick(kind, n, heap) ?? (kind === 'address' ? '0xc000000000' : kind.endsWith('Cursor') ? undefined : '0')
    );
  }
  if (Array.isArray(value)) return value.map((each) => resolved(each, world, heap));
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const out = {};
  for (const [key, each] of Object.entries(value)) {
    Object.defineProperty(out, key, {
      value: resolved(each, world, heap),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return out;
}

export function requestOf(plan: Plan, world: World): Request {
  const { operation, mutations } = plan;
  const heap = plan.path.heap === undefined ? '' : String(resolved(plan.path.heap, world, ''));
  const values = resolved({ ...plan.path, ...(heap === '' ? {} : { heap }) }, world, heap) as Record<string, unknown>;
  const path = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
  const query = Object.entries(resolved(plan.query, world, heap) as object).filter(([, value]) => value !== undefined);
  const draft: Draft = {
    method: operation.method,
    segments: operation.segments.map((part) => (part.startsWith('{') ? encoded(path[part.slice(1, -1)]) : part)),
    query: query.map(([name, value]) => [name, String(value)]),
    headers: Object.entries(plan.headers).map(([name, value]) => [name, String(value)]),
    body: plan.body === undefined ? undefined : (resolved(plan.body, world, heap) as Body),
  };
  for (const each of resolved(mutations, world, heap) as Mutation[]) apply(draft, each);
  return finish(draft, path, mutations.length > 0);
}

function finish(draft: Draft, path: Record<string, string>, mutated: boolean): Request {
  const search = draft.query.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join('&');
  const target = draft.target ?? `/${draft.segments.join('/')}${search === '' ? '' : `?${search}`}`;
  const headers: [string, string][] = [['host', '127.0.0.1']];
  let body: Buffer = Buffer.alloc(0);
  if (draft.body !== undefined) {
    body = Buffer.from(draft.body.bytes ?? JSON.stringify(draft.body.json) ?? '');
    if (draft.body.type !== '') headers.push(['content-type', draft.body.type]);
    headers.push(
      draft.chunked === undefined ? ['content-length', String(body.length)] : ['transfer-encoding', 'chunked'],
    );
  }
  // A header's value is one line of Latin-1 on the wire; what else a schema allows cannot be said.
  for (const [name, value] of draft.headers)
    headers.push([name, value.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?').trim()]);
  let json: unknown;
  try {
    json = JSON.parse(body.toString());
  } catch {
    json = undefined;
  }
  const sent = draft.chunked === undefined || draft.body === undefined ? body : chunk(body, draft.chunked);
  return { method: draft.method, target, headers, body: sent, json, path, mutated };
}

function chunk(body: Buffer, extension: string): Buffer {
  const end = Buffer.from('0\r\n\r\n');
  if (body.length === 0) return end;
  return Buffer.concat([Buffer.from(`${body.length.toString(16)}${extension}\r\n`), body, Buffer.from('\r\n'), end]);
}

/**
 * The request as it goes out. The target is Latin-1 without blanks, or it would end the request
 * line.
 */
export function bytesOf({ method, target, headers, body }: Request): Buffer {
  const lines = [`${method} ${target} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`), '', ''];
  return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), body]);
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * A line for a shell that sends the same, to look at a fault by hand. Bytes that a line cannot hold
 * go through base64.
 */
export function curlLine({ method, target, headers, body }: Request, port: number): string {
  const url =
    /^https?:/.test(target) || !target.startsWith('/')
      ? `--request-target ${quoted(target)} http://127.0.0.1:${port}`
      : quoted(`http://127.0.0.1:${port}${target}`);
  const chunked = headers.some(([name]) => name === 'transfer-encoding');
  const shown = headers
    .filter(([name]) => name !== 'host' && name !== 'content-length')
    .map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  const how = method === 'HEAD' ? '-I' : `-X ${quoted(method)}`;
  const line = ['curl -sS -i --path-as-is -g', how, ...shown];
  const text = body.toString('latin1');
  if (body.length === 0) return [...line, url].join(' ');
  const remark = chunked ? ' # the body is shown with its chunks' : '';
  if (/^[\x20-\x7e\n]*$/.test(text)) return [...line, `--data-binary ${quoted(text)}`, url].join(' ') + remark;
  return `echo ${body.toString('base64')} | base64 -d | ${[...line, '--data-binary @-', url].join(' ')}${remark}`;
}
