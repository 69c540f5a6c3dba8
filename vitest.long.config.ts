import { defineConfig } from 'vitest/config';

const SECONDS = Number(process.env.GOHEAP_LONG_SECONDS ?? 60);

/** Tests that take as long as they are given: `GOHEAP_LONG_SECONDS=600 vitest run --config vitest.long.config.ts`. */
export default defineConfig({
  test: {
    include: ['test/long/**/*.test.ts', 'test/sched/gc-death.test.ts'],
    // Without it they skip themselves: the ordinary run finds them as well.
    env: { GOHEAP_LONG_SECONDS: String(SECONDS) },
    pool: 'forks',
    testTimeout: (SECONDS + 120) * 1000,
    hookTimeout: 60_000,
  },
});
