/**
 * Durations in Go's notation, as time.ParseDuration reads them: `10s`, `1m30s`, `1.5h`, `250ms`. No sign; the result
 * is whole milliseconds.
 */

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const PART = /([0-9]+(?:\.[0-9]*)?)(ms|s|m|h)/g;
const WHOLE = /^(?:[0-9]+(?:\.[0-9]*)?(?:ms|s|m|h))+$/;

/** Longer is no duration. */
export const MAX_GO_DURATION = 64;

export const GO_DURATION_WORDS = 'a duration such as 250ms, 10s or 1m30s';

/** The milliseconds, or undefined if the text is not a duration. */
export function parseGoDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (text.length > MAX_GO_DURATION || !WHOLE.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(PART)) total += Number(number) * UNITS[unit];
  return Number.isSafeInteger(Math.round(total)) ? Math.round(total) : undefined;
}

/** `1m30s`, `250ms`; the inverse of parseGoDuration. */
export function formatGoDuration(ms: number): string {
  if (ms === 0) return '0s';
  let rest = ms;
  let text = '';
  for (const unit of ['h', 'm', 's', 'ms']) {
    const n = Math.floor(rest / UNITS[unit]);
    rest -= n * UNITS[unit];
    if (n > 0) text += `${n}${unit}`;
  }
  return text;
}
