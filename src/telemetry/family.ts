/**
 * A metric family: everything that is ever said about a metric, in one place.
 *
 * The Prometheus text, the JSON form, the documentation and the tests are all made from these records; nothing about a
 * metric is written down anywhere else. `read` looks at one view and hands its values to an `Out`, which decides what
 * becomes of them. It makes no arrays of samples: a scrape of a large heap costs what writing its text costs.
 *
 * Labels are declared with the family, and `read` gives their values in that order. Their number is bounded by the
 * heap's geometry (span classes, Ps, arenas) or by the routes of the server, never by what clients send.
 */

export type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary';

/** Where the values of a family go. Label values come in the order of the family's `labels`. */
export interface Out {
  value(value: number, ...labels: string[]): void;
  /** `counts[i]` observations up to `bounds[i]`, each bucket for itself; the last one (+Inf) has no bound. */
  histogram(bounds: readonly number[], counts: ArrayLike<number>, sum: number, ...labels: string[]): void;
  /** Pairs of quantile and value. */
  summary(quantiles: readonly (readonly [number, number])[], sum: number, count: number): void;
}

export interface Family<V> {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
  /** What one unit of the value is. */
  readonly unit: string;
  /** Which structure or counter of the allocator it is read from. */
  readonly from: string;
  /** What to make of it: when to worry, and what to do then. */
  readonly advice: string;
  read(view: V, out: Out): void;
}

/** The family that shows one number. */
export function single<V>(
  f: Omit<Family<V>, 'labels' | 'read'> & { readonly labels?: readonly string[] },
  read: (view: V) => number,
): Family<V> {
  return { ...f, labels: f.labels ?? [], read: (view, out) => out.value(read(view)) };
}
