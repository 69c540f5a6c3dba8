/**
 * `docs/stats.md`, made from the tables: it can neither miss a metric nor describe one that is gone.
 *
 *     npx vitest run test/telemetry/docs.test.ts -u      writes it anew
 *
 * The prose around the tables is here as well, because it speaks of the same names; the test holds it to that.
 */

import { type Described, PROCESS_METRICS, SERVER_FAMILIES } from './families-server.js';
import { LEFT_OUT } from './left-out.js';
import { MEMSTATS_DOC } from './memstats-doc.js';
import { HEAP_TABLE, SPANS_TABLE } from './table.js';

const INTRO = `# Statistics

Every number that goheap tells: what it means, its unit, where it is read, and what to do about it. This file is made
from the tables in \`src/telemetry\` (\`npx vitest run test/telemetry/docs.test.ts -u\`); a test keeps the two equal.

| path | what |
| --- | --- |
| \`/v1/heaps/{heap}/memstats\` | [Go's MemStats](#memstats), as JSON |
| \`/v1/heaps/{heap}/metrics\` | [what client_golang shows of a Go program](#a-heap-as-a-go-program) |
| \`/v1/heaps/{heap}/metrics/spans\` | [what Go does not show](#inside-a-heap) |
| \`/metrics\` | [the server](#the-server) and [its process](#the-process) |

The three pages of metrics are Prometheus text; with \`Accept: application/json\` the same families come as JSON.

Reading never disturbs: nothing is stopped, locked, flushed or walked. While the heap runs, the numbers of one answer
may be a few operations apart; at rest every sum below holds exactly.

## Sums that add up

\`\`\`
Sys       = HeapSys + StackSys + MSpanSys + MCacheSys + BuckHashSys + GCSys + OtherSys
HeapSys   = HeapInuse + HeapIdle
HeapIdle  = free pages + HeapReleased
HeapInuse = HeapAlloc + free slots and tails of spans
          = Σ spans × pages of their class + large objects

Mallocs     = go_gc_heap_allocs_objects_total + go_gc_heap_tiny_allocs_objects_total
Frees       = go_gc_heap_frees_objects_total  + go_gc_heap_tiny_allocs_objects_total
HeapObjects = Mallocs - Frees
HeapAlloc   = go_gc_heap_allocs_bytes_total - go_gc_heap_frees_bytes_total
\`\`\`

The same in \`go_memory_classes_*\`, whose thirteen leaves add up to the total:

\`\`\`
  heap_objects   HeapAlloc                      ┐ HeapInuse ┐
+ heap_unused    HeapInuse - HeapAlloc          ┘           │ HeapSys
+ heap_free      HeapIdle - HeapReleased        ┐ HeapIdle  │
+ heap_released  HeapReleased                   ┘           ┘
+ heap_stacks + os_stacks                         StackSys, 0
+ metadata_mspan_inuse + metadata_mspan_free      MSpanSys
+ metadata_mcache_inuse + metadata_mcache_free    MCacheSys
+ metadata_other                                  GCSys
+ profiling_buckets                               BuckHashSys, 0
+ other                                           OtherSys, 0
= total                                           Sys
\`\`\`

Page by page: \`goheap_arena_pages\` summed over arenas is HeapInuse (\`in_use\`), HeapIdle - HeapReleased (\`free\`)
and HeapReleased (\`released\`), each in pages of 8192 bytes.

## Questions

| question | query |
| --- | --- |
| Internal fragmentation: slots larger than requests | \`1 - sum(rate(goheap_requested_bytes_total[5m])) / sum(rate(goheap_slot_bytes_total[5m]))\` |
| External fragmentation: spans not full | \`go_memory_classes_heap_unused_bytes / go_memstats_heap_inuse_bytes\` |
| Is there a leak? | \`min_over_time(go_memstats_heap_alloc_bytes[1h])\` rises |
| Which class holds the most spans? | \`topk(5, sum by (class, size) (goheap_spans))\` |
| How often is the slow path taken? | \`sum(rate(goheap_served_total{level!~"tiny\\|mcache"}[5m])) / sum(rate(goheap_served_total[5m]))\` |
| Which lock is in the way? | \`topk(1, rate(goheap_lock_wait_seconds_total[5m]))\` |
| What could scavenging give back? | \`go_memory_classes_heap_free_bytes\` |
`;

const cell = (text: string): string => text.replace(/\|/g, '\\|').replace(/\n/g, ' ');

function section(title: string, intro: string, families: readonly (Described & { readonly from?: string })[]): string {
  const rows = families.map((f) => {
    const labels = f.labels.length === 0 ? '' : ` \`{${f.labels.join(',')}}\``;
    const from = f.from ?? 'prom-client';
    return `| \`${f.name}\`${labels} | ${f.type} | ${cell(f.unit)} | ${cell(f.help)} | ${cell(from)} | ${cell(f.advice)} |`;
  });
  return [
    `## ${title}`,
    '',
    intro,
    '',
    '| metric | type | unit | meaning | read from | what to make of it |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function memStats(): string {
  const rows = Object.entries(MEMSTATS_DOC).map(
    ([name, f]) => `| \`${name}\` | ${f.unit} | ${cell(f.meaning)} | ${cell(f.advice)} |`,
  );
  return [
    '## MemStats',
    '',
    "The fields of Go's runtime.MemStats, by Go's formulas. Reading them empties no mcache, unlike Go's ReadMemStats;",
    'what the mcaches hold is counted where it lies. `NextGC` and `GCCPUFraction` come with the pacer.',
    '',
    '| field | unit | meaning | what to make of it |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function leftOut(): string {
  return [
    '## Left out',
    '',
    'What client_golang v1.24.1 shows for a program of Go 1.27 and goheap does not. The list and the table above are together',
    "exactly client_golang's.",
    '',
    '| metric | why |',
    '| --- | --- |',
    ...LEFT_OUT.map((l) => `| \`${l.name}\` | ${cell(l.reason)} |`),
    '',
  ].join('\n');
}

/** The whole document. */
export function statsDocument(): string {
  return [
    INTRO,
    memStats(),
    section(
      'A heap as a Go program',
      "Names, types and helps are client_golang's, so dashboards made for Go work on a heap.",
      HEAP_TABLE,
    ),
    leftOut(),
    section(
      'Inside a heap',
      'Labels: `class` is the number of the size class (0: large), `size` its slot in bytes, `scan` whether its objects have ' +
        'pointers. A class appears with its first span and then stays.',
      SPANS_TABLE,
    ),
    section('The server', 'Of all heaps together, and of the requests.', SERVER_FAMILIES),
    section(
      'The process',
      "prom-client's default metrics, without three gauges that are named like counters.",
      PROCESS_METRICS,
    ),
  ].join('\n');
}
