/**
 * The first script of every thread (thread.ts): loads the real one, whose URL is the first
 * argument.
 *
 * Node reads the modules of a script side by side. When one of them cannot be opened, for want of a
 * descriptor, the thread would end at once, and the files of the others that are open by then would
 * stay open for as long as the process lives. So the error waits until all of them are closed.
 */

import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 2;
/** Looks on end at which no file is being read, and looks at all. */
const QUIET = 5;
const MOST = 500;

async function filesClosed(): Promise<void> {
  for (let quiet = 0, looks = 0; quiet < QUIET && looks < MOST; looks++) {
    quiet = process.getActiveResourcesInfo().some((kind) => /^FS|^FileHandle/.test(kind)) ? 0 : quiet + 1;
    await sleep(LOOK_MS);
  }
}

// No await at the top level, here or in a script: V8 ends the process when a thread is terminated
// as it begins to evaluate such a module (seen with Node 20.20).
import(process.argv[2]).catch(async (error: unknown) => {
  await filesClosed();
  throw error;
});
