/**
 * Numbers as people read them. Binary units, three significant digits; a minus is a minus sign (U+2212), which the ASCII fallback turns into a hyphen.
 */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

function unitOf(value: number): number {
  let unit = 0;
  for (let n = Math.abs(value); n >= 999.5 && unit < UNITS.length - 1; n /= 1024) unit++;
  return unit;
}

function scaled(value: number, unit: number): string {
  const n = Math.abs(value) / 1024 ** unit;
  const digits = unit === 0 || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
  return `${value < 0 && Number(n.toFixed(digits)) !== 0 ? '−' : ''}${n.toFixed(digits)}`;
}

/** "8.31 MiB", "512 KiB". */
export function size(bytes: number): string {
  const unit = unitOf(bytes);
  return `${scaled(bytes, unit)} ${UNITS[unit]}`;
}

/** "8.31 MiB", or "8.31..8.62 MiB" where both do not read the same. */
export function sizeRange([min, max]: readonly [number, number]): string {
  const unit = unitOf(max);
  const [low, high] = [scaled(min, unit), scaled(max, unit)];
  return `${low === high ? high : `${low}..${high}`} ${UNITS[unit]}`;
}

/** "1,234". */
export function count(n: number): string {
  return Math.round(n).toLocaleString('en');
}

export function countRange([min, max]: readonly [number, number]): string {
  return min === max ? count(max) : `${count(min)}..${count(max)}`;
}

/** A share as "12.3 %". */
export function percent(share: number): string {
  return `${percentDigits(share)} %`;
}

function percentDigits(share: number): string {
  const p = share * 100;
  return p.toFixed(p !== 0 && Math.abs(p) < 9.995 ? 2 : 1);
}

export function percentRange([min, max]: readonly [number, number]): string {
  const [low, high] = [percentDigits(min), percentDigits(max)];
  return `${low === high ? high : `${low}..${high}`} %`;
}

/** "−12.3 %", "+340 %": how far `to` is from `from`; '' where that is 0. */
export function change(from: number, to: number): string {
  if (from === 0) return '';
  const p = ((to - from) / from) * 100;
  const digits = Math.abs(p) >= 99.95 ? 0 : 1;
  const text = Math.abs(p).toFixed(digits);
  if (Number(text) === 0) return '0 %';
  return `${p < 0 ? '−' : '+'}${text} %`;
}

/** "1.23 ms", "45.6 s". */
export function time(seconds: number): string {
  const [value, unit] = timeUnit(seconds);
  return `${three(value)} ${unit}`;
}

export function timeRange([min, max]: readonly [number, number]): string {
  const [value, unit] = timeUnit(max);
  const scale = max === 0 ? 1 : value / max;
  const [low, high] = [three(min * scale), three(value)];
  return `${low === high ? high : `${low}..${high}`} ${unit}`;
}

function timeUnit(seconds: number): [number, string] {
  const s = Math.abs(seconds);
  if (s >= 0.9995 || s === 0) return [seconds, 's'];
  if (s >= 0.9995e-3) return [seconds * 1e3, 'ms'];
  return [seconds * 1e6, 'µs'];
}

function three(n: number): string {
  if (n === 0) return '0';
  return n.toFixed(n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2);
}

/** "8,192", or "1.5k", "3.2M" where there is no room. */
export function short(n: number): string {
  const units = ['', 'k', 'M', 'G', 'T'];
  let unit = 0;
  let value = n;
  for (; value >= 999.5 && unit < units.length - 1; value /= 1000) unit++;
  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(value >= 9.995 ? 1 : 2)}${units[unit]}`;
}
