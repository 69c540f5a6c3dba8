/** Numbers for people: binary bytes as Go writes them, rates, durations, shares. No DOM: the tests read it too. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Three significant digits: `0 B`, `8.00 KiB`, `63.9 MiB`. */
export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  const sign = n < 0 ? '−' : '';
  let x = Math.abs(n);
  let unit = 0;
  while (x >= 1023.95 && unit < UNITS.length - 1) {
    x /= 1024;
    unit++;
  }
  return `${sign}${unit === 0 ? Math.round(x) : digits(x)} ${UNITS[unit]}`;
}

function digits(x: number): string {
  if (x >= 99.95) return x.toFixed(0);
  return x >= 9.995 ? x.toFixed(1) : x.toFixed(2);
}

/** With thousands: `1,234,567`. */
export const count = (n: number | null | undefined): string =>
  n === null || n === undefined || !Number.isFinite(n) ? '–' : Math.round(n).toLocaleString('en-US');

/** Short: `999`, `1.2k`, `34M`. */
export function short(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  const x = Math.abs(n);
  if (x < 10 && x !== Math.floor(x)) return n.toFixed(x < 1 ? 2 : 1);
  if (x < 999.5) return String(Math.round(n));
  for (const [limit, unit] of [
    [1e3, 'k'],
    [1e6, 'M'],
    [1e9, 'G'],
    [1e12, 'T'],
  ] as const) {
    if (x < limit * 999.5) return `${(n / limit).toFixed(x < limit * 9.95 ? 1 : 0)}${unit}`;
  }
  return n.toExponential(1);
}

export const perSecond = (n: number | null | undefined): string => `${short(n)}/s`;

/** `12 µs`, `3.4 ms`, `1.2 s`, `4 min 5 s`. */
export function seconds(s: number | null | undefined): string {
  if (s === null || s === undefined || !Number.isFinite(s)) return '–';
  const x = Math.abs(s);
  if (x === 0) return '0 s';
  if (x < 1e-3) return `${Math.round(s * 1e6)} µs`;
  if (x < 1) return `${digits(s * 1e3)} ms`;
  if (x < 120) return `${digits(s)} s`;
  return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
}

/** `0%`, `0.3%`, `42%`. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return '–';
  const x = share * 100;
  return `${x > 0 && x < 9.95 ? x.toFixed(1) : Math.round(x)}%`;
}

/** `14:03:59`, in the zone of the reader. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB', { hour12: false });
}

/** Go's notation of a size, exact: `512MiB`, `1000B`. */
export function goSize(n: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (n >= size && n % size === 0) return `${n / size}${unit}`;
  }
  return `${n}B`;
}

/** Bytes of Go's notation; undefined for `off` and for anything else. */
export function parseGoSize(text: string): number | undefined {
  const match = /^([0-9]+)(B|KiB|MiB|GiB|TiB)?$/.exec(text);
  return match === null ? undefined : Number(match[1]) * 1024 ** Math.max(0, UNITS.indexOf(match[2] ?? 'B'));
}
