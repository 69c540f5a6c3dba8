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

CPU time, in \`go_cpu_classes_*\`, to the nanosecond:

\`\`\`
  gc_mark_assist + gc_mark_dedicated + gc_mark_idle + gc_pause = gc_total
+ scavenge_assist + scavenge_background                        = scavenge_total
+ idle
+ user
= total                                                          GOMAXPROCS × age of the heap
\`\`\`

A worker's slice and a pause are counted when they are over; until then they look like \`user\`. No class ever falls,
so \`total\` may be ahead of the clock by what was under way when somebody looked.

Cycles, marks and memory given back:

\`\`\`
go_gc_cycles_total_gc_cycles_total = automatic + forced             = NumGC
go_gc_scan_total_bytes             = heap + stack (0) + globals (0)
NextGC                             = go_gc_heap_goal_bytes          = go_memstats_next_gc_bytes
goheap_mark_seconds_total          = assist                           gc_mark_assist
                                   + dedicated + fractional           gc_mark_dedicated
                                   + idle                             gc_mark_idle
HeapReleased                       = HeapSys + scavenged - reacquired bytes, unless an M died
\`\`\`

## Questions

| question | query |
| --- | --- |
| Internal fragmentation: slots larger than requests | \`1 - sum(rate(goheap_requested_bytes_total[5m])) / sum(rate(goheap_slot_bytes_total[5m]))\` |
| External fragmentation: spans not full | \`go_memory_classes_heap_unused_bytes / go_memstats_heap_inuse_bytes\` |
| Is there a leak? | \`min_over_time(go_memstats_heap_alloc_bytes[1h])\` rises |
| Which class holds the most spans? | \`topk(5, sum by (class, size) (goheap_spans))\` |
| How often is the slow path taken? | \`sum(rate(goheap_served_total{level!~"tiny\\|mcache"}[5m])) / sum(rate(goheap_served_total[5m]))\` |
| Which lock is in the way? | \`topk(1, rate(goheap_lock_wait_seconds_total[5m]))\` |
| What does collecting cost? | \`(rate(go_cpu_classes_gc_total_cpu_seconds_total[5m]) - rate(go_cpu_classes_gc_mark_idle_cpu_seconds_total[5m])) / rate(go_cpu_classes_total_cpu_seconds_total[5m])\` |
| How busy are its Ps? | \`1 - rate(go_cpu_classes_idle_cpu_seconds_total[5m]) / rate(go_cpu_classes_total_cpu_seconds_total[5m])\` |
| How often does it collect? | \`rate(go_gc_cycles_total_gc_cycles_total[5m])\` |
| How long does it stand still? | \`histogram_quantile(0.99, rate(go_sched_pauses_total_gc_seconds_bucket[5m]))\` |
| Do allocations pay for marking? | \`rate(goheap_assist_scanned_bytes_total[5m]) / rate(goheap_mark_scanned_bytes_total[5m])\` |
| How near is the next cycle? | \`goheap_live_bytes / goheap_pacer_trigger_bytes\` |
| What is given back and taken again? | \`rate(goheap_reacquired_bytes_total[5m])\` near \`sum(rate(goheap_scavenged_bytes_total[5m]))\` |
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
    'what the mcaches hold is counted where it lies. `NextGC` is that of this moment, as every field; so is',
    "`GCCPUFraction`, which in Go is that of the last cycle's end.",
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
