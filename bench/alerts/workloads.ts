/**
 * What makes a heap unwell, one workload for each alert. Each gets a heap of its own, brings it into its state, and says what keeps
 * it there. Where the server has a workload of its own for it (POST …/workloads), that is used; the others are the shortest ways to
 * their alerts, not models of programs.
 */

import type { KindName } from '../../src/workloads/texts.js';
import { RemoteHeap, type Settings } from './heap.js';

/** Done again as soon as it is over. */
export type Lane = () => Promise<void>;

export interface Workload {
  readonly alert: string;
  /** What the user of a heap did to deserve it. */
  readonly story: string;
  readonly settings: Settings;
  /** The server's workload that does it, where there is one. */
  readonly kind?: KindName;
  /** Brings the heap into its state; answers with what has to be done again and again, side by side, to keep it there. */
  run(heap: RemoteHeap): Promise<Lane[]>;
}

const times = (n: number, make: (i: number) => Lane): Lane[] => Array.from({ length: n }, (_, i) => make(i));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A workload of the server: it goes on by itself, until its heap is deleted. */
const builtIn = (workload: KindName, parameters: object = {}) => ({
  kind: workload,
  run: async (heap: RemoteHeap): Promise<Lane[]> => {
    await heap.json('POST', '/workloads', { workload, duration: '5m', ...parameters });
    return [];
  },
});

/** A heap that is well. */
export const HEALTHY = { story: 'workload larson', ...builtIn('larson') };

export const WORKLOADS: readonly Workload[] = [
  {
    alert: 'NearMemoryLimit',
    story: 'workload thrash: the live heap fills 85 % of its limit and more',
    settings: { gomemlimit: '96MiB', reserve: '512MiB' },
    ...builtIn('thrash'),
  },
  {
    alert: 'GCThrashing',
    story: 'workload thrash: traffic just below the limit, so that one collection follows the other',
    settings: { gomemlimit: '96MiB', reserve: '512MiB' },
    ...builtIn('thrash'),
  },
  {
    alert: 'FragmentationHigh',
    story: 'workload fragmentation: of waves of objects one in 64 survives, one in each span or two',
    settings: { reserve: '512MiB' },
    ...builtIn('fragmentation'),
  },
  {
    alert: 'RetainedIdle',
    story: 'workload peak: 256 MiB come and go; with GOGC=off no cycle tells the scavenger what to give back',
    settings: { gogc: 'off', reserve: '1GiB' },
    ...builtIn('peak'),
  },
  {
    alert: 'SweepDebtGrowing',
    story: 'long batches that ask for no span leave no P a moment to sweep the 100,000 spans that a cycle left behind',
    settings: { gomaxprocs: 2, gogc: 'off', reserve: '2GiB' },
    run: async (heap) => {
      const all = await heap.alloc(100_000, 8192);
      await heap.free(all.filter((_, i) => i % 2 === 0));
      const pairs = RemoteHeap.pairs(100_000, 16_384);
      const busy = times(8, () => {
        const lane = heap.again();
        return () => lane.send(pairs);
      });
      // Once they are at it, the goal comes to lie below the heap: the next span that is asked for begins a cycle.
      const begin = heap.again();
      const once = async (): Promise<void> => {
        await pause(2000);
        await begin.json('PATCH', '', { gogc: 100 });
        await begin.garbage(1000, 256);
        await begin.json('PATCH', '', { gogc: 'off' });
        await new Promise(() => {});
      };
      return [...busy, once];
    },
  },
  {
    alert: 'McacheThrash',
    story: 'workload holes: of full spans two objects each die and are allocated anew, again and again',
    settings: { reserve: '512MiB' },
    ...builtIn('holes'),
  },
  {
    alert: 'CentralContention',
    story: 'sixteen Ps on few CPUs allocate objects of one size at full speed, each of which takes a span of its own',
    settings: { gomaxprocs: 16, reserve: '2GiB' },
    run: async (heap) =>
      times(32, (i) => {
        const lane = heap.again();
        return () => lane.garbage(4000, 8192, i % 16);
      }),
  },
  {
    alert: 'ReservationNearEnd',
    story: 'workload leak, up to 60 MiB in a reservation of 64 MiB',
    settings: { reserve: '64MiB' },
    ...builtIn('leak', { bytes: '60MiB', rate: 100_000 }),
  },
  {
    alert: 'LiveHeapLeak',
    story: 'workload leak: of five objects one is never freed; GOGC=25, so that cycles find it out soon',
    settings: { gogc: 25, reserve: '1GiB' },
    ...builtIn('leak', { rate: 20_000 }),
  },
];
