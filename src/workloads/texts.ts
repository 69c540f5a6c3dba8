/**
 * What each workload shows, and which alerts it fires under which conditions. Data only: the console is built with this file too, so that
 * page and API say the same.
 *
 * The names of alerts are those of the rules in `prometheus/`. A workload without any shows health, or something that no rule is about.
 * `npm run demo:alerts` fires each alert named here by its workload. Four rules have none. A heap that is down and an M that was replaced are drills
 * (DELETE, terminate). A sweep debt grows, and Ps stand waiting for a lock, only under more load than a workload may make that shares
 * the main thread with requests; the demo brings its own.
 */

export type AlertName =
  | 'NearMemoryLimit'
  | 'GCThrashing'
  | 'FragmentationHigh'
  | 'RetainedIdle'
  | 'SweepDebtGrowing'
  | 'McacheThrash'
  | 'CentralContention'
  | 'ReservationNearEnd'
  | 'LiveHeapLeak'
  | 'HeapDown'
  | 'MRestarted';

export interface Fires {
  readonly alert: AlertName;
  /** On which heap, and for how long it has to run: a rule waits before it fires. */
  readonly when: string;
}

export interface Words {
  /** What one sees, in a sentence. */
  readonly shows: string;
  readonly alerts: readonly Fires[];
}

export const WORDS = {
  larson: {
    shows: 'A healthy server: a steady live heap, nearly every allocation served by an mcache',
    alerts: [],
  },
  xmalloc: {
    shows:
      'What one P allocates another frees, in spans of one slot: each allocation goes as far as an mcentral or the mheap',
    alerts: [],
  },
  leak: {
    shows:
      'The heap is larger after each collection, though the traffic stays the same; close to the reservation, its end',
    alerts: [
      { alert: 'LiveHeapLeak', when: 'it leaks for four hours: rate 100, duration 4h' },
      {
        alert: 'ReservationNearEnd',
        when: 'its bytes are nine tenths of a reservation of 512 MiB or less, for 10 minutes',
      },
    ],
  },
  fragmentation: {
    shows: 'HeapInuse far above HeapAlloc: a few survivors hold nearly every span',
    alerts: [{ alert: 'FragmentationHigh', when: 'its bytes are 128 MiB or more, as by default, for 45 minutes' }],
  },
  holes: {
    shows:
      'Spans full but for two slots: an mcache asks for the next after two allocations, and nearly each takes a lock',
    alerts: [{ alert: 'McacheThrash', when: 'it runs for 11 minutes' }],
  },
  phases: {
    shows:
      'Growth, work, then nothing, each time in other sizes: idle memory, reused by the next phase or returned slowly',
    alerts: [],
  },
  peak: {
    shows:
      'All at once, then nothing: free pages, which the scavenger gives back after the next cycle, if there is one',
    alerts: [{ alert: 'RetainedIdle', when: 'the heap is new and has GOGC=off and no GOMEMLIMIT, for 45 minutes' }],
  },
  thrash: {
    shows: 'A live heap just below GOMEMLIMIT: one collection after the other, until the CPU limiter steps in',
    alerts: [
      { alert: 'NearMemoryLimit', when: 'it runs for 6 minutes' },
      { alert: 'GCThrashing', when: 'it runs for 11 minutes' },
    ],
  },
  large: {
    shows: 'Objects that are spans of their own, or nearly: page searches, zeroing, growth, a refill for every object',
    alerts: [],
  },
  graph: {
    shows: 'Pointers overwritten all the time: scanning, the write barrier, garbage that nobody freed',
    alerts: [],
  },
  gcguide: {
    shows: "The workload of Go's GC guide, from the same JSON, on a real heap",
    alerts: [],
  },
} as const satisfies Record<string, Words>;

export type KindName = keyof typeof WORDS;
export const KIND_NAMES = Object.keys(WORDS) as KindName[];
