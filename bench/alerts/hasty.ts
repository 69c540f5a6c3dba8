/**
 * The alert rules in a hurry: the same expressions and thresholds, with seconds for minutes, so that each can be seen to fire.
 *
 * Only durations change: how long a condition must hold (`for:`), ranges in brackets, and offsets. Ranges stay long enough for
 * several scrapes of a second each, and
 * `for: 1m` longer than a target outlives its heap: Prometheus takes up new targets every five seconds.
 */

const FOR: Readonly<Record<string, string>> = { '1m': '15s', '5m': '4s', '10m': '5s', '30m': '6s' };
const RANGE: Readonly<Record<string, string>> = { '5m': '8s', '10m': '10s', '15m': '15s', '30m': '12s', '1h': '10s' };
const OFFSET: Readonly<Record<string, string>> = { '1h': '10s', '2h': '20s' };

function shorter(table: Readonly<Record<string, string>>, duration: string): string {
  const short = table[duration];
  if (short === undefined) throw new Error(`no short form of ${duration}`);
  return short;
}

export function hasty(rules: string): string {
  return rules
    .replace(/^( *for: )(\S+)$/gm, (_, before: string, duration: string) => before + shorter(FOR, duration))
    .replace(/\[([0-9]+[smhd])\]/g, (_, duration: string) => `[${shorter(RANGE, duration)}]`)
    .replace(/\boffset ([0-9]+[smhd])/g, (_, duration: string) => `offset ${shorter(OFFSET, duration)}`);
}
