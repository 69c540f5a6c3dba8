/**
 * Does looking slow a server down?
 *
 * autocannon with 100 connections on `POST …/alloc`, alternately with and without one console attached (its event stream and
 * what its heap map polls, see console-child.ts), interleaved in one run on one server. The heap is an awkward one to look at: 4,000 spans of one
 * page with a free page behind each, so that the arena that the map shows has 8,000 runs. The ratio is the
 * median of those of the pairs of rounds, which have the same minute of the machine. On a
 * busy one that still says little; so beside it stands what the server's main thread, which is what limits it, needed of the CPU for
 * a request (Linux counts it). Target: at least 0.95 of the requests/s.
 *
 *     node dist/bench/console.js [--rounds 12] [--seconds 3] [--connections 100] [--size 64]
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Round, RoundResult } from './autocannon-child.js';
import type { Attach, Attached } from './console-child.js';
import { HERE, median, number, option, request, runScript, start, startGoheap, stop, verdict } from './processes.js';

const rounds = option('rounds', 12);
const seconds = option('seconds', 3);
const connections = option('connections', 100);
const size = option('size', 64);

const SPANS = 4000;

const goheap = await startGoheap();
const heap = `${goheap.url}/v1/heaps/bench`;
await request(heap, 'PUT', {});
const { addresses } = (await request(`${heap}/alloc`, 'POST', { size: 8192, count: SPANS * 2 })) as {
  addresses: string[];
};
await request(`${heap}/free`, 'POST', { addresses: addresses.filter((_, i) => i % 2 === 1) });
await request(`${heap}/sweep`, 'POST', { mark: 'always' });

/** Attaches a console; what is returned detaches it, and says what it was sent. */
function attach(): () => Promise<Attached> {
  const argument: Attach = { url: heap };
  const child = start(process.execPath, [join(HERE, 'console-child.js'), JSON.stringify(argument)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout?.on('data', (chunk) => {
    text += chunk;
  });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  return async () => {
    child.stdin?.end();
    const code = await closed;
    if (code !== 0) throw new Error(`the console ended with ${code}`);
    return JSON.parse(text) as Attached;
  };
}

/** Seconds of CPU that the server's main thread has had; NaN where nobody counts them. */
function mainThread(): number {
  const { pid } = goheap.child;
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return Number.NaN;
  }
}

const sides = [
  { name: 'alone', results: [] as RoundResult[], cpu: [] as number[] },
  { name: 'with a console', results: [] as RoundResult[], cpu: [] as number[] },
];
const [alone, watched] = sides;
console.log(`POST …/alloc {"size":${size}}, ${connections} connections, ${rounds} rounds of ${seconds} s each`);
let failures = 0;
for (let round = -1; round < rounds; round++) {
  // Which side goes first changes from round to round.
  for (const side of round % 2 === 0 ? sides : [watched, alone]) {
    const options: Round = {
      url: `${heap}/alloc`,
      body: JSON.stringify({ size }),
      connections,
      seconds: round < 0 ? 2 : seconds,
      expectStatus: 201,
    };
    const detach = side === watched ? attach() : undefined;
    const before = mainThread();
    const result = await runScript<RoundResult>('autocannon-child.js', options);
    // Of a request: autocannon starts before and ends after its seconds, but counts every answer.
    const cpu = (mainThread() - before) / (result.requestsPerSecond * options.seconds);
    const sent = await detach?.();
    failures += result.failures;
    if (round < 0) continue;
    side.results.push(result);
    side.cpu.push(cpu);
    const read =
      sent === undefined
        ? ''
        : `  ${number(sent.streamBytes / sent.seconds)} B/s of events, ${(sent.polls / sent.seconds).toFixed(1)} polls/s, ` +
          `${number(sent.pollBytes / sent.seconds)} B/s`;
    console.log(
      `  ${side.name.padEnd(14)}  ${number(result.requestsPerSecond).padStart(8)} requests/s  ` +
        `p50 ${result.p50.toFixed(2)} ms  p99 ${result.p99.toFixed(2)} ms  ${(cpu * 1e6).toFixed(1)} µs of CPU${read}`,
    );
  }
}
const check = (await request(`${heap}/check`, 'POST', {})) as { ok: boolean };
await stop(goheap.child);

const [own, peer] = [watched, alone].map(({ results }) => ({
  rps: median(results.map((r) => r.requestsPerSecond)),
  p99: median(results.map((r) => r.p99)),
}));
const ratios = watched.results.map((r, i) => r.requestsPerSecond / alone.results[i].requestsPerSecond);
console.log(
  `requests/s  with a console ${number(own.rps)}, alone ${number(peer.rps)}, ratio ${verdict(median(ratios), 0.95, true)}, ` +
    `pairs from ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`,
);
const [watchedCpu, aloneCpu] = [median(watched.cpu), median(alone.cpu)];
console.log(
  `CPU         with a console ${(watchedCpu * 1e6).toFixed(1)} µs a request, alone ${(aloneCpu * 1e6).toFixed(1)} µs, ` +
    `ratio ${verdict(aloneCpu / watchedCpu, 0.95, true)}`,
);
console.log(`p99         with a console ${own.p99.toFixed(2)} ms, alone ${peer.p99.toFixed(2)} ms`);
if (!check.ok || failures > 0) {
  console.log(`check ${check.ok ? 'ok' : 'FAILED'}, ${failures} requests failed`);
  process.exitCode = 1;
}
