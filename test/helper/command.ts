/**
 * A command of goheap as a call of what its process calls. A process takes most of a second to
 * start, so that the many cases of a table are calls. What only a process has (its exit status, its
 * streams, its signals) is tested with processes.
 */

import { Writable } from 'node:stream';
import { vi } from 'vitest';
import { run } from '../../src/cli.js';

export interface Ended {
  status: number | null;
  out: string;
  err: string;
}

/**
 * `env` is set beside what the test's own environment has. One call at a time: the streams of the
 * process are replaced meanwhile.
 */
export async function called(argv: readonly string[], env: Record<string, string | undefined> = {}): Promise<Ended> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) => {
    const stream = new Writable({
      decodeStrings: false,
      write(text, _encoding, done) {
        written[name] += text;
        done();
      },
    });
    return vi.spyOn(process, name, 'get').mockReturnValue(stream as unknown as typeof process.stdout);
  });
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  try {
    const status = await run(argv);
    return { status, out: written.stdout, err: written.stderr };
  } finally {
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
  }
}
