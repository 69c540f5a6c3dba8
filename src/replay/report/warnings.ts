/** What results warn of, once each. */

interface Warned {
  readonly cells: readonly { readonly name: string }[];
  readonly results: readonly { readonly warnings: readonly string[] }[];
}

/** Warnings of all results, each once, with the settings that it belongs to where that is not all of them. */
export function warningsOf({ cells, results }: Warned): string[] {
  const where = new Map<string, string[]>();
  results.forEach((result, i) => {
    for (const warning of result.warnings) where.set(warning, [...(where.get(warning) ?? []), cells[i].name]);
  });
  return [...where].map(([warning, names]) =>
    names.length === results.length ? warning : `${names.join(', ')}: ${warning}`,
  );
}
