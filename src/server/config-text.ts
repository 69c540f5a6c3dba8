/**
 * The configuration table as text: `--help`, `docs/configuration.md`, and the effective values in the log.
 *
 * Invariant: a value whose variable is marked secret never leaves this file.
 */

import { type Config, type Group, VARIABLES, type Variable } from './config.js';

const GROUPS: Record<Group, string> = {
  Go: "Go's own variables: the settings of the default heap, and of every heap that does not say otherwise",
  Heaps: 'Defaults of a heap that Go has no variable for',
  Limits: 'Limits on what a client can grow',
  Replays: 'Replays, and what bounds them',
  Server: 'The HTTP server',
};

const ALL = Object.values(VARIABLES) as unknown as Variable<unknown>[];

function defaultText(variable: Variable<unknown>): string {
  return variable.defaultText ?? variable.show(variable.default);
}

/** The section of `--help` that lists every variable. */
export function variablesHelp(): string {
  const lines: string[] = [];
  for (const group of Object.keys(GROUPS) as Group[]) {
    lines.push('', `${GROUPS[group]}:`);
    for (const variable of ALL.filter((v) => v.group === group)) {
      lines.push(`  ${variable.env.padEnd(24)}${variable.help}`);
      lines.push(`  ${''.padEnd(24)}Default ${defaultText(variable)}; ${variable.allowed}.`);
    }
  }
  return lines.slice(1).join('\n');
}

/** The whole of docs/configuration.md. */
export function configurationMarkdown(): string {
  const lines = [
    '# Configuration',
    '',
    'Everything is configured by environment variables. An empty variable counts as absent; a bad value ends the process',
    'with status 2 and a line that says what would be right. The values in effect are logged at start, secrets redacted.',
    '',
    'This page is made from the table in `src/server/config.ts`; a test keeps the two equal.',
  ];
  for (const group of Object.keys(GROUPS) as Group[]) {
    lines.push(
      '',
      `## ${GROUPS[group]}`,
      '',
      '| variable | default | what it may be | meaning |',
      '| --- | --- | --- | --- |',
    );
    for (const v of ALL.filter((variable) => variable.group === group)) {
      lines.push(`| \`${v.env}\` | ${defaultText(v)} | ${v.allowed} | ${v.help} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The values in effect by variable name, secrets redacted: fit for a log. */
export function effectiveConfig(config: Config): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [key, variable] of Object.entries(VARIABLES) as unknown as [keyof Config, Variable<unknown>][]) {
    const value = config[key];
    shown[variable.env] = variable.secret && value !== undefined ? '[redacted]' : variable.show(value);
  }
  return shown;
}

/** True where only this machine can connect. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.[0-9]{1,3}){3}$/.test(host);
}

/** What the operator should be told at start. */
export function configWarnings(config: Config, env: Readonly<Record<string, string | undefined>>): string[] {
  const warnings: string[] = [];
  if (!isLoopback(config.host) && config.authToken === undefined) {
    warnings.push(
      `listening on ${config.host} without AUTH_TOKEN: everyone who can reach this port can drive and delete every heap`,
    );
  }
  if (config.allowedHosts === 'off' && config.authToken === undefined) {
    warnings.push(
      'GOHEAP_ALLOWED_HOSTS is off and there is no AUTH_TOKEN: any web page that a user of this machine visits can reach the heaps',
    );
  }
  const known = new Set(ALL.map((variable) => variable.env));
  // Kubernetes sets GOHEAP_SERVICE_* and GOHEAP_PORT* for a service named goheap: those are no typos.
  const unknown = Object.keys(env).filter((n) => /^GOHEAP_(?!SERVICE|PORT)/.test(n) && !known.has(n));
  if (unknown.length > 0) warnings.push(`unknown variables are ignored: ${unknown.sort().join(', ')}`);
  return warnings;
}
