/**
 * GODEBUG=gctrace=1: Go's own line for each cycle, byte for byte in format.
 *
 *      gc 5 @0.006s 8%: 0.004+1.6+0 ms clock, 0.004+0.16/0/0+0 ms cpu, 15->18->10 MB, 18 MB goal, 0 MB stacks, 1 MB globals, 1 P
 *
 *      gc N @T U%     number, seconds since the heap was made, share of CPU that collecting took so far
 *      a+b+c clock    sweep termination, concurrent mark, mark termination
 *      A+B/C/D+E cpu  a, assists, dedicated and fractional workers, idle workers, c; times the Ps
 *      X->Y->Z MB     heap when it began, when the mark ended, of that live
 *
 * There are no stacks and no globals here: always 0 MB.
 */

import type { CycleRecord } from './record.js';

/**
 * Nanoseconds as milliseconds, as gctrace writes them: whole from 10 ms on, below that two significant digits with at most three decimals,
 * and 0 for less than a microsecond. Cut off, never rounded up.
 */
export function formatMs(ns: number): string {
  // From seconds in a double: a whole number of ns comes back as one.
  const whole = Math.round(ns);
  if (whole >= 10e6) return String(Math.floor(whole / 1e6));
  // In microseconds, cut down to two significant digits.
  let x = Math.floor(whole / 1e3);
  if (x <= 0) return '0';
  let decimals = 3;
  while (x >= 100) {
    x = Math.floor(x / 10);
    decimals--;
  }
  return fixed(x, decimals);
}

/** `x / 10^decimals` with that many decimals, at least one, padded with zeros in front: Go's itoaDiv. */
function fixed(x: number, decimals: number): string {
  const digits = String(x).padStart(decimals + 1, '0');
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

const mib = (bytes: number): string => String(Math.floor(bytes / 2 ** 20));

export function gctraceLine(c: CycleRecord): string {
  const ns = (seconds: number): number => seconds * 1e9;
  const { pauses, cpu, heap } = c;
  const procs = c.gomaxprocs;
  const clock = [pauses.sweepTermination, c.markSeconds, pauses.markTermination].map((s) => formatMs(ns(s)));
  const mark = [cpu.assist, cpu.dedicated + cpu.fractional, cpu.idle].map((s) => formatMs(ns(s)));
  const times = [pauses.sweepTermination * procs, pauses.markTermination * procs].map((s) => formatMs(ns(s)));
  return (
    `gc ${c.number} @${fixed(Math.floor(Math.round(ns(c.at)) / 1e6), 3)}s ${Math.floor(cpu.fraction * 100)}%: ` +
    `${clock.join('+')} ms clock, ${times[0]}+${mark.join('/')}+${times[1]} ms cpu, ` +
    `${mib(heap.start)}->${mib(heap.end)}->${mib(heap.marked)} MB, ${mib(heap.goal)} MB goal, ` +
    `0 MB stacks, 0 MB globals, ${procs} P${c.forced ? ' (forced)' : ''}`
  );
}
