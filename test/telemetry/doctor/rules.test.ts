/** The rules as data, and what the doctor says as text. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderExamination } from '../../../src/telemetry/doctor/cli.js';
import { diagnose, RULES } from '../../../src/telemetry/doctor/doctor.js';
import { largest, mib, percent, sizeClassName, spanClassName } from '../../../src/telemetry/doctor/rule.js';
import { facts } from './facts.js';

it('has rules that are whole', () => {
  expect(new Set(RULES.map(({ code }) => code)).size).toBe(RULES.length);
  for (const { code, title, meaning, action, explains = [] } of RULES) {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(title).toMatch(/^[A-Z].*[^.]$/);
    for (const text of [meaning, action]) expect(text).toMatch(/^[A-Z].*\.$/s);
    for (const other of explains) expect(RULES.map((r) => r.code)).toContain(other);
  }
});

describe('words', () => {
  it('name classes, sizes and shares', () => {
    expect(spanClassName(13)).toBe('64-byte slots (size class 6, noscan)');
    expect(spanClassName(12)).toBe('64-byte slots (size class 6, scan)');
    expect([spanClassName(1), sizeClassName(0)]).toEqual(['large objects', 'large objects']);
    expect([mib(1 << 20), mib(1 << 30), percent(0.5), percent(0.012)]).toEqual([
      '1.0 MiB',
      '1024 MiB',
      '50 %',
      '1.2 %',
    ]);
  });

  it('name the largest, as far as they matter', () => {
    expect(largest([0, 5, 100, 20, 50, 30])).toEqual([2, 4, 5]);
    expect(largest([0, 0])).toEqual([]);
  });
});

it('is text for people', () => {
  const finding = {
    code: 'retained-idle',
    severity: 'warning' as const,
    title: 'Much idle memory is kept',
    numbers: { retainedBytes: 104857600, share: 0.91 },
    threshold: { share: 0.5 },
    cause: 'The most that was ever in use is 100 MiB, now it is 4 MiB.',
    meaning:
      'Pages that no span uses and that were not given back: they count in the RSS. After a peak that is so for a while.',
    action: 'Scavenge.',
  };
  const summary = 'I am worried about one thing: much idle memory is kept.';
  expect(renderExamination('t', { healthy: false, summary, window: 1, findings: [finding] })).toMatchInlineSnapshot(`
    "t: I am worried about one thing: much idle memory is kept.

    1. Much idle memory is kept [warning, retained-idle]
       where    The most that was ever in use is 100 MiB, now it is 4 MiB.
       numbers  retainedBytes 104,857,600, share 0.91
       beyond   share 0.5
       means    Pages that no span uses and that were not given back: they count in the RSS. After a
                peak that is so for a while.
       do       Scavenge.
    "
  `);
  const well = { healthy: true, summary: 'It is well.', window: 1, findings: [] };
  expect(renderExamination('t', well)).toBe('t: It is well.\n');
});

describe('numbers that a finding shows', () => {
  it('are numbers of JSON, also under a limit of 0: a ratio to it was null', () => {
    const thrashing = facts({ cycles: 50, cpu: { gc: 1e9, dedicated: 1e9 } }, { memoryLimit: 0, limited: true });
    const found = diagnose(thrashing).find(({ code }) => code === 'limit-thrash');
    expect(found?.numbers).toMatchObject({ memoryLimit: 0, limiterOn: 1 });
    expect(found?.numbers).not.toHaveProperty('ofLimit');
  });

  it('are so for facts of all kinds, with zeros and with extremes', () => {
    const extreme = fc.constantFrom(0, 1, 2 ** 20, 2 ** 32, 2 ** 53);
    const happened = fc.record({ cycles: extreme, allocations: extreme, refills: extreme, acquisitions: extreme });
    const changed = fc.record({
      memoryLimit: fc.oneof(extreme, fc.constant(Number.POSITIVE_INFINITY)),
      mapped: extreme,
      nextGC: extreme,
      limited: fc.boolean(),
      seconds: fc.constantFrom(1e-9, 1, 10),
      mem: fc.record({
        TotalAlloc: extreme,
        HeapAlloc: extreme,
        HeapInuse: extreme,
        HeapIdle: extreme,
        HeapReleased: extreme,
        PeakHeapInuse: extreme,
      }),
    });
    fc.assert(
      fc.property(happened, changed, (h, c) => {
        for (const { numbers, threshold, cause } of diagnose(facts(h, c as never))) {
          for (const n of [...Object.values(numbers), ...Object.values(threshold)])
            expect(n).toSatisfy(Number.isFinite);
          expect(cause).not.toMatch(/NaN|undefined/);
        }
      }),
      { numRuns: 300 },
    );
  });
});
