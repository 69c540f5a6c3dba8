/**
 * What can be wrong with a request: each mutation changes one thing of a request that was right.
 *
 * A mutation is plain data, so that fast-check can shrink it and print it; `apply` does it. They
 * change what the client says (values, fields, types, encodings, methods, headers), not how its
 * bytes are framed: that is `http-shapes.test.ts`.
 */

import fc, { type Arbitrary } from 'fast-check';
import type { Body } from './hints.js';
import { oddText, oddValue } from './values.js';

/** A request, almost on the wire. */
export interface Draft {
  method: string;
  /** Percent-encoded already. */
  segments: string[];
  query: [string, string][];
  headers: [string, string][];
  body: Body | undefined;
  /** Replaces the whole target. */
  target?: string;
  /** The body's bytes as one chunk with these extensions, rather than with a length. */
  chunked?: string;
}

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'SEARCH',
  'get',
  'FOO',
];
/** The empty one is none. */
const TYPES = [
  'application/json',
  'application/json; charset=utf-8',
  'application/json; charset=utf-16',
  'APPLICATION/JSON',
  'application/json;;',
  'application/jsonx',
  'application/problem+json',
  'application/x-ndjson',
  'application/octet-stream',
  'application/vnd.goheap.batch',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'text/plain',
  'text/json',
  '*/*',
  '/',
  'json',
  '',
];
const RAW_BODIES = [
  '',
  ' ',
  'null',
  '[]',
  '""',
  '0',
  '{',
  '}',
  '{}{}',
  '{"size":8,"size":-1}',
  '{"size":1e999}',
  '{"size":08}',
  '{"size":NaN}',
  "{'size':8}",
  '{"size":8,}',
  '\ufeff{"size":8}',
  '{"__proto__":{"size":8}}',
  '{"constructor":{"prototype":{"x":1}}}',
  '{"size":"\\ud800"}',
  '[{"op":"alloc","size":8}]',
  '{"ops":[null]}',
  '{"ops":[{"op":"free","ref":0}]}',
  '{"op":"alloc","size":8}\n{"op":"free","ref":0}\n',
  '['.repeat(5000),
  `${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`,
];
const HEADERS: [string, string][] = [
  ['accept', 'application/json'],
  ['accept', 'text/html'],
  ['accept', 'image/webp;q=0.1, */*;q=0'],
  ['accept', 'text/event-stream'],
  ['accept-encoding', 'gzip;q=0'],
  ['accept-encoding', 'br, zstd'],
  ['range', 'bytes=0-0'],
  ['range', 'bytes=-1'],
  ['range', 'bytes=5-2'],
  ['range', 'bytes=99999999999999-'],
  ['range', 'bytes=0-0,1-1,2-2'],
  ['range', 'lines=1-2'],
  ['content-range', 'bytes 0-0/1'],
  ['content-range', 'bytes 9-3/*'],
  ['content-range', 'bytes 0-99999999999/*'],
  ['content-encoding', 'gzip'],
  ['content-encoding', 'identity'],
  ['if-none-match', '*'],
  ['if-match', '"x"'],
  ['if-modified-since', 'Fri, 31 Dec 9999 23:59:59 GMT'],
  ['last-event-id', 'end'],
  ['last-event-id', '-1'],
  ['last-event-id', '99999999999999999999'],
  ['last-event-id', 'x'.repeat(100)],
  ['sec-fetch-site', 'cross-site'],
  ['sec-fetch-site', 'same-origin'],
  ['origin', 'null'],
  ['x-request-id', 'fuzz-1'],
  ['x-request-id', '<script>'],
  ['x-request-id', 'x'.repeat(200)],
  ['x-http-method-override', 'DELETE'],
  ['x-forwarded-for', Array.from({ length: 200 }, (_, i) => `10.0.0.${i}`).join(', ')],
  ['x-forwarded-host', 'evil.example'],
  ['forwarded', 'for="[::1]";host=evil'],
  ['authorization', 'Bearer x'],
  ['authorization', 'Basic Og=='],
  ['cookie', 'a=b; '.repeat(300)],
  ['expect', '100-continue'],
  ['connection', 'close'],
  ['te', 'trailers'],
  ['upgrade', 'h2c'],
  ['x-odd', '\u00ff\u00fe'],
  ['x-large', 'x'.repeat(20_000)],
];
const TARGETS: ((path: string) => string)[] = [
  (path) => `${path}/`,
  (path) => `/${path}`,
  (path) => path.replaceAll('/', '//'),
  (path) => `/.${path}`,
  (path) => `/x/..${path}`,
  (path) => path.replace(/\/(\w)/, (_all, first: string) => `/%${first.charCodeAt(0).toString(16)}`),
  (path) => path.replaceAll('/', '%2f'),
  (path) => `${path}%00`,
  (path) => `${path}%zz`,
  (path) => `${path}%`,
  (path) => `${path}%c0%af`,
  (path) => `${path}%ff%fe`,
  (path) => `${path};a=b`,
  (path) => `${path}#x`,
  (path) => `${path}?`,
  (path) => `${path}??=&&=`,
  (path) => `${path}?${'a'.repeat(5000)}`,
  (path) => `${path}?${'a=1&'.repeat(2000)}`,
  (path) => `${path}?a[b]=c&a[__proto__]=d`,
  (path) => path.toUpperCase(),
  (path) => `http://evil.example${path}`,
  (path) => `${path}/${'x'.repeat(2000)}`,
  (path) => `${path}${'/x'.repeat(500)}`,
  () => '/',
  () => '*',
  () => '/v1',
  () => '/docs/..%2f..%2fpackage.json',
  () => '/docs/static/%2e%2e/%2e%2e/package.json',
  () => '/assets/..%2findex.html',
];

