/**
 * Where the process is in its life: starting, serving, draining.
 *
 * One small object that everything may read: `/readyz`, the gate that answers 503 `shutting-down`, streams that must
 * end. Invariant: the phase only moves forward. Long-lived answers (server-sent events) listen to `signal` and end
 * themselves when it aborts, because draining waits for them.
 */

export type Phase = 'starting' | 'serving' | 'draining';

export class Lifecycle {
  #phase: Phase = 'starting';
  readonly #controller = new AbortController();

  get phase(): Phase {
    return this.#phase;
  }

  get draining(): boolean {
    return this.#phase === 'draining';
  }

  /** Aborts when draining begins. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  serve(): void {
    if (this.#phase === 'starting') this.#phase = 'serving';
  }

  drain(): void {
    if (this.#phase === 'draining') return;
    this.#phase = 'draining';
    this.#controller.abort();
  }
}
