/**
 * Progress on standard error. On a terminal one line that redraws itself: a bar, the rate, the time left. Elsewhere nothing until the end, and then one
 * line that says what was done, so that log files stay readable. Standard output is the report's.
 */

import type { Writable } from 'node:stream';
import { short } from '../report/units.js';

export interface ProgressState {
  /** What goes on: "reading", "simulating 3 of 12". */
  readonly label: string;
  /** 0 to 1, null: not known. */
  readonly fraction: number | null;
  /** Simulated so far, in all. */
  readonly events: number;
}

const EVERY_MS = 100;
const BAR = 28;

export class Progress {
  private readonly out: Writable & { isTTY?: boolean; columns?: number };
  private readonly begun = performance.now();
  private readonly timer: NodeJS.Timeout | undefined;
  private state: ProgressState = { label: 'reading', fraction: null, events: 0 };
  private phaseBegan = this.begun;
  private lastTime = this.begun;
  private lastEvents = 0;
  private rate = 0;

  constructor(out: Writable & { isTTY?: boolean; columns?: number }) {
    this.out = out;
    if (!out.isTTY) return;
    this.timer = setInterval(() => this.draw(), EVERY_MS);
    this.timer.unref();
  }

  set(state: ProgressState): void {
    // Another phase begins: its fraction is its own.
    if ((state.fraction ?? 0) < (this.state.fraction ?? 0) - 0.5) this.phaseBegan = performance.now();
    this.state = state;
  }

  /** The line is over; `summary` is written where no bar could be seen. */
  stop(summary?: { readonly simulations: number; readonly events: number }): void {
    clearInterval(this.timer);
    if (this.out.isTTY) this.out.write('\r\x1b[K');
    if (summary === undefined) return;
    const seconds = (performance.now() - this.begun) / 1000;
    const { simulations, events } = summary;
    this.out.write(
      `replay: ${simulations} simulation${simulations === 1 ? '' : 's'}, ${short(events)} events in ${seconds.toFixed(1)} s (${short(events / Math.max(seconds, 1e-3))} events/s)\n`,
    );
  }

  private draw(): void {
    const { label, fraction, events } = this.state;
    const now = performance.now();
    const recent = Math.max(0, ((events - this.lastEvents) * 1000) / (now - this.lastTime));
    this.rate = this.rate === 0 ? recent : this.rate + (recent - this.rate) * 0.1;
    this.lastEvents = events;
    this.lastTime = now;
    const parts = [label];
    if (this.rate > 0) parts.push(`${short(this.rate)} events/s`);
    if (fraction !== null && fraction > 0.02) {
      parts.push(`${left(((now - this.phaseBegan) / 1000 / fraction) * (1 - fraction))} left`);
    }
    const filled = Math.round((fraction ?? 0) * BAR);
    const percent = fraction === null ? '    ' : `${String(Math.floor(fraction * 100)).padStart(3)}%`;
    const line = `${percent} [${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}] ${parts.join(', ')}`;
    this.out.write(`\r${line.slice(0, Math.max(20, (this.out.columns ?? 100) - 1))}\x1b[K`);
  }
}

function left(seconds: number): string {
  const s = Math.max(0, Math.ceil(seconds));
  if (s < 100) return `${s} s`;
  return s < 5400 ? `${Math.ceil(s / 60)} min` : `${Math.ceil(s / 3600)} h`;
}
