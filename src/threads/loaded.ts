/**
 * Imported by every script of a thread: says that all its modules have been read, as no module runs
 * before that.
 *
 * Until then a thread must not be ended from outside: files that it has open just then would stay
 * open for as long as the process lives (seen with Node 20.20: a descriptor or two for each thread
 * that was terminated while it loaded).
 */

import { parentPort } from 'node:worker_threads';

/** The first message of a thread. */
export const LOADED = 'goheap: loaded';

parentPort?.postMessage(LOADED);
