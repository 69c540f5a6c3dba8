/**
 * The mark, and a whole forced cycle, against real Go's on the identical graph.
 *
 * Two live graphs of 2^20 - 1 nodes, of which only the first is rooted: a binary tree of 64-byte nodes, and one of 256-byte
 * nodes with 8 pointers each. They are built node by node in the same order on both sides (`build` here, `buildNarrow` and `buildWide` in
 * `bench/go/mark/main.go`), so that they lie alike in memory too. Nothing is garbage, so that every cycle does the same.
 *
 * The two sides take turns, one forced cycle each, Go in a process of its own with GOMAXPROCS=1 and GOGC off, goheap in this thread; each
 * figure is the median of its cycles after warm-up. `cycle` is the whole (runtime.GC() against gcCycle), `mark` the part of it
 * until the sweep begins. Targets: the whole at most 2.6 times Go's for the tree, 3 times for the wide graph.
 *
 * Go is looked for in the environment's GO (a `go` program), in GOROOT/bin, and in the PATH; without one, goheap's
 * figures stand alone.
 *
 *     GO=/usr/lib/go-1.27/bin/go node dist/bench/mark.js [--rounds 11]
 */

import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { gcCycle, markAndAdvance } from '../src/gc/cycle.js';
import { dropRoot } from '../src/heap/free.js';
import { addressOf, Heap, type P } from '../src/heap/heap.js';
import { mallocScan } from '../src/heap/malloc.js';
import { readMemStats } from '../src/heap/memstats.js';
import { sweepAll } from '../src/heap/sweep.js';
import { TYPE_ALL_POINTERS } from '../src/heap/types.js';
import { available, HERE, median, option, start, stop, verdict } from './processes.js';

const MIB = 2 ** 20;
const WARM_UP = 4;

/** As in bench/go/mark/main.go. */
export const NODES = 2 ** 20 - 1;

export interface Graph {
  readonly name: 'tree' | 'wide';
  /** Bytes of a node, and how many pointers stand at its beginning. */
  readonly size: number;
  readonly degree: number;
  readonly target: number;
}

export const TREE: Graph = { name: 'tree', size: 64, degree: 2, target: 2.6 };
const WIDE: Graph = { name: 'wide', size: 256, degree: 8, target: 3 };

/** Milliseconds. */
export interface Cycle {
  whole: number;
  mark: number;
}

/** A heap of one P for this much live data, and as much garbage if asked. */
export function heapFor(bytes: number): Heap {
  const arena = 64 * MIB;
  return Heap.create({ reserve: Math.ceil((bytes * 1.1) / arena) * arena, arenaSize: arena, procs: 1 });
}

/** Makes pointer word `i` of an object point at another. */
export function link(h: Heap, word: number, i: number, target: number): void {
  const address = addressOf(target);
  h.w32[(word + i) * 2] = address | 0;
  h.w32[(word + i) * 2 + 1] = Math.floor(address / 2 ** 32);
}

/** A node, then its subtrees from the left, each with its share of the nodes that are left. Rooted by its first node. */
export function build(h: Heap, p: P, graph: Graph, nodes: number): number {
  const { size, degree } = graph;
  const word = mallocScan(h, p, size, TYPE_ALL_POINTERS, (1 << degree) - 1, 0);
  if (word < 0) throw new Error('reservation exhausted');
  // Data behind the pointers, as Go's side has: no page is the kernel's one page of zeros.
  h.w[word + degree] = nodes;
  let left = nodes - 1;
  for (let i = 0; i < degree && left > 0; i++) {
    const share = Math.ceil(left / (degree - i));
    const child = build(h, p, graph, share);
    link(h, word, i, child);
    if (FOLLOWS_POINTERS && dropRoot(h, p, child, 0) !== 0) throw new Error('free failed');
    left -= share;
  }
  return word;
}

/** Whether the collector follows pointers. One that marks from the root bits alone needs every node rooted. */
export const FOLLOWS_POINTERS = followsPointers();

function followsPointers(): boolean {
  const h = heapFor(MIB);
  const p = h.ps[0];
  const from = mallocScan(h, p, 64);
  const to = mallocScan(h, p, 64);
  link(h, from, 0, to);
  dropRoot(h, p, to, 0);
  gcCycle(h, p);
  return readMemStats(h).HeapObjects === 2;
}

/** A forced cycle up to where the sweep begins: one of the two halves of gcCycle. */
export function markPhase(h: Heap, p: P): void {
  markAndAdvance(h, p, true);
}

/** Two forced cycles, timed: one as a whole, and the mark of the other. */
export function forcedCycles(h: Heap, p: P): Cycle {
  let began = performance.now();
  gcCycle(h, p);
  const whole = performance.now() - began;
  began = performance.now();
  markPhase(h, p);
  const mark = performance.now() - began;
  sweepAll(h, p);
  return { whole, mark };
}

