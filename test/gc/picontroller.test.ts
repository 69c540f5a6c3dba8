import { describe, expect, it } from 'vitest';
import { PI_ERR_INTEGRAL, PI_ERR_OVERFLOW, PI_WORDS, PIController, SCAVENGE_PI } from '../../src/gc/picontroller.js';
import { golden } from '../heap/pagealloc-golden.js';

interface Vectors {
  kp: number;
  ti: number;
  tt: number;
  min: number;
  max: number;
  sequences: { rows: [input: number, setpoint: number, period: number, output: number, ok: boolean][] }[];
}

const AT = 3;
const region = () => new Float64Array(new SharedArrayBuffer((AT + PI_WORDS + 1) * 8));

describe('PIController', () => {
  const { sequences, kp, ti, tt, min, max } = golden<Vectors>('pi_controller_vectors');

  it(`is Go 1.27's, to the last bit: ${sequences.length} sequences`, () => {
    let rows = 0;
    for (const [i, s] of sequences.entries()) {
      const f = region();
      // Every step by another view, as by another thread.
      for (const [input, setpoint, period, output, ok] of s.rows) {
        const next = new PIController(f, AT, { kp, ti, tt, min, max }).next(input, setpoint, period);
        expect(next, `sequence ${i}, row ${rows++}`).toBe(ok ? output : Number.NaN);
      }
    }
    expect([sequences.length, rows]).toEqual([12, 720]);
  });

  it("has the scavenger's parameters", () => {
    expect(SCAVENGE_PI).toEqual({ kp, ti, tt, min, max });
  });

  it.each([
    ['the output', Number.MAX_VALUE * 2, 0, 1],
    ['a difference', -Number.MAX_VALUE, Number.MAX_VALUE, 1],
    ['the sum of errors', -1e300, 0, 1e300],
    ['a measurement that is not one', Number.NaN, 0, 1],
  ])('resets itself on an overflow of %s', (_, input, setpoint, period) => {
    const f = region();
    const c = new PIController(f, AT, SCAVENGE_PI);
    c.next(0.02, 0.01, 1e6);
    expect(f[AT + PI_ERR_INTEGRAL]).not.toBe(0);
    expect(c.next(input, setpoint, period)).toBeNaN();
    expect([f[AT + PI_ERR_INTEGRAL], f[AT + PI_ERR_OVERFLOW]]).toEqual([0, 1]);
    // It works again, and the flag stays for whoever reports it.
    expect(c.next(0.01, 0.01, 1e6)).toBe(0.001);
    expect(f[AT + PI_ERR_OVERFLOW]).toBe(1);
  });

  it('without time constants is proportional', () => {
    const f = region();
    const c = new PIController(f, AT, { kp: 2, ti: 0, tt: 0, min: -10, max: 10 });
    expect([c.next(1, 2, 5), c.next(1, 2, 5), c.next(1, 100, 5)]).toEqual([2, 2, 10]);
    expect([...f]).toEqual([...region()]);
  });
});
