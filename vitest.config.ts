import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Each file gets a process of its own: heaps are threads and gigabytes of reserved address space.
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