/** The medians of cycles, each figure by itself. */
export function medians(cycles: readonly Cycle[]): Cycle {
  return { whole: median(cycles.map((c) => c.whole)), mark: median(cycles.map((c) => c.mark)) };
}

/** Throws unless exactly these many objects survived. */
export function expectObjects(h: Heap, count: number): void {
  const found = readMemStats(h).HeapObjects;
  if (found !== count) throw new Error(`${found} objects are live instead of ${count}`);
}

/** `bench/go/mark`, compiled: starts processes that measure once each time they are asked. */
export class GoPeer {
  readonly version: string;
  private readonly directory = mkdtempSync(join(tmpdir(), 'goheap-bench-'));
  private readonly env: NodeJS.ProcessEnv = {
    ...process.env,
    GOMAXPROCS: '1',
    GODEBUG: '',
    GOTOOLCHAIN: 'local',
    GOFLAGS: '-mod=mod',
    GOWORK: 'off',
  };

  private constructor(go: string) {
    process.once('exit', () => rmSync(this.directory, { recursive: true, force: true }));
    this.version = spawnSync(go, ['version'], { env: this.env, encoding: 'utf8' }).stdout.trim();
    const built = spawnSync(go, ['build', '-o', join(this.directory, 'mark'), './mark'], {
      // The sources are not compiled by tsc: beside dist, not in it.
      cwd: join(HERE, '../../bench/go'),
      env: this.env,
      encoding: 'utf8',
    });
    if (built.status !== 0) throw new Error(`go build: ${built.stdout}${built.stderr}`);
  }

  /** The Go that is to be had here, named in one line; or one line that there is none. */
  static find(): GoPeer | undefined {
    const places = [process.env.GO, process.env.GOROOT && join(process.env.GOROOT, 'bin/go'), 'go'];
    const go = places.find((place) => place && available(place, 'version'));
    const peer = go ? new GoPeer(go) : undefined;
    console.log(peer ? `peer: ${peer.version}` : 'Go: not found (set GO to a go program); goheap stands alone');
    return peer;
  }

  start(mode: string): GoProcess {
    const child = start(join(this.directory, 'mark'), [mode], { stdio: ['pipe', 'pipe', 'inherit'], env: this.env });
    return new GoProcess(child);
  }
}

class GoProcess {
  private readonly child: ChildProcess;
  private readonly answers: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.child = child;
    this.answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** One measurement: the numbers that it prints. */
  async ask(): Promise<number[]> {
    this.child.stdin!.write('\n');
    const answer = await this.answers.next();
    if (answer.done) throw new Error('bench/go/mark ended');
    return answer.value.split(' ').map(Number);
  }

  end(): Promise<void> {
    return stop(this.child);
  }
}

async function compare(graph: Graph, peer: GoPeer | undefined, rounds: number): Promise<void> {
  const h = heapFor(NODES * graph.size);
  const p = h.ps[0];
  build(h, p, graph, NODES);
  const go = peer?.start(graph.name);
  const ours: Cycle[] = [];
  const theirs: Cycle[] = [];
  for (let round = 0; round < WARM_UP + rounds; round++) {
    const [whole, mark] = go ? (await go.ask()).map((ns) => ns / 1e6) : [];
    const own = forcedCycles(h, p);
    if (round < WARM_UP) continue;
    ours.push(own);
    if (go) theirs.push({ whole, mark });
  }
  await go?.end();
  expectObjects(h, NODES);
  const own = medians(ours);
  const real = medians(theirs);
  for (const figure of ['mark', 'whole'] as const) {
    const parts = [`${graph.name} ${figure === 'mark' ? 'mark ' : 'cycle'}`];
    if (go) parts.push(`Go ${real[figure].toFixed(1).padStart(6)} ms`);
    parts.push(`goheap ${own[figure].toFixed(1).padStart(6)} ms`);
    parts.push(`${((own[figure] * 1e6) / NODES).toFixed(1)} ns a node`);
    const ratio = own[figure] / real[figure];
    const judged = figure === 'whole' && FOLLOWS_POINTERS;
    if (go) parts.push(`ratio ${judged ? verdict(ratio, graph.target, false) : ratio.toFixed(2)}`);
    console.log(parts.join('  '));
  }
}

async function main(): Promise<void> {
  const rounds = option('rounds', 11);
  const peer = GoPeer.find();
  if (!FOLLOWS_POINTERS)
    console.log('goheap does not follow pointers: all its nodes are rooted, the ratios say nothing');
  for (const graph of [TREE, WIDE]) await compare(graph, peer, rounds);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
