/** What each plot and table of a result shows, by the fields of the result's document; and the words for the parts of Sys. No DOM: the tests read it too. */

import type { Where } from '../../../src/replay/result.js';
import type { Line } from '../series/plots.js';

export const TIMELINE = {
  title: 'Timeline',
  info:
    'At most 2,000 intervals of equally many events. Lines are means of each interval, the shade around “in use” goes from its least to its greatest value. ' +
    'Live is what the program still holds; what lies between live and in use is garbage, rounding and free slots. The goal is where the next collection is to end. ' +
    'A click moves the moment that map and stack show.',
  lines: [
    {
      label: 'live',
      metric: 'timeline.live',
      meaning: 'bytes that the program asked for and has not given up',
      colour: 's1',
      area: true,
    },
    { label: 'in use', metric: 'timeline.inuse', meaning: 'HeapInuse: pages in spans', colour: 's2' },
    {
      label: 'goal',
      metric: 'timeline.goal',
      meaning: 'NextGC: what the heap may grow to; above the picture it is not drawn',
      colour: 's3',
      dash: [6, 4],
    },
    {
      label: 'retained',
      metric: 'timeline.retained',
      meaning: 'HeapSys - HeapReleased: what the operating system has to provide',
      colour: 's5',
    },
    {
      label: 'limit',
      metric: 'settings.memoryLimit',
      meaning: 'GOMEMLIMIT, which counts the metadata too; no line where it is off',
      colour: 's4',
      dash: [2, 3],
    },
  ] satisfies Line[],
};

export const LIVE = {
  title: 'So far',
  info: 'What was seen of this setting while it is simulated: a moment every so often, not every event. The whole timeline follows when it is done.',
  lines: [
    { label: 'live', metric: 'cells[].live', meaning: 'bytes that the program holds', colour: 's1', area: true },
    { label: 'in use', metric: 'cells[].inuse', meaning: 'HeapInuse: pages in spans', colour: 's2' },
  ] satisfies Line[],
};

export const WHERE_TEXTS: Record<Exclude<keyof Where, 'total'>, [label: string, meaning: string, colour: string]> = {
  requested: ['requested', 'what the program asked for and still holds', 'w-requested'],
  rounding: ['rounding', 'what size classes and pages add to those', 'w-rounding'],
  tiny: ['tiny packing', 'of live tiny blocks, what their live objects did not ask for', 'w-tiny'],
  tails: ['span tails', 'ends of spans that hold no slot, and the bitmaps in them', 'w-tails'],
  freeSlots: ['free slots', 'of spans that no P has cached: only objects of their class can use them', 'w-freeSlots'],
  mcache: ['free slots in mcaches', 'free slots of the spans that the Ps have cached', 'w-mcache'],
  garbage: ['garbage', 'given up by the program, not yet found or swept by the collector', 'w-garbage'],
  idle: ['idle', 'free pages that hold memory', 'w-idle'],
  released: ['released', 'free pages that hold none: address space only', 'w-released'],
  metadata: ['metadata', 'mspans, mcaches, bitmaps, page maps and the runtime: Sys beyond HeapSys', 'w-metadata'],
};

export const WHERE = {
  title: 'Where Sys went',
  info:
    'All of Sys, in parts that add up to it exactly. The stack above is at the moment of the slider, the plot over the whole run. ' +
    'HeapSys is all but the metadata; released is address space that costs no memory.',
};

export const MAP = {
  title: 'Heap map',
  info:
    'The pages of the simulated heap at the moment of the slider, 8 KiB each, by address, row by row. It is simulated anew up to that event, so that a late moment ' +
    'of a long recording takes a while. Spans of one class that lie next to each other and are equally full are told as one.',
  fields: [
    {
      metric: 'GET /v1/replays/{id}/map',
      meaning: 'state, pages, size class, slots and slots in use of each run of pages',
    },
  ],
};

export const CURVE = {
  title: 'Memory against GC CPU',
  info:
    'Each setting is a point. Those that are joined are the curve: no other setting needs less of both. At its knee (ringed) more memory begins to buy little. ' +
    'Only settings that differ from the base in GOGC and GOMEMLIMIT, kept their limit and did not fill the heap can be on it.',
  lines: [
    {
      label: 'others',
      metric: 'cells[].headline',
      meaning: 'peakRetained and gcCpu of all other settings',
      colour: 's6',
    },
    {
      label: 'on the curve',
      metric: 'advice.curve',
      meaning: 'peak of HeapSys - HeapReleased, and the CPU share of the collector: middles of their ranges',
      colour: 's1',
    },
  ] satisfies Line[],
};

export const CLASSES = {
  title: 'Size classes',
  info:
    'Requests by the size class that served them. Rounding is what slots have beyond what was asked for, over the whole run; spans, how full they are, and their bytes are those at ' +
    'the peak of HeapInuse. Few full slots in many bytes is fragmentation. Tiny objects (under 16 bytes, without pointers) are counted in the 16-byte class, one by one.',
  fields: [
    { metric: 'classes', meaning: 'requests, requestedBytes, rounding, spans, occupancy, spanBytes' },
    { metric: 'suggestions', meaning: 'sizes of which a few bytes less would fit the class below' },
  ],
};

export const LIFETIMES = {
  title: 'Lifetimes',
  info:
    'A row for each power of two of the size, a column for how many bytes the whole program allocated between an object’s birth and its death. The strength is the number of objects, on a ' +
    'logarithmic scale. Objects that die young on the left cost the collector nothing but their garbage; those on the right are marked again and again.',
  fields: [
    { metric: 'lifetimes.map', meaning: 'objects by size and lifetime, of those that died' },
    { metric: 'lifetimes.cycles', meaning: 'how many collections began while an object lived' },
    { metric: 'lifetimes.neverFreed', meaning: 'objects and bytes that the recording never frees' },
  ],
};

export const GCTRACE = {
  title: 'GC log',
  info: 'A line for each collection, as GODEBUG=gctrace=1 of Go writes it, in virtual time. The result has the last 10,000.',
  fields: [{ metric: 'gctrace', meaning: "Go's own lines" }],
};
