export function reportHtml(_d: unknown): string { return ''; }
