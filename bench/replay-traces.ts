/**
 * The recordings that the replay benchmarks use, parsed; and real Go doing what they say.
 *
 * Recordings lie in examples/ and among the tests' fixtures; one that may not be shipped (android-systemui) is looked for in the folder that
 * GOHEAP_TRACES names, and left out without it.
 */

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IngestReport } from '../src/replay/events.js';
import { ingest } from '../src/replay/ingest.js';
import { available, ROOT } from './processes.js';

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

/** What bench/go/replay prints for one round. */
export interface GoRound {
  numGC: number;
  meanInuse: number;
  eventsPerSec: number;
  heapSys: number;
}

/** `bench/go/replay`, compiled. */
export class GoReplay {
  private readonly directory = mkdtempSync(join(tmpdir(), 'goheap-bench-'));
  private readonly env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod', GOWORK: 'off', GODEBUG: '' };

  private constructor(go: string) {
    process.once('exit', () => rmSync(this.directory, { recursive: true, force: true }));
    const built = this.run(go, ['build', '-o', join(this.directory, 'replay'), './replay'], {});
    if (built.status !== 0) throw new Error(`go build: ${built.stdout}${built.stderr}`);
    console.log(`peer: ${this.run(go, ['version'], {}).stdout.trim()}`);
  }

  /** The Go that GO, GOROOT or the PATH names; or one line that there is none. */
  static find(): GoReplay | undefined {
    const places = [process.env.GO, process.env.GOROOT && join(process.env.GOROOT, 'bin/go'), 'go'];
    const go = places.find((place) => place && available(place, 'version'));
    if (go) return new GoReplay(go);
    console.log('Go: not found (set GO to a go program); goheap stands alone');
    return undefined;
  }

  /** Rounds of one recording in one process. `gogc`: as GOGC says. */
  rounds(trace: Trace, gogc: string, args: string[]): GoRound[] {
    const file = join(this.directory, 'events.bin');
    writeFileSync(file, Buffer.concat(trace.chunks.map((c) => Buffer.from(c.buffer, c.byteOffset, c.byteLength))));
    const ran = this.run(join(this.directory, 'replay'), [...args, file], { GOMAXPROCS: '1', GOGC: gogc });
    if (ran.status !== 0) throw new Error(`bench/go/replay: ${ran.error?.message ?? ran.stderr}`);
    return ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as GoRound);
  }

  private run(command: string, args: string[], env: NodeJS.ProcessEnv): SpawnSyncReturns<string> {
    const cwd = join(ROOT, 'bench/go');
    return spawnSync(command, args, { cwd, env: { ...this.env, ...env }, encoding: 'utf8', maxBuffer: 2 ** 26 });
  }
}
