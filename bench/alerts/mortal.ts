/**
 * A server whose Ms can be killed: `node --import …/mortal.js …/cli.js serve`, started with an IPC channel. Any message ends
 * one of its threads, as running out of memory or a bug would. The server itself knows nothing of it.
 */

import { syncBuiltinESMExports } from 'node:module';
import threads from 'node:worker_threads';

if (threads.isMainThread) {
  const alive: threads.Worker[] = [];
  class Mortal extends threads.Worker {
    constructor(...args: ConstructorParameters<typeof threads.Worker>) {
      super(...args);
      alive.push(this);
      this.once('exit', () => alive.splice(alive.indexOf(this), 1));
    }
  }
  threads.Worker = Mortal;
  syncBuiltinESMExports();
  process.on('message', () => void alive.at(-1)?.terminate());
  process.channel?.unref();
}
