/**
 * Before any test: `dist` is what the sources say, also for one file run with `npx vitest run
 * FILE`.
 */

import { execFileSync } from 'node:child_process';

export default function build(): void {
  execFileSync(process.execPath, ['scripts/build.mjs', '--if-stale'], { stdio: 'inherit' });
}
