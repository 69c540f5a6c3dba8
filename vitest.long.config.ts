import { configDefaults, defineConfig, mergeConfig } from 'vitest/config';
import ordinary from './vitest.config.js';

const SECONDS = Number(process.env.GOHEAP_LONG_SECONDS ?? 60);

/**
 * Tests that take as long as they are given, and those of the ordinary run that try more where they may take long (test/helper/effort.ts):
 * `GOHEAP_LONG_SECONDS=600 npm run test:long`.
 */
const FILES = [
  'test/long/**/*.test.ts',
  'test/**/*model.test.ts',
  'test/attack/{lines,m-died,openapi-fuzz,parse-limits,stalled-uploads}.test.ts',
  'test/golden/trigger.test.ts',
  'test/replay/ingest.test.ts',
  'test/replay/*/{cycles,fuzz,generator,simulator}.test.ts',
  'test/replay/sim/golden.test.ts',
  'test/gc/{reach,snapshot}.test.ts',
  'test/heap/{hollow,recover,recover-gc,recover-many,scavenge-crash}.test.ts',
  'test/sched/{death,gc-death}.test.ts',
];

export default mergeConfig(
  { ...ordinary, test: { ...ordinary.test, include: FILES, exclude: configDefaults.exclude } },
  defineConfig({
    test: {
      // Without it they skip themselves, or try less.
      env: { GOHEAP_LONG_SECONDS: String(SECONDS) },
      testTimeout: (SECONDS + 240) * 1000,
    },
  }),
);
