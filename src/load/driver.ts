/**
 * Drives a heap over HTTP with a stream of (slot, size) records.
 *
 *     reader ──records──> lane 0: [ring of records] ──batch──> connection 0, P 0
 *                         lane 1: [ring of records] ──batch──> connection 1, P 1
 *                         …       slot mod lanes                one batch in flight each
 *
 * The rule that everything here keeps: **an object's free is sent only after the answer that gave its address**, or in
 * the same batch, naming the alloc by `ref`. A slot belongs to one lane for the whole run, a lane has one batch in
 * flight, and a batch is pinned to one P, so each slot's history stays in order without any other synchronisation.
 * Between slots of different lanes the recorded order is kept only loosely: no lane runs ahead of another by more than
 * its ring. One connection keeps it exactly.
 *
 * Backpressure: `push` answers with a promise when a ring is full, and the reader waits for it.
 */
import type { Client } from './client.js';
import { HttpError } from './client.js';
import type { BatchCodec } from './codec.js';
import { FREE, type RecordBlock } from './records.js';

export interface Totals {
  operations: number;
  allocs: number;
  frees: number;
  batches: number;
  errors: number;
  errorsByCode: Map<string, number>;
  /** Frees of objects whose alloc had failed: there is nothing to send. */
  skippedFrees: number;
  /** Bytes asked for by the allocs that succeeded. */
  requestedBytes: number;
  /** By size asked for: how many allocs succeeded. */
  allocsBySize: Map<number, number>;
  /** Milliseconds each batch took. */
  latencies: number[];
}

export function newTotals(): Totals {
  return {
    operations: 0,
    allocs: 0,
    frees: 0,
    batches: 0,
    errors: 0,
    errorsByCode: new Map(),
    skippedFrees: 0,
    requestedBytes: 0,
    allocsBySize: new Map(),
    latencies: [],
  };
}

/** What a lane knows about the object in a slot, besides an address of the codec's own kind. */
const LOST = Symbol('its alloc failed');
const ZERO = Symbol('it has no bytes, so there is nothing to free');

/** Batches in a row that fail as a whole before the run is given up. */
const GIVE_UP = 10;

class Lane {
  private readonly driver: Driver;
  private readonly client: Client;
  private readonly codec: BatchCodec;
  private readonly p: number | undefined;
  /** Records waiting to be sent: a ring, its length a power of two. */
  private readonly slots: Int32Array;
  private readonly sizes: Float64Array;
  private head = 0;
  private count = 0;
  /** By slot of this lane: the object's address, LOST, ZERO, or undefined when the slot is empty. */
  private addresses: unknown[] = [];
  /** By slot of this lane: the index of the alloc in the batch being built, else -1; and the size of its object. */
  private refs = new Int32Array(64).fill(-1);
  private sizeOf = new Float64Array(64);
  /** By operation of the batch in flight: the bytes an alloc asked for. */
  private readonly requested: Float64Array;
  /** By operation of the batch in flight: the alloc that a free names by `ref`, -1 when it names an address. */
  private readonly refOf: Int32Array;
  private running: Promise<void> | undefined;
  private wakeReader: (() => void) | undefined;
  flushing = false;

  constructor(driver: Driver, client: Client, codec: BatchCodec, p: number | undefined) {
    this.driver = driver;
    this.client = client;
    this.codec = codec;
    this.p = p;
    const capacity = 2 ** Math.ceil(Math.log2(driver.batch * 4));
    this.slots = new Int32Array(capacity);
    this.sizes = new Float64Array(capacity);
    this.requested = new Float64Array(driver.batch + 2);
    this.refOf = new Int32Array(driver.batch + 2);
  }

  get full(): boolean {
    return this.count === this.slots.length;
  }

  add(slot: number, size: number): void {
    const at = (this.head + this.count++) & (this.slots.length - 1);
    this.slots[at] = slot;
    this.sizes[at] = size;
    if (this.count >= this.driver.batch) this.start();
  }

  start(): void {
    if (this.running !== undefined || !this.ready) return;
    this.running = this.run()
      .catch((error: Error) => this.driver.abort(error))
      .then(() => {
        this.running = undefined;
        // Records may have come between the last look at the ring and now.
        if (this.ready) this.start();
        this.wakeReader?.();
      });
  }

  /** Is there a batch to send? */
  private get ready(): boolean {
    if (this.driver.failure !== undefined) return false;
    return this.count >= this.driver.batch || (this.flushing && this.count > 0);
  }

