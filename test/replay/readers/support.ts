/** What the tests of readers share: recordings as lists of readable records. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { type IngestReport, KIND_SHIFT, Kind, OPERAND_MASK } from '../../../src/replay/events.js';
import { type IngestOptions, ingest } from '../../../src/replay/ingest.js';
import type { RecordSink } from '../../../src/replay/records.js';

const ROOT = join(import.meta.dirname, '../../..');

/** A recording that the project ships: of the fixtures, or of the examples. */
export function recording(file: string): string {
  return join(ROOT, file.startsWith('examples/') ? file : `test/fixtures/replay/${file}`);
}

const NAMES = ['alloc', 'scan', 'noscan', 'realloc', 'free'];

/**
 * `['alloc', slot, size]`, `['free', slot]`, `['thread', index]`, `['time', ns]`, `['skip',
 * events]`, `['collect', 0]`.
 */
export type Event = [string, number, number?];

export class Collected implements RecordSink {
  readonly words: number[] = [];
  slots = 0;

  write(words: Int32Array, records: number, slots: number): void {
    for (let i = 0; i < records * 2; i++) this.words.push(words[i]);
    this.slots = slots;
  }

  /** Checks the promises of events.ts on the way. */
  events(): Event[] {
    const events: Event[] = [];
    const live = new Set<number>();
    let high = 0;
    const claim = (ok: boolean, at: number) => {
      if (!ok) throw new Error(`record ${at / 2} breaks the stream's rules`);
    };
    for (let i = 0; i < this.words.length; i += 2) {
      const kind = this.words[i] >>> KIND_SHIFT;
      const operand = this.words[i] & OPERAND_MASK;
      const value = this.words[i + 1] >>> 0;
      if (kind === Kind.high) {
        high = operand * 2 ** 32;
        continue;
      }
      if (kind === Kind.thread) events.push(['thread', operand]);
      else if (kind === Kind.time) events.push(['time', operand * 2 ** 32 + value]);
      else if (kind === Kind.skip) events.push(['skip', operand]);
      else if (kind === Kind.collect) events.push(['collect', operand]);
      else {
        claim(kind <= Kind.free && operand < this.slots, i);
        if (kind === Kind.free) {
          claim(live.delete(operand) && value === 0 && high === 0, i);
          events.push(['free', operand]);
        } else {
          claim(kind === Kind.realloc ? live.has(operand) : !live.has(operand), i);
          live.add(operand);
          claim(high + value > 0, i);
          events.push([NAMES[kind], operand, high + value]);
        }
      }
      high = 0;
    }
    return events;
  }
}

/**
 * Where two streams of words differ first, or -1. Beside it, `toEqual` takes as long as the reading
 * of a recording.
 */
export function firstDifference(a: readonly number[], b: readonly number[]): number {
  const length = Math.max(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return -1;
}

/** What went in is what came out and what is left. */
export function conserved(report: IngestReport): void {
  const { mallocs, unknownReallocs, frees, implicitFrees, liveObjects, events, reallocs, slots, peakLiveObjects } =
    report;
  const left = mallocs + unknownReallocs - frees - implicitFrees;
  if (left !== liveObjects) throw new Error(`${left} objects are left, and ${liveObjects} are live`);
  if (events !== mallocs + frees + reallocs) throw new Error('events that are neither malloc nor free nor realloc');
  if (slots !== peakLiveObjects) throw new Error(`${slots} slots for ${peakLiveObjects} objects`);
}

export interface Reading {
  report: IngestReport;
  events: Event[];
  words: number[];
}

export async function read(input: AsyncIterable<Uint8Array>, options?: IngestOptions): Promise<Reading> {
  const sink = new Collected();
  const report = await ingest(input, sink, options);
  return { report, events: sink.events(), words: sink.words };
}

export function readFile(path: string, options?: IngestOptions): Promise<Reading> {
  return read(createReadStream(path, { highWaterMark: 256 * 1024 }), options);
}

export function readLines(lines: string[], piece = 0): Promise<Reading> {
  return readText(lines.map((line) => `${line}\n`).join(''), piece);
}

/** @param piece bytes at a time, 0: all at once */
export function readText(text: string, piece = 0): Promise<Reading> {
  return read(inPieces(Buffer.from(text), piece));
}

export async function* inPieces(bytes: Uint8Array, piece = 0): AsyncGenerator<Uint8Array> {
  if (piece === 0) yield bytes;
  else for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
}
