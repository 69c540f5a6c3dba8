/** `goheap openapi`: the OpenAPI document on standard output, without a heap and without a port. */

import { pino } from 'pino';
import { buildApp } from './app.js';
import { loadConfig } from './config.js';
import { Lifecycle } from './lifecycle.js';
import { HeapRegistry } from './registry.js';

export async function main(argv: string[]): Promise<number> {
  if (argv.length > 0) {
    process.stderr.write('goheap openapi: takes no arguments\n');
    return 2;
  }
  const heaps: HeapRegistry = new HeapRegistry(() => Promise.reject(new Error('no heap is needed')), 1);
  // The document describes the program, not this machine's environment.
  const app = await buildApp(loadConfig({}), {
    heaps,
    lifecycle: new Lifecycle(),
    logger: pino({ level: 'silent' }),
  });
  await app.ready();
  process.stdout.write(`${JSON.stringify(app.swagger(), null, 2)}\n`);
  await app.close();
  return 0;
}
