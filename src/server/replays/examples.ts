/** The recordings that come with goheap, in `examples/`, as a gallery shows them. */

import { join } from 'node:path';

export interface Example {
  readonly name: string;
  /** In the folder of examples. */
  readonly file: string;
  readonly title: string;
  /** A sentence: what the program did, and what there is to see. */
  readonly about: string;
  readonly format: string;
  /** Mallocs, frees and reallocs. */
  readonly events: number;
}

/** Compiled, this file stands in `dist/src/server/replays`; the tests run it from `src/server/replays`. */
const ROOT = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? '../../..' : '../../../..', 'examples');

export const EXAMPLES: readonly Example[] = [
  {
    name: 'jq',
    file: 'jq.mtrace.gz',
    title: 'jq on a JSON catalogue',
    about:
      'jq reads a catalogue of 1.7 MB, holds one large document and frees it at the end: a heap that only grows, so that each collection marks more and finds little.',
    format: 'mtrace',
    events: 112_709,
  },
  {
    name: 'sqlite3',
    file: 'sqlite3.mtrace.gz',
    title: 'sqlite3 loading a database into memory',
    about:
      'sqlite3 runs the Chinook script: small buffers come and go all the time over a small live heap, which is what GOGC is about.',
    format: 'mtrace',
    events: 285_675,
  },
];

export function exampleOf(name: string): Example | undefined {
  return EXAMPLES.find((example) => example.name === name);
}

export function examplePath(example: Example): string {
  return join(ROOT, example.file);
}
