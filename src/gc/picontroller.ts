/**
 * A proportional-integral controller, with which the background scavenger keeps to its 1% of the CPU.
 *
 * Its output is `kp` times the error plus the errors summed up so far. The output is clamped to a range, and what the
 * clamp cuts off is fed back into the sum (`tt`), or the sum would grow without end while the output cannot follow.
 *
 * The state is a region of doubles, so that it can lie in shared memory; it belongs to whoever calls `next`. The
 * parameters are constants of the view: every thread makes its own with the same ones.
 */

export const PI_ERR_INTEGRAL = 0; // the errors summed up, in units of the output
export const PI_ERR_OVERFLOW = 1; // 1 from an overflow on, until someone reports it and puts 0 there
export const PI_WORDS = 8;

export interface PIParameters {
  /** Proportional constant. */
  readonly kp: number;
  /** Integral time constant, in units of `period`; 0 with `tt`: no integral. */
  readonly ti: number;
  /** Reset time of the clamp's feedback, in units of `period`. */
  readonly tt: number;
  /** Bounds of the output. */
  readonly min: number;
  readonly max: number;
}

/** The scavenger's: from its share of the CPU to the ratio of work to sleep; periods in nanoseconds. */
export const SCAVENGE_PI: PIParameters = { kp: 0.3375, ti: 3.2e6, tt: 1e9, min: 0.001, max: 1000 };

/** A view of one controller: `PI_WORDS` doubles of `f`, from `at` on, zeros at first. */
export class PIController {
  readonly kp: number;
  readonly ti: number;
  readonly tt: number;
  readonly min: number;
  readonly max: number;

  constructor(
    readonly f: Float64Array,
    readonly at: number,
    { kp, ti, tt, min, max }: PIParameters,
  ) {
    this.kp = kp;
    this.ti = ti;
    this.tt = tt;
    this.min = min;
    this.max = max;
  }

  /**
   * The next output, given what was measured over `period`. NaN if the numbers overflowed, where Go answers its minimum
   * and false: the controller has then been reset, and the caller should use `min` and stay off for a while.
   */
  next(input: number, setpoint: number, period: number): number {
    const { f, at } = this;
    const error = setpoint - input;
    const raw = this.kp * error + f[at + PI_ERR_INTEGRAL];
    if (!Number.isFinite(raw)) return this.overflow();
    const output = Math.min(Math.max(raw, this.min), this.max);
    if (this.ti !== 0 && this.tt !== 0) {
      f[at + PI_ERR_INTEGRAL] += ((this.kp * period) / this.ti) * error + (period / this.tt) * (output - raw);
      if (!Number.isFinite(f[at + PI_ERR_INTEGRAL])) return this.overflow();
    }
    return output;
  }

  reset(): void {
    this.f[this.at + PI_ERR_INTEGRAL] = 0;
  }

  private overflow(): number {
    this.reset();
    this.f[this.at + PI_ERR_OVERFLOW] = 1;
    return Number.NaN;
  }
}
