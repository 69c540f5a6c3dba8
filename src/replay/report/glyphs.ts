/**
 * The fallback for terminals that have no more than ASCII: everything is drawn in Unicode, and replaced at the very end. All that plots and
 * tables are made of is replaced one for one, so that what stood below each other still does.
 */

const ASCII: Record<string, string> = {
  '█': '#',
  '▓': '%',
  '▒': '=',
  '░': '.',
  '─': '-',
  '│': '|',
  '┤': '|',
  '┼': '+',
  '└': '+',
  '┴': '+',
  '▲': '^',
  '◀': '<',
  '−': '-',
  '×': 'x',
  '≥': '>',
  '·': '-',
  '’': "'",
  µ: 'u',
  '→': '->',
};

const KNOWN = new RegExp(`[${Object.keys(ASCII).join('')}]`, 'gu');

export function toAscii(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all that is not ASCII.
  return text.replace(KNOWN, (glyph) => ASCII[glyph]).replace(/[^\x00-\x7f]/gu, '?');
}

/** Whether the locale of this environment says that text is UTF-8. */
export function isUtf8(env: Record<string, string | undefined>): boolean {
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
}
