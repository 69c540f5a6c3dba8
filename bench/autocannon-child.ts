/**
 * One round of autocannon, in a process of its own so that the load does not share a thread with what it loads. The
 * argument is JSON, the answer JSON on standard output. autocannon's own histogram counts whole milliseconds; the
 * times here come from its `response` event and keep their fractions.
 */
import autocannon from 'autocannon';

export interface Round {
  url: string;
  body: string;
  connections: number;
  seconds: number;
  expectStatus: number;
}

export interface RoundResult {
  requestsPerSecond: number;
  p50: number;
  p99: number;
  /** Answers of another status, broken connections, timeouts. */
  failures: number;
}

const round = JSON.parse(process.argv[2]) as Round;
let times = new Float64Array(1 << 20);
let count = 0;
let failures = 0;
const begun = performance.now();
let last = begun;

const instance = autocannon(
  {
    url: round.url,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: round.body,
    connections: round.connections,
    duration: round.seconds,
  },
  (error, result) => {
    if (error) throw error;
    const sorted = times.subarray(0, count).sort();
    const at = (q: number) => sorted[Math.min(count - 1, Math.floor(count * q))] ?? Number.NaN;
    const answer: RoundResult = {
      requestsPerSecond: (count * 1000) / (last - begun),
      p50: at(0.5),
      p99: at(0.99),
      failures: failures + result.errors + result.timeouts,
    };
    process.stdout.write(JSON.stringify(answer));
  },
);
instance.on('response', (_client, status, _bytes, milliseconds) => {
  if (count === times.length) {
    const grown = new Float64Array(count * 2);
    grown.set(times);
    times = grown;
  }
  times[count++] = milliseconds;
  if (status !== round.expectStatus) failures++;
  last = performance.now();
});
