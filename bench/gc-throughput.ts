/**
 * What the collector costs a thread that does nothing but allocate.
 *
 * 64 MiB stay live; 64-byte objects are allocated and dropped, 512 MiB a round: with the collector on at GOGC=100, which is a cycle for
 * every 64 MiB, and with it off. "Off" is the stricter of its two meanings: the garbage is collected every 64 MiB as well, but
 * off the clock, so that both sides allocate from the same dirty, swept spans and differ by nothing but the collector. (A
 * heap that is never collected would measure how the kernel hands out fresh pages.) Dropping the roots is off the clock on
 * both sides: a Go program has no such thing.
 *
 * Twice: objects without pointers beside live ones without pointers, and objects with two pointer words beside the binary tree of
 * `bench/mark.ts`. The sides take turns; a figure is the median of its rounds. Target: with the collector at least 0.6
 * times the throughput of that without. Peer: what the same collector setting costs real Go with GOMAXPROCS=1 on
 * the same two workloads (`bench/go/mark`), if there is a Go. (Go's live objects without pointers hang on a slice, 8 MiB of
 * pointers that its mark has to follow; goheap's are roots.)
 *
 *     GO=/usr/lib/go-1.27/bin/go node dist/bench/gc-throughput.js [--rounds 5]
 */

import { Collector } from '../src/gc/collector.js';
import { gcCycle } from '../src/gc/cycle.js';
import { initLimiter } from '../src/gc/limits.js';
import { configure } from '../src/gc/pacing.js';
import { dropRoot } from '../src/heap/free.js';
import { H_NUM_GC, type Heap, type P } from '../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../src/heap/malloc.js';
import { TYPE_ALL_POINTERS } from '../src/heap/types.js';
import { build, GoPeer, heapFor, NODES, TREE } from './mark.js';
import { median, option, verdict } from './processes.js';

const MIB = 2 ** 20;
const SIZE = 64;
const LIVE = 64 * MIB;
const TARGET = 0.6;
const WARM_UP = 1;
/** Objects between two collections, and collections' worth of them in a round. */
const ALLOCATIONS = LIVE / SIZE;
const CYCLES = 8;
/** Allocations between two looks at the clock; then their roots are dropped. */
const BATCH = 1024;

type Kind = 'noscan' | 'scan';

/** Records of a batch between two safepoints of the executor, where it gives the mark workers their share. */
const SHARE_EVERY = 64;

/** A heap with its live data, and the milliseconds that allocating in it took. */
class Side {
  readonly h: Heap;
  private readonly p: P;
  private readonly kind: Kind;
  private readonly gc: Collector;
  private readonly words = new Int32Array(BATCH);

  constructor(kind: Kind) {
    this.kind = kind;
    // The collector may lag behind the allocations; twice as much as its goal is room enough.
    this.h = heapFor(LIVE * 4);
    this.p = this.h.ps[0];
    this.gc = new Collector(this.h, this.p);
    configure(this.h, 100, Number.POSITIVE_INFINITY);
    initLimiter(this.h);
    if (kind === 'scan') build(this.h, this.p, TREE, NODES);
    else for (let i = 0; i < ALLOCATIONS; i++) mallocNoscan(this.h, this.p, SIZE);
    gcCycle(this.h, this.p);
  }

  /** Allocates `n` objects; their roots are dropped off the clock. Returns milliseconds. */
  allocate(n: number, collect: boolean): number {
    const { h, p, words } = this;
    let ms = 0;
    for (let done = 0; done < n; done += BATCH) {
      const began = performance.now();
      if (this.kind === 'noscan') noscan(h, p, this.gc, words, collect);
      else scan(h, p, this.gc, words, collect);
      ms += performance.now() - began;
      if (words[BATCH - 1] < 0) throw new Error('reservation exhausted');
      for (let i = 0; i < BATCH; i++) dropRoot(h, p, words[i], 0);
    }
    return ms;
  }

  /** The same with the garbage collected off the clock. */
  allocateOff(): number {
    let ms = 0;
    for (let i = 0; i < CYCLES; i++) {
      ms += this.allocate(ALLOCATIONS, false);
      gcCycle(this.h, this.p);
    }
    return ms;
  }
}

function noscan(h: Heap, p: P, gc: Collector, words: Int32Array, collect: boolean): void {
  for (let i = 0; i < BATCH; i++) {
    words[i] = mallocNoscan(h, p, SIZE);
    // As the executor does it: what a refill asks for is done before the next allocation.
    if (p.attention && collect) gc.service();
    if ((i & (SHARE_EVERY - 1)) === 0 && collect) gc.share();
  }
}

function scan(h: Heap, p: P, gc: Collector, words: Int32Array, collect: boolean): void {
  for (let i = 0; i < BATCH; i++) {
    words[i] = mallocScan(h, p, SIZE, TYPE_ALL_POINTERS, 3, 0);
    // As the executor does it: what a refill asks for is done before the next allocation.
    if (p.attention && collect) gc.service();
    if ((i & (SHARE_EVERY - 1)) === 0 && collect) gc.share();
  }
}

async function measure(kind: Kind, peer: GoPeer | undefined, rounds: number): Promise<void> {
  const total = ALLOCATIONS * CYCLES;
  const on = new Side(kind);
  const off = new Side(kind);
  const go = peer?.start(kind);
  const times = { on: [] as number[], off: [] as number[], goOn: [] as number[], goOff: [] as number[] };
  let cycles = 0;
  for (let round = 0; round < WARM_UP + rounds; round++) {
    const before = on.h.scalar(H_NUM_GC);
    const onMs = on.allocate(total, true);
    const offMs = off.allocateOff();
    const [goOn, goOff] = go ? await go.ask() : [];
    if (round < WARM_UP) continue;
    cycles += on.h.scalar(H_NUM_GC) - before;
    times.on.push((onMs * 1e6) / total);
    times.off.push((offMs * 1e6) / total);
    if (go) times.goOn.push(goOn);
    if (go) times.goOff.push(goOff);
  }
  await go?.end();
  const ns = (x: number): string => `${x.toFixed(1)} ns`;
  const a = median(times.on);
  const b = median(times.off);
  console.log(
    `${kind.padEnd(6)} 64 B  goheap: on ${ns(a)}, off ${ns(b)}, throughput ratio ${verdict(b / a, TARGET, true)}; ${(cycles / rounds).toFixed(1)} cycles a round`,
  );
  if (!go) return;
  const c = median(times.goOn);
  const d = median(times.goOff);
  console.log(`             Go:     on ${ns(c)}, off ${ns(d)}, throughput ratio ${(d / c).toFixed(2)}`);
}

const rounds = option('rounds', 5);
const peer = GoPeer.find();
for (const kind of ['noscan', 'scan'] as const) await measure(kind, peer, rounds);
