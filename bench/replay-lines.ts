/**
 * Whether every reader takes time in proportion to the length of a line, whatever is in it.
 *
 * For each reader and each hostile kind of line (hostile-lines.ts): CPU time for a line of 6 KB,
 * and for one ten times as long, just below the longest that is read. The same megabytes of both,
 * taking turns; the least of the rounds counts, as the machine may be busy. Linear is a ratio of 10
 * between the times of two lines, quadratic is 100.
 *
 *     node dist/bench/replay-lines.js [--rounds 7] [--megabytes 3]
 */

import { Parser } from '../src/replay/ingest.js';
import { MAX_LINE } from '../src/replay/readers/reader.js';
import { HOSTILE_LINES, type HostileLine } from '../test/oracle/hostile-lines.js';
import { option } from './processes.js';

/** What a ratio of 10 may read as on a busy machine. */
const WORST = 20;
const SHORT = 6_000;
const LONG = SHORT * 10;
if (LONG > MAX_LINE) throw new Error('the long lines are too long to be read');

const rounds = option('rounds', 7);
const megabytes = option('megabytes', 3);
const sink = { write() {} };

/** CPU seconds for one line. */
function seconds({ head, line }: HostileLine, length: number): number {
  const lines = Math.max(1, Math.round((megabytes * 1e6) / length));
  const text = Buffer.from(Array.from({ length: lines }, (_, i) => `${line(length, i + 1)}\n`).join(''));
  const parser = new Parser(sink);
  parser.push(Buffer.from(`${head.join('\n')}\n`));
  // Enough of the first lines for the format to be told: what is measured is the reader.
  parser.push(Buffer.from(`${head[head.length - 1]}\n`.repeat(Math.ceil(MAX_LINE / head[head.length - 1].length))));
  const begun = process.cpuUsage();
  parser.push(text);
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6 / lines;
}

let worst = 0;
console.log(`reader     line                          MB/s at ${SHORT} B  at ${LONG} B  time × for length × 10`);
for (const hostile of HOSTILE_LINES) {
  let short = Number.POSITIVE_INFINITY;
  let long = Number.POSITIVE_INFINITY;
  for (let round = 0; round <= rounds; round++) {
    short = Math.min(short, seconds(hostile, SHORT));
    long = Math.min(long, seconds(hostile, LONG));
  }
  const ratio = long / short;
  worst = Math.max(worst, ratio);
  const rate = (bytes: number, time: number) => (bytes / 1e6 / time).toFixed(0).padStart(8);
  console.log(
    `${hostile.format.padEnd(10)} ${hostile.shape.padEnd(28)} ${rate(SHORT, short).padStart(15)} ` +
      `${rate(LONG, long).padStart(12)} ${ratio.toFixed(1).padStart(10)}`,
  );
}
console.log(`worst ${worst.toFixed(1)} (linear is 10, quadratic 100): ${worst <= WORST ? 'linear' : 'NOT LINEAR'}`);
