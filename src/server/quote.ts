/**
 * How an answer or a log line repeats what a client sent: at most 100 characters of it.
 *
 * A value of 16 MB is a legal body, so the cut comes first and the quoting after it: nothing here costs more than its
 * result. Whoever puts a client's word into a `detail`, a `field`, or a log entry takes it from here.
 */

export const MAX_QUOTE = 100;

/** The text, cut to `most` characters. The cut is marked, and no character is cut in two. */
export function brief(text: string, most = MAX_QUOTE): string {
  if (text.length <= most) return text;
  const cut = text.slice(0, most - 1);
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}

/** The value as JSON has it, at most 100 characters long. What is no single value is named, not shown. */
export function quote(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return JSON.stringify(value) ?? 'undefined';
  let shown = brief(value, MAX_QUOTE - 2);
  let text = JSON.stringify(shown);
  // Escapes make it longer: `\u0001` is six characters for one.
  while (text.length > MAX_QUOTE) {
    shown = brief(value, shown.length - Math.max(1, Math.floor((text.length - MAX_QUOTE) / 6)));
    text = JSON.stringify(shown);
  }
  return text;
}

/** The path of a URL, without its query. */
export function briefPath(url: string): string {
  const end = url.indexOf('?');
  return brief(end < 0 ? url : url.slice(0, end));
}
