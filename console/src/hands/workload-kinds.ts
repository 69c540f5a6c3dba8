/**
 * The workloads that can be chosen, and what each shows: those of `src/workloads/catalog.ts` (a test keeps the names
 * equal). The API tells of them only once they were started.
 */

export const WORKLOADS: Record<string, string> = {
  larson: 'A healthy server: a steady live heap, nearly every allocation served by an mcache',
  xmalloc: 'What one P allocates another frees, in spans of few slots: the Ps meet at the locks of the mcentrals',
  leak: 'The heap is larger after each collection, though the traffic stays the same; close to the reservation, its end',
  fragmentation: 'HeapInuse far above HeapAlloc: a few survivors hold nearly every span',
  phases: 'Growth, work, then nothing, each time in other sizes: idle memory that is returned slowly',
  thrash: 'A live heap just below GOMEMLIMIT: one collection after the other, until the CPU limiter steps in',
  large: 'Objects that are spans of their own, or nearly: page searches, zeroing, growth, a refill for every object',
  graph: 'Pointers overwritten all the time: scanning, the write barrier and assists, and much to sweep',
  gcguide: "The workload of Go's GC guide, from the same JSON, on a real heap",
};

/** The guide's first figure: what `gcguide` runs when it is given nothing. */
export const GUIDE = '[{"duration":10,"allocRate":10,"scanRate":1024,"newSurvivalRate":0.14,"oldDeathRate":0.5}]';
