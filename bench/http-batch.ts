/**
 * How many operations a second go through a batch over HTTP, against Redis `SET` pipelined 512 deep?
 *
 * A `SET` of 64 bytes on one key frees the value of the one before it and allocates its own; so a batch is made of
 * pairs: an allocation of 64 bytes and the immediate free of it. Every operation counts, as every `SET` does. JSON batches of
 * 1,000 and binary batches of 10,000, over a few connections; redis-benchmark with its usual 50. A private redis-server
 * on a port of its own, without persistence, and both sides in alternating rounds. Targets: JSON at least 2 times,
 * binary at least 8 times Redis. Without Redis the goheap side is printed alone.
 *
 *     node dist/bench/http-batch.js [--rounds 3] [--seconds 4] [--connections 4]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Batches, BatchesResult } from './batch-child.js';
import { BINARY_TYPE, encodePairs, failedIn } from './binary-records.js';
import {
  available,
  freePort,
  median,
  number,
  option,
  request,
  runScript,
  start,
  startGoheap,
  stop,
  verdict,
} from './processes.js';

const rounds = option('rounds', 3);
const seconds = option('seconds', 4);
const connections = option('connections', 4);
const SIZE = 64;

function jsonPairs(ops: number): string {
  const list = Array.from({ length: ops }, (_, i) =>
    i % 2 === 0 ? { op: 'alloc', size: SIZE } : { op: 'free', ref: i - 1, reuse: 'immediate' },
  );
  return JSON.stringify({ ops: list });
}

interface Side {
  name: string;
  target: number;
  ops: number;
  type: string;
  body: Buffer | string;
  failed: (answer: Buffer) => number;
  rates: number[];
}

const sides: Side[] = [
  {
    name: 'JSON, 1,000 ops',
    target: 2,
    ops: 1000,
    type: 'application/json',
    body: jsonPairs(1000),
    failed: (answer) => (JSON.parse(answer.toString()) as { failed: number }).failed,
    rates: [],
  },
  {
    name: 'binary, 10,000 ops',
    target: 8,
    ops: 10_000,
    type: BINARY_TYPE,
    body: encodePairs(10_000, SIZE),
    failed: failedIn,
    rates: [],
  },
];

const scratch = mkdtempSync(join(tmpdir(), 'goheap-bench-'));
const redisPort = await startRedis();
const redisRates: number[] = [];
const goheap = await startGoheap();
let failures = 0;
try {
  await request(`${goheap.url}/v1/heaps/bench`, 'PUT', {});
  const path = '/v1/heaps/bench/batch';
  for (const [i, side] of sides.entries()) {
    writeFileSync(join(scratch, String(i)), side.body);
    // Once with a look at the answer: a benchmark of failures would be fast, too.
    const answer = await fetch(goheap.url + path, {
      method: 'POST',
      headers: { 'content-type': side.type },
      body: typeof side.body === 'string' ? side.body : new Uint8Array(side.body),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (!answer.ok) throw new Error(`${side.name}: ${answer.status} ${bytes.toString().slice(0, 300)}`);
    failures += side.failed(bytes);
  }
  for (let round = -1; round < rounds; round++) {
    for (const [i, side] of sides.entries()) {
      const task: Batches = {
        port: goheap.port,
        path,
        type: side.type,
        bodyFile: join(scratch, String(i)),
        connections,
        seconds: round < 0 ? 2 : seconds,
      };
      const result = await runScript<BatchesResult>('batch-child.js', task);
      failures += result.failures;
      if (round < 0) continue;
      side.rates.push(result.requestsPerSecond * side.ops);
      console.log(
        `  ${side.name.padEnd(20)} ${number(result.requestsPerSecond * side.ops).padStart(12)} ops/s  ` +
          `p50 ${result.p50.toFixed(2)} ms  p99 ${result.p99.toFixed(2)} ms a batch`,
      );
    }
    if (redisPort !== undefined) {
      const rate = redisRound(redisPort, round < 0 ? 1_000_000 : 4_000_000);
      if (round < 0) continue;
      redisRates.push(rate);
      console.log(`  ${'Redis SET, -P 512'.padEnd(20)} ${number(rate).padStart(12)} ops/s`);
    }
  }
  const check = (await request(`${goheap.url}/v1/heaps/bench/check`, 'POST', {})) as { ok: boolean };
  for (const side of sides) {
    const rate = median(side.rates);
    const ratio = redisRates.length > 0 ? `, ${verdict(rate / median(redisRates), side.target, true)} times Redis` : '';
    console.log(`${side.name.padEnd(20)} ${number(rate)} ops/s${ratio}`);
  }
  console.log(
    redisRates.length > 0 ? `Redis SET            ${number(median(redisRates))} ops/s` : 'Redis: not installed',
  );
  console.log(`failures             ${failures}; check ${check.ok ? 'ok' : 'FAILED'}`);
  if (failures > 0 || !check.ok) process.exitCode = 1;
} finally {
  await stop(goheap.child);
  rmSync(scratch, { recursive: true, force: true });
}
process.exit();

async function startRedis(): Promise<number | undefined> {
  if (!available('redis-server', '--version') || !available('redis-benchmark', '--version')) return undefined;
  const port = await freePort();
  start('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], {
    cwd: scratch,
  });
  for (let tries = 0; tries < 100; tries++) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (up) return port;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('redis-server does not answer');
}

function redisRound(port: number, requests: number): number {
  const args = ['-p', String(port), '-t', 'set', '-P', '512', '-d', String(SIZE), '-n', String(requests), '-q'];
  const { stdout } = spawnSync('redis-benchmark', args, { encoding: 'utf8' });
  const rates = [...stdout.matchAll(/SET: ([\d.]+) requests per second/g)];
  if (rates.length === 0) throw new Error(`redis-benchmark said: ${stdout}`);
  return Number(rates[rates.length - 1][1]);
}
