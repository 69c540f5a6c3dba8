/**
 * How fast a recording's text becomes an event stream, in one thread.
 *
 * The text is glibc mtrace's recording of cc1 (60 MB), several times over; in memory, so that unpacking is not measured. Peer: node's own
 * readline on the same bytes, which makes the lines of them and nothing else. Beside it the packed file: `zcat | wc -l`, which uses two
 * processes, with reading it whole, unpacking included. Figures are medians of the rounds, the sides taking turns. CPU time of the thread is
 * told beside, since the wall clock of a busy machine says little. Target: 100 MB/s of text.
 *
 *     node dist/bench/replay-parse.js [--rounds 5] [--times 4]
 */

import { spawnSync } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { decompress } from '../src/replay/decompress.js';
import { newIngestReport } from '../src/replay/events.js';
import { DEFAULT_LIMITS, ingest, Parser } from '../src/replay/ingest.js';
import { option, verdict } from './processes.js';

const TARGET = 100;
const PIECE = 64 * 1024;
const rounds = option('rounds', 5);
const times = option('times', 4);
const recording = join(import.meta.dirname, '../../test/fixtures/replay/cc1.mtrace.zst');
const sink = { write() {} };

interface Figure {
  seconds: number;
  cpu: number;
}

async function measure(work: () => unknown): Promise<Figure> {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await work();
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpu: (user + system) / 1e6 };
}

function median(figures: Figure[], key: keyof Figure): number {
  const sorted = figures.map((figure) => figure[key]).sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

const once: Uint8Array[] = [];
for await (const piece of decompress(createReadStream(recording), DEFAULT_LIMITS, newIngestReport('')))
  once.push(piece);
const text = Buffer.concat(once);
const megabytes = (text.length * times) / 1e6;

function* pieces(): Generator<Uint8Array> {
  for (let i = 0; i < times; i++) for (let at = 0; at < text.length; at += PIECE) yield text.subarray(at, at + PIECE);
}

function parse(): number {
  const parser = new Parser(sink);
  for (const piece of pieces()) parser.push(piece);
  return parser.end().events;
}

async function lines(): Promise<number> {
  let count = 0;
  for await (const _ of createInterface({ input: Readable.from(pieces()) })) count++;
  return count;
}

const folder = mkdtempSync(join(tmpdir(), 'goheap-bench-'));
const packed = join(folder, 'cc1.mtrace.gz');
try {
  writeFileSync(packed, gzipSync(text, { level: 6 }));
  const figures: Record<'parse' | 'readline' | 'file' | 'wc', Figure[]> = { parse: [], readline: [], file: [], wc: [] };
  for (let round = 0; round <= rounds; round++) {
    const taken = {
      parse: await measure(parse),
      readline: await measure(lines),
      file: await measure(() => ingest(createReadStream(packed, { highWaterMark: 256 * 1024 }), sink)),
      wc: await measure(() => spawnSync('sh', ['-c', `zcat ${packed} | wc -l`])),
    };
    // The first round warms up.
    if (round > 0) for (const key of Object.keys(figures) as (keyof typeof figures)[]) figures[key].push(taken[key]);
  }
  const rate = (key: keyof typeof figures, size: number) => size / median(figures[key], 'seconds');
  const say = (name: string, key: keyof typeof figures, size: number) =>
    console.log(
      `${name.padEnd(34)} ${rate(key, size).toFixed(0).padStart(5)} MB/s` +
        (key === 'wc' ? '' : `  ${(size / median(figures[key], 'cpu')).toFixed(0).padStart(5)} MB per CPU second`),
    );
  console.log(`mtrace text, ${megabytes.toFixed(0)} MB, ${parse().toLocaleString('en')} events`);
  say('goheap: text to event stream', 'parse', megabytes);
  say('node:readline: text to lines', 'readline', megabytes);
  console.log(`ratio ${(rate('parse', megabytes) / rate('readline', megabytes)).toFixed(2)}`);
  console.log(`MB/s of text: ${verdict(rate('parse', megabytes), TARGET, true)}`);
  say('goheap: gzip file to event stream', 'file', text.length / 1e6);
  say('zcat | wc -l', 'wc', text.length / 1e6);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
