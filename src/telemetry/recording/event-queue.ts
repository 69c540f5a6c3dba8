/**
 * Events on their way from the tap to the reader: a queue of fixed capacity, four int32 a record.
 *
 *      malloc, mallocScan    address, low half · kind << 16 | its high half · size, low half · size, high half
 *      free                  address, low half · kind << 16 | its high half
 *      context               P · kind << 16 · microseconds since the recording began, low half · high half
 *
 * A context says what the records behind it have in common: a batch of a thousand operations has one. The tap fills the queue in the midst of a
 * turn of the event loop, where a record must cost no more than a few stores; text is made of it when the reader has room (text.ts).
 * Memory comes in chunks as it is needed and is used again.
 */

export const Kind = { malloc: 0, mallocScan: 1, free: 2, context: 3 } as const;

export const RECORD_WORDS = 4;
const CHUNK = 1 << 14;

export class EventQueue {
  readonly capacity: number;
  private readonly chunks: (Int32Array | undefined)[];
  private spare: Int32Array | undefined;
  private head = 0;
  private tail = 0;

  /** `capacity` in records, a multiple of 16,384. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.chunks = new Array(capacity / CHUNK).fill(undefined);
  }

  get length(): number {
    return this.tail - this.head;
  }

  get room(): number {
    // A chunk's worth less than there is: the oldest chunk is kept until it is read to its end.
    return this.capacity - CHUNK - this.length;
  }

  /** Appends a record. The caller has seen that there is room. */
  push(a: number, b: number, c: number, d: number): void {
    const i = Math.floor(this.tail / CHUNK) % this.chunks.length;
    let chunk = this.chunks[i];
    if (chunk === undefined) {
      chunk = this.spare ?? new Int32Array(CHUNK * RECORD_WORDS);
      this.spare = undefined;
      this.chunks[i] = chunk;
    }
    const at = (this.tail++ % CHUNK) * RECORD_WORDS;
    chunk[at] = a;
    chunk[at + 1] = b;
    chunk[at + 2] = c;
    chunk[at + 3] = d;
  }

  /** Records at the head that lie in one piece of memory: [words, first word, how many records]; null when there is none. */
  peek(): { words: Int32Array; at: number; count: number } | null {
    if (this.length === 0) return null;
    const words = this.chunks[Math.floor(this.head / CHUNK) % this.chunks.length] as Int32Array;
    const first = this.head % CHUNK;
    return { words, at: first * RECORD_WORDS, count: Math.min(CHUNK - first, this.length) };
  }

  /** Takes records off the head: no more than `peek` showed. */
  drop(count: number): void {
    const i = Math.floor(this.head / CHUNK);
    this.head += count;
    if (Math.floor(this.head / CHUNK) === i) return;
    this.spare = this.chunks[i % this.chunks.length];
    this.chunks[i % this.chunks.length] = undefined;
  }

  clear(): void {
    this.head = this.tail;
    this.chunks.fill(undefined);
    this.spare = undefined;
  }
}