export type Mutation =
  | { do: 'value' | 'add' | 'drop'; at: number; name: string; value: unknown }
  | { do: 'cut'; share: number }
  | { do: 'raw'; text: string }
  | { do: 'bytes'; bytes: Uint8Array }
  | { do: 'type'; type: string }
  | { do: 'query'; name: string; value: string; twice: boolean }
  | { do: 'path'; at: number; value: string; raw: boolean }
  | { do: 'target'; which: number }
  | { do: 'method'; method: string }
  | { do: 'header'; header: [string, string] }
  | { do: 'chunked'; extension: string };

const FIELDS = [
  'x',
  '',
  '__proto__',
  'constructor',
  'toString',
  'Size',
  'size ',
  'op',
  'é',
  'a.b',
  '$ref',
  'x'.repeat(500),
];
const name = fc.oneof(fc.constantFrom(...FIELDS), oddText);

/** Parameters of a query by their names, so that a mutation hits some that are known. */
export function mutation(parameters: readonly string[]): Arbitrary<Mutation> {
  const known = fc.constantFrom(...parameters, 'limit', 'cursor', 'x', '__proto__', 'p', 'include');
  const value = fc.record({
    do: fc.constantFrom('value' as const, 'add' as const, 'drop' as const),
    at: fc.nat(30),
    name,
    value: oddValue,
  });
  return fc.oneof(
    { arbitrary: value, weight: 8 },
    {
      arbitrary: fc.record({ do: fc.constant('query' as const), name: known, value: oddText, twice: fc.boolean() }),
      weight: 3,
    },
    {
      arbitrary: fc.record({ do: fc.constant('path' as const), at: fc.nat(6), value: oddText, raw: fc.boolean() }),
      weight: 3,
    },
    { arbitrary: fc.record({ do: fc.constant('header' as const), header: fc.constantFrom(...HEADERS) }), weight: 3 },
    { arbitrary: fc.record({ do: fc.constant('target' as const), which: fc.nat(TARGETS.length - 1) }), weight: 2 },
    { arbitrary: fc.record({ do: fc.constant('method' as const), method: fc.constantFrom(...METHODS) }), weight: 2 },
    { arbitrary: fc.record({ do: fc.constant('type' as const), type: fc.constantFrom(...TYPES) }), weight: 2 },
    { arbitrary: fc.record({ do: fc.constant('raw' as const), text: fc.constantFrom(...RAW_BODIES) }), weight: 2 },
    fc.record({ do: fc.constant('cut' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ do: fc.constant('bytes' as const), bytes: fc.uint8Array({ maxLength: 200 }) }),
    fc.record({
      do: fc.constant('chunked' as const),
      extension: fc.constantFrom('', ';a=b', ';a="b"', `;${'x'.repeat(500)}`),
    }),
  );
}

type Holder = Record<string, unknown> | unknown[];

/** Every object and array of a value, itself first. */
function holders(value: unknown, out: Holder[] = []): Holder[] {
  if (typeof value !== 'object' || value === null) return out;
  out.push(value as Holder);
  for (const each of Object.values(value)) holders(each, out);
  return out;
}

/** As JSON.parse sets it: `__proto__` too is a member. */
function set(target: Holder, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function mutateJson(
  root: unknown,
  { do: what, at, name: field, value }: Extract<Mutation, { at: number; name: string }>,
): unknown {
  const all = holders(root);
  if (all.length === 0) return value;
  const target = all[at % all.length];
  const keys = Object.keys(target);
  const key = keys[Math.floor(at / all.length) % Math.max(1, keys.length)];
  if (what === 'add') set(target, Array.isArray(target) ? String(target.length) : field, value);
  else if (key === undefined) return value;
  else if (what === 'value') set(target, key, value);
  else if (Array.isArray(target)) target.splice(Number(key), 1);
  else delete target[key];
  return root;
}

const bytesOf = (body: Body): Uint8Array => body.bytes ?? Buffer.from(JSON.stringify(body.json) ?? '');

export function apply(draft: Draft, mutation: Mutation): void {
  const { body } = draft;
  switch (mutation.do) {
    case 'value':
    case 'add':
    case 'drop':
      if (body?.bytes !== undefined)
        body.bytes = Buffer.concat([body.bytes, Buffer.from(String(JSON.stringify(mutation.value)))]);
      else if (body === undefined) draft.body = { type: 'application/json', json: mutation.value };
      else body.json = mutateJson(body.json, mutation);
      break;
    case 'cut':
      if (body !== undefined) {
        const bytes = bytesOf(body);
        draft.body = { type: body.type, bytes: bytes.subarray(0, Math.floor(bytes.length * mutation.share)) };
      }
      break;
    case 'raw':
      draft.body = { type: body?.type ?? 'application/json', bytes: Buffer.from(mutation.text) };
      break;
    case 'bytes':
      draft.body = { type: body?.type ?? 'application/octet-stream', bytes: mutation.bytes };
      break;
    case 'type':
      draft.body = { ...(body ?? { bytes: Buffer.from('{}') }), type: mutation.type };
      break;
    case 'query': {
      const pair: [string, string] = [mutation.name, mutation.value];
      if (!mutation.twice) draft.query = draft.query.filter(([each]) => each !== mutation.name);
      draft.query.push(pair);
      break;
    }
    case 'path': {
      const at = mutation.at % draft.segments.length;
      draft.segments[at] = mutation.raw ? mutation.value.replace(/[^!-~]/g, '%20') : encoded(mutation.value);
      break;
    }
    case 'target':
      draft.target = TARGETS[mutation.which](`/${draft.segments.join('/')}`);
      break;
    case 'method':
      draft.method = mutation.method;
      break;
    case 'header':
      draft.headers.push(mutation.header);
      break;
    case 'chunked':
      draft.chunked = mutation.extension;
      break;
  }
}

/** Percent-encoded; a lone surrogate, which cannot be, as its bytes. */
export function encoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return [...Buffer.from(text, 'utf16le')].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  }
}
