/** Real Go doing what a recording says: the peer of the simulations. */

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Trace } from '../test/oracle/recordings.js';
import { available, ROOT } from './processes.js';

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
