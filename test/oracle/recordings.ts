/**
 * The recordings whose simulations are compared with real Go, parsed: for the tests, and for the
 * benchmarks, which are built with this folder.
 *
 * They lie in examples/ and among the tests' fixtures. One that may not be shipped
 * (android-systemui) is looked for in the folder that GOHEAP_TRACES names, and left out without it.
 */

import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { IngestReport } from '../../src/replay/events.js';
import { ingest } from '../../src/replay/ingest.js';

const HERE = import.meta.dirname;
/** The repository, whether this runs compiled or from its sources. */
export const ROOT = HERE.endsWith(join('dist', 'test', 'oracle')) ? join(HERE, '../../..') : join(HERE, '../..');

const FILES: Record<string, string> = {
  jq: 'examples/jq.mtrace.gz',
  sqlite3: 'examples/sqlite3.mtrace.gz',
  xmllint: 'test/fixtures/replay/xmllint.mtrace.zst',
  cc1: 'test/fixtures/replay/cc1.mtrace.zst',
  'python-jsontool': 'test/fixtures/replay/python-jsontool.mtrace.zst',
  'go-json-bench': 'test/fixtures/replay/go-json-bench.goalloc.txt.zst',
  'android-systemui': 'aosp/android-systemui.txt.gz',
};

export interface Trace {
  name: string;
  report: IngestReport;
  chunks: Int32Array[];
}

function fileOf(name: string): string | undefined {
  const shipped = join(ROOT, FILES[name]);
  if (existsSync(shipped)) return shipped;
  const elsewhere = process.env.GOHEAP_TRACES && join(process.env.GOHEAP_TRACES, FILES[name]);
  return elsewhere && existsSync(elsewhere) ? elsewhere : undefined;
}

/** Each recording that is here, one after the other. */
export async function* traces(): AsyncGenerator<Trace> {
  for (const name of Object.keys(FILES)) {
    const file = fileOf(name);
    if (file === undefined) {
      console.log(`${name}: not here (GOHEAP_TRACES names no folder that has it)`);
      continue;
    }
    const chunks: Int32Array[] = [];
    const sink = { write: (words: Int32Array, records: number) => void chunks.push(words.slice(0, records * 2)) };
    yield { name, report: await ingest(createReadStream(file), sink), chunks };
  }
}
