/**
 * Progress on standard error: a bar that redraws itself on a terminal, else one plain line every two seconds, so that a
 * log file stays readable. Standard output is left for the report.
 */
import type { Writable } from 'node:stream';

export interface ProgressState {
  /** Between 0 and 1, or undefined when the input's size is unknown. */
  fraction: number | undefined;
  operations: number;
  errors: number;
}

export class Progress {
  private readonly out: Writable & { isTTY?: boolean; columns?: number };
  private readonly state: () => ProgressState;
  private readonly begun = performance.now();
  private readonly timer: NodeJS.Timeout;
  private lastOperations = 0;
  private lastTime = this.begun;
  private rate = 0;

  constructor(out: Writable & { isTTY?: boolean; columns?: number }, state: () => ProgressState) {
    this.out = out;
    this.state = state;
    this.timer = setInterval(() => this.draw(), out.isTTY ? 100 : 2000);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
    if (this.out.isTTY) this.out.write('\r\x1b[K');
  }

  private draw(): void {
    const { fraction, operations, errors } = this.state();
    const now = performance.now();
    const recent = ((operations - this.lastOperations) * 1000) / (now - this.lastTime);
    // Smoothed over about ten redraws, so that the number can be read.
    this.rate = this.rate === 0 ? recent : this.rate + (recent - this.rate) * (this.out.isTTY ? 0.1 : 0.7);
    this.lastOperations = operations;
    this.lastTime = now;

    const seconds = (now - this.begun) / 1000;
    const parts = [`${operations.toLocaleString('en')} ops`, `${Math.round(this.rate).toLocaleString('en')}/s`];
    if (errors > 0) parts.push(`${errors.toLocaleString('en')} errors`);
    if (fraction === undefined) parts.push(duration(seconds));
    else if (fraction > 0.01) parts.push(`${duration((seconds / fraction) * (1 - fraction))} left`);
    const tail = parts.join('  ');
    if (!this.out.isTTY) {
      this.out.write(`load: ${fraction === undefined ? '' : `${Math.round(fraction * 100)}%  `}${tail}\n`);
      return;
    }
    const width = Math.max(10, Math.min(40, (this.out.columns ?? 80) - tail.length - 10));
    const filled = Math.round((fraction ?? 0) * width);
    const percent = fraction === undefined ? '' : `${String(Math.round(fraction * 100)).padStart(3)}% `;
    this.out.write(`\r${percent}[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${tail}\x1b[K`);
  }
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
