/** The sums of docs/stats.md, on heaps with every kind of object, before and after cycles. */

import { describe, expect, it } from 'vitest';
import { gcCycle } from '../../src/gc/cycle.js';
import { check } from '../../src/heap/check.js';
import { dropRoot, freeNow } from '../../src/heap/free.js';
import type { Heap } from '../../src/heap/heap.js';
import { mallocNoscan, mallocScan } from '../../src/heap/malloc.js';
import { releaseAll } from '../../src/heap/mcache.js';
import { readMemStats } from '../../src/heap/memstats.js';
import {
  countAllocated,
  S_NELEMS,
  S_SPANCLASS,
  S_STATE,
  S_WHERE,
  SpanState,
  spanAt,
  Where,
} from '../../src/heap/mspan.js';
import { CLASS_TO_PAGES, PAGE_SIZE } from '../../src/heap/sizeclass.js';
import { heapText } from '../../src/telemetry/table.js';
import { MAX_ARENA_SERIES } from '../../src/telemetry/view.js';
import { MIB, newHeap, type ParsedFamily, parse, scraped, sum } from './support.js';

const SIZES = [1, 3, 8, 16, 24, 100, 512, 600, 1024, 4000, 8192, 20_000, 32_760, 32_761, 100_000];

/** A heap with a past: objects of all kinds on all Ps, a third dropped, some freed at once. */
function used(h: Heap): void {
  let i = 0;
  for (let round = 0; round < 40; round++) {
    for (const size of SIZES) {
      const p = h.ps[i++ % h.ps.length];
      const word = size > 8 && i % 3 === 0 ? mallocScan(h, p, size) : mallocNoscan(h, p, size);
      const { sub } = p;
      if (i % 5 === 0 && size >= 16) freeNow(h, p, word, 0);
      else if (i % 3 === 1) dropRoot(h, p, word, size < 16 ? sub : 0);
    }
  }
}

function expectSums(h: Heap): void {
  const go = parse(heapText('go', scraped(h)));
  const spans = parse(heapText('spans', scraped(h)));
  const mem = readMemStats(h);
  const g = (name: string): number => sum(go, `go_memstats_${name}`);
  const c = (name: string): number => sum(go, `go_memory_classes_${name}_bytes`);
  const gc = (name: string): number => sum(go, `go_gc_heap_${name}_total`);

  const sys = ['heap_sys', 'stack_sys', 'mspan_sys', 'mcache_sys', 'buck_hash_sys', 'gc_sys', 'other_sys'];
  expect(sys.reduce((n, s) => n + g(`${s}_bytes`), 0)).toBe(g('sys_bytes'));
  expect(g('heap_inuse_bytes') + g('heap_idle_bytes')).toBe(g('heap_sys_bytes'));
  expect(c('heap_objects') + c('heap_unused')).toBe(g('heap_inuse_bytes'));
  expect(c('heap_free') + c('heap_released')).toBe(g('heap_idle_bytes'));
  const leaves = [...go.keys()].filter((n) => n.startsWith('go_memory_classes_') && !n.includes('_total_'));
  expect(leaves).toHaveLength(13);
  expect(leaves.reduce((n, l) => n + sum(go, l), 0)).toBe(c('total'));
  expect(c('total')).toBe(g('sys_bytes'));
  expect(gc('allocs_objects') + gc('tiny_allocs_objects')).toBe(g('mallocs_total'));
  expect(gc('frees_objects') + gc('tiny_allocs_objects')).toBe(g('frees_total'));
  expect(gc('allocs_bytes') - gc('frees_bytes')).toBe(g('heap_alloc_bytes'));
  expect(g('mallocs_total') - g('frees_total')).toBe(g('heap_objects'));
  for (const kind of ['allocs', 'frees']) {
    const samples = (go.get(`go_gc_heap_${kind}_by_size_bytes`) as ParsedFamily).samples;
    expect(samples.find((s) => s.name.endsWith('_sum'))?.value).toBe(gc(`${kind}_bytes`));
    expect(samples.find((s) => s.name.endsWith('_count'))?.value).toBe(gc(`${kind}_objects`));
    expect(sum(spans, `goheap_class_${kind}_total`)).toBe(gc(`${kind}_objects`));
  }

  const pages = (state: string): number => sum(spans, 'goheap_arena_pages', { state }) * PAGE_SIZE;
  expect(pages('in_use')).toBe(mem.HeapInuse);
  expect(pages('free')).toBe(mem.HeapIdle - mem.HeapReleased);
  expect(pages('released')).toBe(mem.HeapReleased);
  let inuse = 0;
  for (const s of spans.get('goheap_spans')?.samples ?? []) inuse += s.value * CLASS_TO_PAGES[Number(s.labels.class)];
  const large = sum(spans, 'goheap_slot_bytes_total', { class: '0' }) - largeFreed(h);
  expect(inuse * PAGE_SIZE + large).toBe(mem.HeapInuse);
  expectSpans(h, spans);
  expect(check(h)).toEqual([]);
}

function largeFreed(h: Heap): number {
  return h.ps.reduce((n, p) => n + h.f[p.stats + 138], 0);
}

