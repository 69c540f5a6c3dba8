/** The OpenAPI document: what a generator of clients needs of every operation. `npm run openapi:lint` checks the rest. */

import { beforeAll, describe, expect, it } from 'vitest';
import { isErrorCode } from '../../src/server/errors.js';
import { testShell } from '../helper/shell.js';

interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security: object[];
  responses: Record<string, { description: string; content?: Record<string, unknown> }>;
}
interface Document {
  openapi: string;
  info: { version: string };
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: object };
}

let document: Document;
let operations: [string, Operation][];

beforeAll(async () => {
  const { app } = await testShell();
  const response = await app.inject('/openapi.json');
  expect(response.headers['content-type']).toMatch(/^application\/json/);
  document = response.json();
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method} ${path}`, operation]),
  );
});

it('is OpenAPI 3.1 of this version', async () => {
  expect(document.openapi).toBe('3.1.0');
  expect(document.info.version).toMatch(/^\d+\.\d+\.\d+/);
  expect(Object.keys(document.components.schemas)).toContain('Problem');
});

it('gives every operation an id of its own, a summary and one known tag', () => {
  const tags = new Set(document.tags.map(({ name }) => name));
  const ids = operations.map(([, { operationId }]) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [name, operation] of operations) {
    expect(operation.operationId, name).toMatch(/^[a-z][A-Za-z]+$/);
    expect(operation.summary, name).not.toMatch(/^$|\.$/);
    expect(operation.tags, name).toHaveLength(1);
    expect(tags, name).toContain(operation.tags[0]);
  }
});

it('describes every error by its codes, as problem documents', () => {
  for (const [name, { responses }] of operations) {
    for (const [status, { description, content }] of Object.entries(responses)) {
      if (Number(status) < 400 || name.endsWith('/readyz') || !description.startsWith('`')) continue;
      expect(Object.keys(content ?? {}), `${name} ${status}`).toEqual(['application/problem+json']);
      for (const [, code] of description.matchAll(/`([^`]+)`:/g)) expect(isErrorCode(code), code).toBe(true);
    }
  }
});

it('says of every protected operation that it may need a token', () => {
  for (const [name, { responses, security }] of operations) {
    const open = !/ \/(v1|metrics)/.test(name);
    expect('401' in responses, name).toBe(!open);
    expect(security, name).toEqual(open ? [] : [{}, { bearer: [] }]);
  }
});

describe('declares', () => {
  const statuses = (name: string): string[] => Object.keys(operations.find(([is]) => is === name)?.[1].responses ?? {});

  it('what the HTTP server may answer to anything', () => {
    for (const [name, { responses }] of operations) {
      expect(Object.keys(responses), name).toEqual(expect.arrayContaining(['400', '408', '431']));
    }
  });

  it('that a path may be too long, wherever a part of it is chosen', () => {
    for (const [name, { responses }] of operations) expect('414' in responses, name).toBe(name.includes('{'));
  });

  it('that a heap may be deleted meanwhile', () => {
    for (const [name, { responses }] of operations) expect('410' in responses, name).toBe(name.includes('{heap}'));
  });

  it('that pages and names are refused, and that requests are counted, but for health', () => {
    for (const [name, { responses }] of operations) {
      const health = /(livez|readyz)$/.test(name);
      for (const status of ['403', '421', '429']) expect(status in responses, `${name} ${status}`).toBe(!health);
    }
  });

  it('that a body may be wrong, also where none is wanted', () => {
    for (const name of ['delete /v1/heaps/{heap}', 'post /v1/heaps/{heap}/check']) {
      expect(statuses(name)).toEqual(expect.arrayContaining(['413', '415']));
    }
    expect(statuses('get /v1/heaps')).not.toContain('413');
  });
});

it('has no traces of the notes from which it was made', () => {
  expect(JSON.stringify(document)).not.toMatch(/x-problems|x-body-optional"?:true,"x-prob/);
});
