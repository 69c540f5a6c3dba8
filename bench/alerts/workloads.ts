/**
 * What makes a heap unwell, one workload for each alert. Each gets a heap of its own, brings it into its state, and keeps it there
 * until it is told to stop. They are the shortest ways to each alert, not models of programs.
 */

import { RemoteHeap, type Settings } from './heap.js';

const MIB = 1 << 20;

export interface Workload {
  readonly alert: string;
  /** What the user of a heap did to deserve it. */
  readonly story: string;
  readonly settings: Settings;
  /** Brings the heap into its state; answers with what has to be done again and again to keep it there, if anything. */
  run(heap: RemoteHeap): Promise<(() => Promise<void>) | undefined>;
}

export const WORKLOADS: readonly Workload[] = [
  {
    alert: 'NearMemoryLimit',
    story: '57 MiB are alive under a limit of 64 MiB',
    settings: { gomemlimit: '64MiB', reserve: '256MiB' },
    run: async (heap) => {
      await heap.alloc(57 * 1024, 1024);
      await heap.gc();
      return undefined;
    },
  },
  {
    alert: 'GCThrashing',
    story:
      'garbage is allocated at full speed where only 4 MiB are left below the limit, and 48 MiB are to be scanned each time',
    settings: { gomemlimit: '56MiB', reserve: '256MiB' },
    run: async (heap) => {
      await heap.alloc(48 * 1024, 1024, { scan: true });
      return () => heap.garbage(20_000, 64);
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
      return undefined;
    },
  },
  {
    alert: 'RetainedIdle',
    story: '256 MiB were allocated and freed; with GOGC=off nothing tells the scavenger what to give back',
    settings: { gogc: 'off', reserve: '1GiB' },
    run: async (heap) => {
      await heap.free(await heap.alloc(256, MIB));
      await heap.gc();
      return undefined;
    },
  },
  {
    alert: 'SweepDebtGrowing',
    story:
      'long batches leave no P a moment to sweep the 40,000 spans that a cycle left behind, and ask for no new span',
    settings: { gomaxprocs: 2, gogc: 'off', reserve: '1GiB' },
    run: async (heap) => {
      const all = await heap.alloc(40_000, 8192);
      await heap.free(all.filter((_, i) => i % 2 === 0));
      const pairs = RemoteHeap.pairs(100_000, 64);
      const busy = (p: number): (() => Promise<void>) => {
        const more = heap.again();
        return () => more.send(pairs, p);
      };
      const senders = [0, 1].flatMap((p) => [busy(p), busy(p), busy(p), busy(p)]);
      await Promise.all(senders.map((send) => send()));
      // The goal is now far below the heap: the next span that is asked for begins a cycle.
      const begin = heap.again();
      let begun = false;
      return async () => {
        if (!begun) {
          begun = true;
          void begin
            .json('PATCH', '', { gogc: 100 })
            .then(() => begin.garbage(2000, 256))
            .catch(() => {});
        }
        await Promise.all(senders.map((send) => send()));
      };
    },
  },
  {
    alert: 'McacheThrash',
    story: 'of 4,000 full spans two objects each are freed and allocated anew, again and again',
    settings: { reserve: '512MiB' },
    run: async (heap) => {
      const all = await heap.alloc(4000 * 128, 64);
      let some = all.filter((_, i) => i % 64 === 0);
      return async () => {
        await heap.free(some);
        await heap.json('POST', '/sweep', { mark: 'always' });
        some = await heap.alloc(some.length, 64);
      };
    },
  },
  {
    alert: 'CentralContention',
    story: 'eight Ps on few CPUs allocate objects of one size, each of which takes a span of its own',
    settings: { gomaxprocs: 8, reserve: '2GiB' },
    run: async (heap) => {
      const lanes = Array.from({ length: 8 }, () => heap.again());
      return async () => {
        await Promise.all(lanes.map((lane, p) => lane.garbage(4000, 8192, p)));
      };
    },
  },
  {
    alert: 'ReservationNearEnd',
    story: '58 MiB are alive in a reservation of 64 MiB',
    settings: { reserve: '64MiB' },
    run: async (heap) => {
      await heap.alloc(58, MIB - 8192);
      return undefined;
    },
  },
  {
    alert: 'LiveHeapLeak',
    story: 'every second 2 MiB more are kept, and a cycle finds them alive',
    settings: { reserve: '1GiB' },
    run: async (heap) => {
      await heap.alloc(20 * 1024, 1024);
      return async () => {
        await heap.alloc(2 * 1024, 1024);
        await heap.gc();
        await new Promise((resolve) => setTimeout(resolve, 1000));
      };
    },
  },
];