  /** Resolves when there is room in the ring, or the run has ended. */
  room(): Promise<void> {
    return new Promise((resolve) => {
      this.wakeReader = () => {
        this.wakeReader = undefined;
        resolve();
      };
      this.start();
    });
  }

  /** Sends all that is left and waits for the answers; after a failure, only waits for the batch in flight. */
  async drain(): Promise<void> {
    this.flushing = true;
    this.start();
    while (this.running !== undefined) await this.running;
    this.flushing = false;
  }

  /** The slots of this lane that hold an object now. */
  *liveSlots(): Generator<number> {
    for (let i = 0; i < this.addresses.length; i++) if (this.addresses[i] !== undefined) yield i;
  }

  private async run(): Promise<void> {
    const { driver, codec, client } = this;
    while (this.ready) {
      const allocSlots = this.build();
      const operations = codec.length;
      this.wakeReader?.();
      if (operations === 0) continue;
      const body = codec.finish();
      const begun = performance.now();
      let bytes: Buffer | undefined;
      try {
        bytes = await this.post(client, body);
        driver.failedInARow = 0;
      } catch (error) {
        driver.batchFailed(error, operations);
      }
      driver.totals.latencies.push(performance.now() - begun);
      driver.totals.batches++;
      this.settle(allocSlots, operations, bytes);
    }
  }

  /** One attempt, and more where the server says that it did nothing yet and when to come back (429). */
  private async post(client: Client, body: Uint8Array | string): Promise<Buffer> {
    const path = this.driver.batchPath + this.codec.query;
    for (let attempt = 1; ; attempt++) {
      try {
        return await client.send('POST', path, body, this.codec.contentType);
      } catch (error) {
        if (!(error instanceof HttpError) || error.status !== 429 || attempt === 10) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(error.retryAfter, 0.1), 10) * 1000));
      }
    }
  }

  /** Turns records into the operations of a batch. Answers with the slot of each operation that is an alloc, else -1. */
  private build(): number[] {
    const { codec, driver } = this;
    const mask = this.slots.length - 1;
    const allocSlots: number[] = [];
    codec.begin(this.p);
    while (this.count > 0) {
      const slot = this.slots[this.head];
      const size = this.sizes[this.head];
      const local = (slot / driver.lanes.length) | 0;
      if (local >= this.refs.length) this.growSlots(local);
      const occupied = this.addresses[local] !== undefined || this.refs[local] >= 0;
      // A realloc takes two operations.
      const room = driver.batch - codec.length - (occupied && size !== FREE ? 2 : 1);
      if (room < 0 && codec.length > 0) break;
      this.head = (this.head + 1) & mask;
      this.count--;
      if (size === FREE) {
        this.release(local, allocSlots);
        continue;
      }
      const index = codec.alloc(size);
      allocSlots[index] = local;
      this.requested[index] = size;
      // A realloc: the new object exists before the old one goes, as its bytes are copied.
      if (occupied) this.release(local, allocSlots);
      this.sizeOf[local] = size;
      this.refs[local] = index;
    }
    return allocSlots;
  }

  private release(local: number, allocSlots: number[]): void {
    const { codec, driver } = this;
    const ref = this.refs[local];
    const address = this.addresses[local];
    this.refs[local] = -1;
    this.addresses[local] = undefined;
    if (ref >= 0) {
      if (this.sizeOf[local] > 0) {
        const index = codec.freeRef(ref);
        allocSlots[index] = -1;
        this.refOf[index] = ref;
      }
    } else if (address === LOST) {
      driver.totals.skippedFrees++;
    } else if (address !== undefined && address !== ZERO) {
      const index = codec.free(address);
      allocSlots[index] = -1;
      this.refOf[index] = -1;
    }
  }

  /** Takes in the answer to a batch, or undefined when the whole batch failed. */
  private settle(allocSlots: number[], operations: number, bytes: Buffer | undefined): void {
    const { driver, codec } = this;
    let answer: ReturnType<BatchCodec['decode']> | undefined;
    if (bytes !== undefined) {
      try {
        answer = codec.decode(bytes);
        if (answer.length !== operations) {
          throw new Error(`the answer has ${answer.length} results for ${operations} operations`);
        }
      } catch (error) {
        answer = undefined;
        driver.batchFailed(error, operations);
      }
    }
    for (let op = 0; op < operations; op++) {
      const local = allocSlots[op];
      const code = answer?.error(op);
      if (code !== undefined && local < 0 && this.refOf[op] >= 0 && answer!.error(this.refOf[op]) !== undefined) {
        // There was nothing to free: its alloc is the error, and was counted.
        driver.totals.skippedFrees++;
        continue;
      }
      if (code !== undefined) driver.count(code);
      const done = answer !== undefined && code === undefined;
      if (done) {
        driver.totals.operations++;
        if (local < 0) driver.totals.frees++;
        else {
          driver.allocated(this.requested[op]);
        }
      }
      if (local < 0) continue;
      const size = this.sizeOf[local];
      // Still in its slot? Freed or replaced in this very batch otherwise.
      if (this.refs[local] !== op) continue;
      this.refs[local] = -1;
      const address = done ? answer!.address(op) : undefined;
      if (done && address === undefined && size > 0) driver.count('no-address');
      this.addresses[local] = !done ? LOST : size === 0 ? ZERO : (address ?? LOST);
    }
  }

  private growSlots(local: number): void {
    const length = 2 ** Math.ceil(Math.log2(local + 1));
    const refs = new Int32Array(length).fill(-1);
    refs.set(this.refs);
    this.refs = refs;
    const sizes = new Float64Array(length);
    sizes.set(this.sizeOf);
    this.sizeOf = sizes;
  }
}