/** The span families against a walk over every span, which is what they avoid. */
function expectSpans(h: Heap, page: Map<string, ParsedFamily>): void {
  const count = new Map<string, number>();
  const allocated = new Map<string, number>();
  const slots = new Map<string, number>();
  const add = (map: Map<string, number>, key: string, n: number) => map.set(key, (map.get(key) ?? 0) + n);
  for (let id = 1; id <= h.pages; id++) {
    const s = spanAt(h, id);
    if (h.m[s + S_STATE] !== SpanState.inUse) continue;
    const spc = h.m[s + S_SPANCLASS];
    const key = `${spc >> 1} ${(spc & 1) === 0}`;
    const where = h.m[s + S_WHERE];
    const kind = where === Where.mcache ? 'mcache' : where <= Where.partial1 ? 'partial' : 'full';
    add(count, `${key} ${kind}`, 1);
    add(allocated, key, countAllocated(h, s));
    add(slots, key, h.m[s + S_NELEMS]);
  }
  const seen = new Map<string, number>();
  for (const { labels, value } of page.get('goheap_spans')?.samples ?? []) {
    add(seen, `${labels.class} ${labels.scan} ${labels.state.replace('_unswept', '')}`, value);
  }
  for (const [key, n] of seen) if (n === 0) seen.delete(key);
  expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(count));
  for (const { labels, value } of page.get('goheap_span_occupancy_ratio')?.samples ?? []) {
    const key = `${labels.class} ${labels.scan}`;
    expect(value, key).toBe(slots.has(key) ? (allocated.get(key) ?? 0) / (slots.get(key) ?? 1) : 0);
  }
}

describe.each([1, 3])('the sums of a heap with %i Ps', (procs) => {
  it('add up while it is empty', () => expectSums(newHeap(procs)));

  it('add up in use, after a flush, and after cycles', () => {
    const h = newHeap(procs);
    used(h);
    expectSums(h);
    for (const p of h.ps) releaseAll(h, p);
    expectSums(h);
    for (let cycle = 0; cycle < 2; cycle++) {
      gcCycle(h, h.ps[0]);
      expectSums(h);
      used(h);
      expectSums(h);
    }
  });
});

describe('the spans page', () => {
  it('relates requested to slot bytes, also where slots are reused at once', () => {
    const h = newHeap();
    const [p] = h.ps;
    for (let i = 0; i < 1000; i++) freeNow(h, p, mallocNoscan(h, p, 100), 0);
    mallocNoscan(h, p, 40_000);
    const page = parse(heapText('spans', scraped(h)));
    const of = (family: string, size: string): number => sum(page, family, { size });
    expect(of('goheap_requested_bytes_total', '112')).toBe(100_000);
    expect(of('goheap_slot_bytes_total', '112')).toBe(112_000);
    expect(of('goheap_reused_slots_total', '112')).toBe(999);
    expect(of('goheap_class_allocs_total', '112')).toBe(1);
    expect(of('goheap_requested_bytes_total', 'large')).toBe(40_000);
    expect(of('goheap_slot_bytes_total', 'large')).toBe(40_960);
  });

  it('shows many arenas in groups, so that its length is bounded', () => {
    const h = newHeap(1, 2048 * MIB, 4 * MIB);
    for (let i = 0; i < 200; i++) mallocNoscan(h, h.ps[0], 4 * MIB);
    const arenas = parse(heapText('spans', scraped(h))).get('goheap_arena_pages')?.samples ?? [];
    expect(arenas.length / 3).toBeLessThanOrEqual(MAX_ARENA_SERIES);
    expect(arenas[0].labels.arena).toBe('0-1');
    expectSums(h);
  });

  it('names its locks, its Ps and its levels', () => {
    const page = parse(heapText('spans', scraped(newHeap(3))));
    const values = (family: string, label: string) => page.get(family)?.samples.map((s) => s.labels[label]);
    expect(values('goheap_lock_acquisitions_total', 'lock')).toEqual(['heap', 'mcentral', 'special', 'world']);
    expect(values('goheap_mcache_spans', 'p')).toEqual(['0', '1', '2']);
    expect(values('goheap_served_total', 'level')).toEqual(['tiny', 'mcache', 'mcentral', 'mheap', 'os']);
    expect(sum(page, 'goheap_world_stops_total')).toBe(4);
  });
});

describe('settings and threads on the Go page', () => {
  it('says off as Go says it', () => {
    const page = parse(heapText('go', scraped(newHeap(), {}, { gogc: 'off' })));
    expect(sum(page, 'go_gc_gogc_percent')).toBe(2 ** 64);
    expect(sum(page, 'go_gc_gomemlimit_bytes')).toBe(2 ** 63);
    expect(sum(page, 'go_info', { version: 'go1.27' })).toBe(1);
  });

  it('counts Gs and Ms', () => {
    const ps = [{ status: 'running', m: 1 }, { status: 'dead', m: 2 }]; // biome-ignore format: one line
    const page = parse(heapText('go', scraped(newHeap(2), { ps, restarts: 1 })));
    expect(sum(page, 'go_goroutines')).toBe(3);
    expect(sum(page, 'go_threads')).toBe(3);
    expect(sum(page, 'go_sched_threads_total_threads')).toBe(1);
    expect(sum(page, 'go_sched_goroutines_runnable_goroutines')).toBe(5);
  });

  it('gives the quantiles of pauses as client_golang does', () => {
    const h = newHeap();
    for (let i = 0; i < 5; i++) gcCycle(h, h.ps[0]);
    const samples = parse(heapText('go', scraped(h))).get('go_gc_duration_seconds')?.samples ?? [];
    expect(samples.map((s) => s.labels.quantile ?? s.name)).toEqual([
      ...['0', '0.25', '0.5', '0.75', '1'],
      'go_gc_duration_seconds_sum',
      'go_gc_duration_seconds_count',
    ]);
    expect(samples[6].value).toBe(readMemStats(h).NumGC);
  });
});
