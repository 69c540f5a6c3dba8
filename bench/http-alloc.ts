/**
 * What does a real allocation behind `POST …/alloc` cost over a route that only answers?
 *
 * autocannon with 100 connections, alternately against a goheap and against a bare Fastify route with the same schemas,
 * each a process of its own, so that neither side gets the quieter machine; one short round each to warm up. A side's
 * figure is the median of its rounds. Targets: at least 0.9 of the requests/s, at most 1.5 times the p99.
 *
 *     node dist/bench/http-alloc.js [--rounds 3] [--seconds 5] [--connections 100] [--size 64]
 */
import type { Round, RoundResult } from './autocannon-child.js';
import { median, number, option, request, runScript, startGoheap, startServer, stop, verdict } from './processes.js';

const rounds = option('rounds', 3);
const seconds = option('seconds', 5);
const connections = option('connections', 100);
const size = option('size', 64);

const goheap = await startGoheap();
const bare = await startServer('bare-server.js');
const sides = [
  { name: 'goheap', url: goheap.url, results: [] as RoundResult[] },
  { name: 'bare Fastify', url: bare.url, results: [] as RoundResult[] },
];
await request(`${goheap.url}/v1/heaps/bench`, 'PUT', {});

console.log(`POST …/alloc {"size":${size}}, ${connections} connections, ${rounds} rounds of ${seconds} s each`);
let failures = 0;
for (let round = -1; round < rounds; round++) {
  // Which side goes first changes from round to round.
  for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
    const options: Round = {
      url: `${side.url}/v1/heaps/bench/alloc`,
      body: JSON.stringify({ size }),
      connections,
      seconds: round < 0 ? 2 : seconds,
      expectStatus: 201,
    };
    const result = await runScript<RoundResult>('autocannon-child.js', options);
    failures += result.failures;
    if (round < 0) continue;
    side.results.push(result);
    console.log(
      `  ${side.name.padEnd(12)}  ${number(result.requestsPerSecond).padStart(8)} requests/s  ` +
        `p50 ${result.p50.toFixed(2)} ms  p99 ${result.p99.toFixed(2)} ms`,
    );
  }
}
const check = (await request(`${goheap.url}/v1/heaps/bench/check`, 'POST', {})) as { ok: boolean };
await Promise.all([stop(goheap.child), stop(bare.child)]);

const [own, peer] = sides.map(({ results }) => ({
  rps: median(results.map((r) => r.requestsPerSecond)),
  p99: median(results.map((r) => r.p99)),
}));
console.log(
  `requests/s  goheap ${number(own.rps)}, bare ${number(peer.rps)}, ratio ${verdict(own.rps / peer.rps, 0.9, true)}`,
);
console.log(
  `p99         goheap ${own.p99.toFixed(2)} ms, bare ${peer.p99.toFixed(2)} ms, ratio ${verdict(own.p99 / peer.p99, 1.5, false)}`,
);
console.log(`failures    ${failures}; check ${check.ok ? 'ok' : 'FAILED'}`);
if (failures > 0 || !check.ok) process.exitCode = 1;