export interface DriverOptions {
  clients: Client[];
  codecs: BatchCodec[];
  heap: string;
  batch: number;
  /** How many Ps the heap has; lane i is pinned to P i mod gomaxprocs. */
  gomaxprocs: number;
}

export class Driver {
  readonly totals = newTotals();
  readonly batch: number;
  readonly batchPath: string;
  readonly lanes: Lane[];
  /** Why the run cannot go on. */
  failure: Error | undefined;
  failedInARow = 0;

  constructor(options: DriverOptions) {
    this.batch = options.batch;
    this.batchPath = `/v1/heaps/${encodeURIComponent(options.heap)}/batch`;
    this.lanes = options.clients.map(
      (client, i) => new Lane(this, client, options.codecs[i], i % Math.max(1, options.gomaxprocs)),
    );
  }

  /** Hands a block's records to their lanes; waits while a lane is full. */
  async push(block: RecordBlock): Promise<void> {
    const { lanes } = this;
    const { slots, sizes, length } = block;
    for (let i = 0; i < length; i++) {
      const lane = lanes[slots[i] % lanes.length];
      while (lane.full) {
        if (this.failure !== undefined) throw this.failure;
        await lane.room();
      }
      lane.add(slots[i], sizes[i]);
    }
    if (this.failure !== undefined) throw this.failure;
  }

  /** Sends what is left and waits for every answer. */
  async drain(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.drain()));
    if (this.failure !== undefined) throw this.failure;
  }

  /** Frees whatever is still live, as the end of a process does. Answers with how many objects that were. */
  async freeAll(): Promise<number> {
    let freed = 0;
    const block = { slots: new Int32Array(1), sizes: new Float64Array(1).fill(FREE), length: 1 };
    for (let i = 0; i < this.lanes.length; i++) {
      for (const local of [...this.lanes[i].liveSlots()]) {
        block.slots[0] = local * this.lanes.length + i;
        await this.push(block);
        freed++;
      }
    }
    await this.drain();
    return freed;
  }

  /** Ends the run from outside (a signal, the input's failure); `drain` then waits for the batches in flight. */
  abort(error: Error): void {
    this.failure ??= error;
  }

  allocated(size: number): void {
    const { totals } = this;
    totals.allocs++;
    totals.requestedBytes += size;
    totals.allocsBySize.set(size, (totals.allocsBySize.get(size) ?? 0) + 1);
  }

  count(code: string, by = 1): void {
    this.totals.errors += by;
    this.totals.errorsByCode.set(code, (this.totals.errorsByCode.get(code) ?? 0) + by);
  }

  batchFailed(error: unknown, operations: number): void {
    const http = error instanceof HttpError ? error : undefined;
    this.count(http?.code ?? (error as NodeJS.ErrnoException).code ?? 'bad-answer', operations);
    // Without an answer, or told that it will never be accepted, going on would only repeat the failure.
    const hopeless = http === undefined || (http.status >= 400 && http.status < 500);
    if (hopeless || ++this.failedInARow >= GIVE_UP) {
      this.failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
}
