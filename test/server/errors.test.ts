import { describe, expect, it, test } from 'vitest';
import { ERROR_CODES, ERRORS, isErrorCode } from '../../src/server/errors.js';
import { Problem, problemItem, retryLater } from '../../src/server/problem.js';
import { problemsDocument } from '../../src/server/problem-pages.js';

describe('the registry', () => {
  test.each(ERROR_CODES)('%s is complete', (code) => {
    const { status, title, meaning, remedy } = ERRORS[code];
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(title).not.toMatch(/\.$/);
    expect(meaning).toMatch(/\.$/);
    expect(remedy).toMatch(/\.$/);
  });

  it('docs/problems.md is up to date (vitest -u writes it)', async () => {
    await expect(problemsDocument()).toMatchFileSnapshot('../../docs/problems.md');
  });

  it('does not take inherited names for codes', () => {
    expect(isErrorCode('heap-not-found')).toBe(true);
    for (const name of ['toString', '__proto__', 'constructor', '']) expect(isErrorCode(name)).toBe(false);
  });
});

describe('Problem', () => {
  it('is a problem document', () => {
    const problem = new Problem('too-many-heaps', 'Enough.', { limit: 3 });
    expect(problem.document('/v1/heaps/x', 'r-1')).toEqual({
      type: '/problems/too-many-heaps',
      title: 'The server has as many heaps as it may',
      status: 409,
      code: 'too-many-heaps',
      detail: 'Enough.',
      instance: '/v1/heaps/x',
      requestId: 'r-1',
      limit: 3,
    });
  });

  it('has a stack only where it is our mistake, and leaves the stack depth alone', () => {
    const depth = Error.stackTraceLimit;
    expect(new Problem('not-found', 'x').stack).not.toContain('\n');
    expect(new Problem('internal', 'x').stack).toContain('\n');
    expect(Error.stackTraceLimit).toBe(depth);
  });

  it('tells when to come again', () => {
    expect(retryLater('overloaded', 'x', 2.5).headers).toEqual({ 'retry-after': '3' });
  });

  it('has a form for one item of an answer', () => {
    expect(problemItem('already-freed', 'x', { index: 7 })).toEqual({ code: 'already-freed', detail: 'x', index: 7 });
  });
});
