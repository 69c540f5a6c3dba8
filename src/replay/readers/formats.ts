/**
 * The formats there are, and which of them an input is in. Names of files say nothing: the first 64 KiB of the text do.
 */

import { ReplayInputError } from '../events.js';
import { aosp, goalloc } from './aosp.js';
import { csapp } from './csapp.js';
import { goheap } from './goheap.js';
import { heaptrack } from './heaptrack.js';
import { ltrace } from './ltrace.js';
import { lttng } from './lttng.js';
import { mtrace } from './mtrace.js';
import type { Format } from './reader.js';
import { valgrind } from './valgrind.js';

export const FORMATS: readonly Format[] = [mtrace, goheap, aosp, goalloc, valgrind, heaptrack, ltrace, lttng, csapp];

/** Bytes of text that are looked at. */
export const HEAD_BYTES = 64 * 1024;

/** The format of an input that begins with `head`: that of most lines. Throws ReplayInputError if it is none. */
export function recognise(head: Uint8Array): Format {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, HEAD_BYTES)).toString('latin1');
  const lines = text.split('\n');
  // The last one may be cut off.
  if (lines.length > 1) lines.pop();
  const first = lines[0].trimEnd();
  let best = FORMATS.find((format) => format.first?.(first));
  if (best !== undefined) return best;
  let most = 0;
  for (const format of FORMATS) {
    let count = 0;
    for (const line of lines) if (line.length < 4096 && format.matches(line.trimEnd())) count++;
    if (count > most) {
      most = count;
      best = format;
    }
  }
  if (best !== undefined) return best;
  throw new ReplayInputError('replay-format', `not a recording of any known format: ${describe(text, lines[0])}`);
}

function describe(text: string, first: string): string {
  const known = `known are ${FORMATS.map((f) => f.title).join(', ')}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for.
  const strange = text.match(/[\0-\x08\x0e-\x1f\x7f-\xff]/g)?.length ?? 0;
  if (strange > text.length / 20) return `it is binary; ${known}, plain or packed by gzip, zstd or zip`;
  return `it begins with ${JSON.stringify(first.slice(0, 60))}; ${known}`;
}
