/**
 * The table of metrics: every family of every page, once.
 *
 *     /v1/heaps/{heap}/metrics         what client_golang shows (`families-go`, `-memstats`, `-gc`, `-pauses`, `-cpu`, `-memory`)
 *     /v1/heaps/{heap}/metrics/spans   what only this server can show (`families-heap`, `-collector`, `-reclaim`, `-locks`)
 *     /metrics                         the server itself (`families-server`), and the process, by prom-client
 *
 * The text that Prometheus reads, the JSON form, `docs/stats.md` and the tests all come from here. To add a metric is
 * to add one record to one of those files; the documentation's test then says what to run.
 */

import { COLLECTOR_FAMILIES } from './families-collector.js';
import { CPU_FAMILIES } from './families-cpu.js';
import { GC_FAMILIES } from './families-gc.js';
import { GO_FAMILIES } from './families-go.js';
import { P_FAMILIES, SPAN_FAMILIES, WORLD_FAMILIES } from './families-heap.js';
import { LOCK_FAMILIES } from './families-locks.js';
import { MEMORY_FAMILIES } from './families-memory.js';
import { MEMSTATS_FAMILIES } from './families-memstats.js';
import { PAUSE_FAMILIES } from './families-pauses.js';
import { RECLAIM_FAMILIES } from './families-reclaim.js';
import { processRegistry, SERVER_FAMILIES, type ServerView } from './families-server.js';
import type { Family } from './family.js';
import { type JsonFamily, renderJson, renderText } from './text.js';
import { HeapView, type Scraped } from './view.js';

/** A heap's page for any dashboard made for Go. */
export const HEAP_TABLE: readonly Family<HeapView>[] = [
  ...GO_FAMILIES,
  ...MEMSTATS_FAMILIES,
  ...GC_FAMILIES,
  ...PAUSE_FAMILIES,
  ...CPU_FAMILIES,
  ...MEMORY_FAMILIES,
];

/** A heap's page about its insides. */
export const SPANS_TABLE: readonly Family<HeapView>[] = [
  ...SPAN_FAMILIES,
  ...P_FAMILIES,
  ...COLLECTOR_FAMILIES,
  ...RECLAIM_FAMILIES,
  ...LOCK_FAMILIES,
  ...WORLD_FAMILIES,
];

export const SERVER_TABLE: readonly Family<ServerView>[] = SERVER_FAMILIES;

export type HeapPage = 'go' | 'spans';

const tableOf = (page: HeapPage): readonly Family<HeapView>[] => (page === 'go' ? HEAP_TABLE : SPANS_TABLE);

/** A page of a heap, as Prometheus reads it. Reads shared memory; takes no lock and stops nothing. */
export function heapText(page: HeapPage, heap: Scraped): string {
  return renderText(tableOf(page), new HeapView(heap));
}

/** The same as data. */
export function heapJson(page: HeapPage, heap: Scraped): JsonFamily[] {
  return renderJson(tableOf(page), new HeapView(heap));
}

/** The server's page, with the process metrics. */
export async function serverText(view: ServerView): Promise<string> {
  return renderText(SERVER_TABLE, view) + (await processRegistry().metrics());
}
