import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/helper/build.ts',
    // Proofs that take minutes: npm run test:long, which .ci/run calls.
    exclude: [
      ...configDefaults.exclude,
      'test/long/**',
      'test/heap/{recover-gc,scavenge-crash}.test.ts',
      'test/sched/gc-death.test.ts',
    ],
    // Each file gets a process of its own: heaps are threads and gigabytes of reserved address space.
    pool: 'forks',
    // Many tests wait more than they work; the default would leave a machine of two CPUs to one of them at a time.
    maxWorkers: Math.max(2, availableParallelism()),
    // Bounds for what hangs, not for what is slow: no test may depend on how busy the machine is.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});
