/** The words of validation errors, over HTTP, on routes made for the purpose. */

import { Type } from '@fastify/type-provider-typebox';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { describeSchema } from '../../src/server/validation.js';
import { json, type TestShell, testShell } from '../helper/shell.js';

let t: TestShell;

const Body = Type.Object(
  {
    size: Type.Integer({ minimum: 0, maximum: 100, 'x-problem': 'invalid-size' }),
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 3 })),
    mode: Type.Optional(Type.Union([Type.Literal('fast'), Type.Literal('slow')])),
    ops: Type.Optional(
      Type.Array(Type.Object({ at: Type.String({ pattern: '^x' }) }, { additionalProperties: false })),
    ),
    both: Type.Optional(Type.Union([Type.Integer(), Type.Literal('off')], { 'x-allowed': 'a number or "off"' })),
  },
  { additionalProperties: false },
);

beforeAll(async () => {
  t = await testShell({}, (app) => {
    app.post('/t', { schema: { body: Body } }, (request) => request.body);
    app.get(
      '/q',
      {
        schema: {
          querystring: Type.Object(
            { limit: Type.Optional(Type.Integer({ minimum: 1 })), deep: Type.Optional(Type.Boolean()) },
            { additionalProperties: false },
          ),
        },
      },
      (request) => request.query,
    );
  });
});

const post = (body: unknown) => ({ method: 'POST', url: '/t', ...json(body) }) as const;

describe('a JSON body', () => {
  it('passes as it is', async () => {
    const response = await t.app.inject(post({ size: 1, mode: 'slow', both: 'off', ops: [{ at: 'x' }] }));
    expect(response.json()).toEqual({ size: 1, mode: 'slow', both: 'off', ops: [{ at: 'x' }] });
  });

  test.each([-1, 1.5, 101, 2 ** 31, 2 ** 53, '12', null, true, [[]], {}])(
    'refuses the size %j',
    async (size: unknown) => {
      const problem = await t.problem('invalid-size', post({ size }));
      expect(problem).toMatchObject({ field: 'size', allowed: 'a whole number from 0 to 100' });
      expect(problem.detail).toMatch(/^"size" in the body must be a whole number from 0 to 100, not /);
    },
  );

  test.each([
    [{}, 'invalid-size', 'size', 'a whole number from 0 to 100'],
    [{ size: 1, name: '' }, 'validation-failed', 'name', 'a string of 1 to 3 characters'],
    [{ size: 1, name: 'four' }, 'validation-failed', 'name', 'a string of 1 to 3 characters'],
    [{ size: 1, mode: 'medium' }, 'validation-failed', 'mode', '"fast", or "slow"'],
    [{ size: 1, both: true }, 'validation-failed', 'both', 'a number or "off"'],
    [{ size: 1, ops: [{ at: 'x' }, { at: 'y' }] }, 'validation-failed', 'ops[1].at', 'a string that matches ^x'],
    [{ size: 1, ops: [{ at: 'x' }, { at: 'x', b: 1 }] }, 'unknown-field', 'ops[1].b', ['at']],
    [{ size: 1, Size: 2 }, 'unknown-field', 'Size', ['size', 'name', 'mode', 'ops', 'both']],
    [[], 'validation-failed', 'body', 'an object'],
    ['x', 'validation-failed', 'body', 'an object'],
    [null, 'validation-failed', 'body', 'an object'],
  ] as const)('%j is %s at %s', async (body, code, field, allowed) => {
    expect(await t.problem(code, post(body))).toMatchObject({ field, allowed });
  });

  it('is quoted only in part when it is long', async () => {
    const problem = await t.problem('validation-failed', post({ size: 1, name: 'x'.repeat(50_000) }));
    expect(problem.detail.length).toBeLessThan(300);
  });
});

describe('a query', () => {
  it('is converted', async () => {
    expect((await t.app.inject('/q?limit=12&deep=true')).json()).toEqual({ limit: 12, deep: true });
  });

  test.each([
    ['limit=0', 'validation-failed', 'limit', 'a whole number of at least 1'],
    ['limit=', 'validation-failed', 'limit', 'a whole number of at least 1'],
    ['limit=ten', 'validation-failed', 'limit', 'a whole number of at least 1'],
    ['limit=1&limit=2', 'validation-failed', 'limit', 'a whole number of at least 1'],
    ['deep=yes', 'validation-failed', 'deep', 'true or false'],
    ['limt=1', 'unknown-field', 'limt', ['limit', 'deep']],
  ] as const)('%s is %s', async (query, code, field, allowed) => {
    expect(await t.problem(code, { url: `/q?${query}` })).toMatchObject({ field, allowed });
  });
});

describe('describeSchema', () => {
  test.each([
    [Type.Integer(), 'a whole number'],
    [Type.Integer({ maximum: 3 }), 'a whole number of at most 3'],
    [Type.Number({ minimum: 0 }), 'a number of at least 0'],
    [Type.Boolean(), 'true or false'],
    [Type.Null(), 'null'],
    [Type.Enum(['a', 'b']), 'one of "a", "b"'],
    [Type.Array(Type.Integer(), { minItems: 1, maxItems: 2 }), 'an array of 1 to 2 items, each a whole number'],
  ])('%j is %s', (schema, words) => expect(describeSchema(schema)).toBe(words));
});
