/** Columns of text: the first to the left, the rest to the right, as wide as they must be; and text broken at spaces. */

export interface TableOptions {
  /** Between columns. */
  readonly gap?: string;
  readonly indent?: string;
  /** Columns that stand to the left besides the first. */
  readonly left?: readonly number[];
}

export function table(rows: readonly (readonly string[])[], options: TableOptions = {}): string[] {
  const { gap = '  ', indent = '', left = [] } = options;
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    (
      indent +
      row.map((cell, i) => (i === 0 || left.includes(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(gap)
    ).trimEnd(),
  );
}

/** Lines of at most `width` characters; a word that is longer stands alone. */
export function wrap(text: string, width: number, first = '', rest = first): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of text.split(' ')) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = rest;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  lines.push(line);
  return lines;
}
