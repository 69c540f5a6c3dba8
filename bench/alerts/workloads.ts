/**
 * What makes a heap unwell, one workload for each alert. Each gets a heap of its own, brings it into its state, and says what keeps
 * it there. They are the shortest ways to each alert, not models of programs.
 */

import { RemoteHeap, type Settings } from './heap.js';

const MIB = 1 << 20;

/** Done again as soon as it is over. */
export type Lane = () => Promise<void>;

export interface Workload {
  readonly alert: string;
  /** What the user of a heap did to deserve it. */
  readonly story: string;
  readonly settings: Settings;
  /** Brings the heap into its state; answers with what has to be done again and again, side by side, to keep it there. */
  run(heap: RemoteHeap): Promise<Lane[]>;
}

const times = (n: number, make: (i: number) => Lane): Lane[] => Array.from({ length: n }, (_, i) => make(i));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const WORKLOADS: readonly Workload[] = [
  {
    alert: 'NearMemoryLimit',
    story: '57 MiB are alive under a limit of 64 MiB',
    settings: { gomemlimit: '64MiB', reserve: '256MiB' },
    run: async (heap) => {
      await heap.alloc(57 * 1024, 1024);
      await heap.gc();
      return [];
    },
  },
  {
    alert: 'GCThrashing',
    story: 'garbage at full speed, 6 MiB below the limit, and 48 MiB to be scanned each time',
    settings: { gomemlimit: '56MiB', reserve: '256MiB' },
    run: async (heap) => {
      await heap.alloc(48 * 1024, 1024, { scan: true });
      // Enough lanes that no P is ever idle: marking by idle Ps does not count.
      return times(6, () => {
        const lane = heap.again();
        return () => lane.garbage(20_000, 64);
      });
    },
  },
  {
    alert: 'FragmentationHigh',
    story: 'of 128 MiB in objects of 1 KiB every eighth survives, one in each span',
    settings: { reserve: '512MiB' },
    run: async (heap) => {
      const all = await heap.alloc(128 * 1024, 1024);
      await heap.free(all.filter((_, i) => i % 8 !== 0));
      await heap.gc();
      return [];
    },
  },
  {
    alert: 'RetainedIdle',
    story: '256 MiB were allocated and freed; with GOGC=off nothing tells the scavenger what to give back',
    settings: { gogc: 'off', reserve: '1GiB' },
    run: async (heap) => {
      await heap.free(await heap.alloc(256, MIB));
      await heap.gc();
      return [];
    },
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
    story: 'of 4,000 full spans two objects each are freed and allocated anew, again and again',
    settings: { reserve: '512MiB' },
    run: async (heap) => {
      const all = await heap.alloc(4000 * 128, 64);
      let some = all.filter((_, i) => i % 64 === 0);
      return [
        async () => {
          await heap.free(some);
          await heap.json('POST', '/sweep', { mark: 'always' });
          some = await heap.alloc(some.length, 64);
        },
      ];
    },
  },
  {
    alert: 'CentralContention',
    story: 'sixteen Ps on few CPUs allocate objects of one size, each of which takes a span of its own',
    settings: { gomaxprocs: 16, reserve: '2GiB' },
    run: async (heap) =>
      times(32, (i) => {
        const lane = heap.again();
        return () => lane.garbage(4000, 8192, i % 16);
      }),
  },
  {
    alert: 'ReservationNearEnd',
    story: '58 MiB are alive in a reservation of 64 MiB',
    settings: { reserve: '64MiB' },
    run: async (heap) => {
      await heap.alloc(58, MIB - 8192);
      return [];
    },
  },
  {
    alert: 'LiveHeapLeak',
    story: 'every second 2 MiB more are kept, and a cycle finds them alive',
    settings: { reserve: '1GiB' },
    run: async (heap) => {
      await heap.alloc(20 * 1024, 1024);
      return [
        async () => {
          await heap.alloc(2 * 1024, 1024);
          await heap.gc();
          await pause(1000);
        },
      ];
    },
  },
];
