/**
 * How much a test tries. `npm test` has to end soon, so that what could be tried without end is tried a little there, and more in `npm run test:long`, which runs
 * the same file.
 */

export const LONG = process.env.GOHEAP_LONG_SECONDS !== undefined;

export const effort = (short: number, long: number): number => (LONG ? long : short);
