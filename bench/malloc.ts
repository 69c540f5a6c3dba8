/**
 * In-thread malloc against real Go: `make([]byte, n)` for 16, 64 and 256 bytes.
 *
 * Go runs `bench/go` with GOGC=100 on one CPU, goheap `bench/inthread.ts` on one P, in alternating rounds; a figure is
 * the best of its rounds, the one least disturbed by the machine. What Go does besides, collecting, is in its ns/op and in goheap's
 * (each round ends with a mark and a sweep). Target: at most 1.2 times Go's ns/op.
 *
 * Go is looked for in the environment's GO (a `go` program), in GOROOT/bin, and in the PATH; without one, goheap's
 * figures stand alone.
 *
 *     GO=/usr/lib/go-1.27/bin/go node dist/bench/malloc.js [--rounds 3]
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { available, HERE, option, verdict } from './processes.js';

const SIZES = [16, 64, 256];
const TARGET = 1.2;
const rounds = option('rounds', 3);

const go = findGo();
// A variable, so that this file compiles where that one does not exist.
const own = './inthread.js';
const { goheapMalloc } = existsSync(join(HERE, own))
  ? ((await import(own)) as { goheapMalloc: (size: number) => number | Promise<number> })
  : { goheapMalloc: undefined };

console.log(go ? `peer: ${version(go)}` : 'Go: not found (set GO to a go program); goheap stands alone');
if (!goheapMalloc) console.log('goheap: bench/inthread.ts is missing');

const best = new Map(SIZES.map((size) => [size, { go: Infinity, goheap: Infinity }]));
for (let round = 0; round < rounds; round++) {
  if (go) {
    for (const [size, ns] of goRound(go)) {
      const row = best.get(size);
      if (row) row.go = Math.min(row.go, ns);
    }
  }
  if (goheapMalloc) for (const [size, row] of best) row.goheap = Math.min(row.goheap, await goheapMalloc(size));
}
for (const [size, row] of best) {
  const parts = [`malloc ${String(size).padStart(3)} B`];
  if (go) parts.push(`Go ${row.go.toFixed(1)} ns`);
  if (goheapMalloc) parts.push(`goheap ${row.goheap.toFixed(1)} ns`);
  if (go && goheapMalloc) parts.push(`ratio ${verdict(row.goheap / row.go, TARGET, false)}`);
  console.log(parts.join('  '));
}

function findGo(): string | undefined {
  const places = [process.env.GO, process.env.GOROOT && join(process.env.GOROOT, 'bin/go'), 'go'];
  return places.find((place) => place && available(place, 'version')) || undefined;
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, GOGC: '100', GOMAXPROCS: '1', GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod', GOWORK: 'off' };
}

function version(go: string): string {
  return spawnSync(go, ['version'], { env: environment(), encoding: 'utf8' }).stdout.trim();
}

function* goRound(go: string): Generator<[size: number, ns: number]> {
  const result = spawnSync(go, ['test', '-run', '^$', '-bench', 'Malloc', '-cpu', '1', '-count', '1'], {
    // The sources are not compiled by tsc: beside dist, not in it.
    cwd: join(HERE, '../../bench/go'),
    env: environment(),
    encoding: 'utf8',
  });
  if (result.status !== 0) throw new Error(`go test: ${result.stdout}${result.stderr}`);
  for (const [, size, ns] of result.stdout.matchAll(/BenchmarkMalloc\/(\d+)\S*\s+\d+\s+([\d.]+) ns\/op/g)) {
    yield [Number(size), Number(ns)];
  }
}
