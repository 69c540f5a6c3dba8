#!/usr/bin/env node
/**
 * The command line. Each command is a module of its own, imported only when it is called, so that `goheap --version`
 * does not start by compiling a server.
 *
 * Exit status: 0 done, 1 it failed, 2 the command line or the configuration is wrong.
 */

import { realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { variablesHelp } from './server/config-text.js';
import { GO_VERSION, VERSION } from './server/version.js';

type Command = (argv: string[]) => Promise<number>;

const COMMANDS: Record<string, { help: string; load: () => Promise<{ main: Command }> }> = {
  serve: {
    help: 'Run the server, configured by the environment variables below',
    load: () => import('./server/main.js'),
  },
  load: {
    help: 'Drive a running server with a recorded program; goheap load --help tells more',
    load: () => import('./load/cli.js'),
  },
  replay: {
    help: 'What would Go cost a recorded program, and which GOGC should it have; goheap replay --help tells more',
    load: () => import('./replay/cli/main.js'),
  },
  record: {
    help: 'Record what happens on a heap of a running server; goheap record --help tells more',
    load: () => import('./replay/record-cli.js'),
  },
  doctor: {
    help: 'Ask what is wrong with a heap of a running server; goheap doctor --help tells more',
    load: () => import('./telemetry/doctor/cli.js'),
  },
  openapi: {
    help: 'Print the OpenAPI document',
    load: () => import('./server/print-openapi.js'),
  },
};

function help(): string {
  const commands = Object.entries(COMMANDS).map(([name, { help }]) => `  ${name.padEnd(20)}${help}`);
  return `goheap ${VERSION}: Go's memory manager (${GO_VERSION}), whole and live, behind HTTP.

Usage: goheap COMMAND

Commands:
${commands.join('\n')}
  ${'--help'.padEnd(20)}This text
  ${'--version'.padEnd(20)}The version

${variablesHelp()}
`;
}

export async function run(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === '--version' || name === '-v') {
    process.stdout.write(`goheap ${VERSION} (${GO_VERSION})\n`);
    return 0;
  }
  if (
    name === '--help' ||
    name === '-h' ||
    name === 'help' ||
    (name === 'serve' && /^(--help|-h)$/.test(rest[0] ?? ''))
  ) {
    process.stdout.write(help());
    return 0;
  }
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const what = name === undefined ? 'no command' : `unknown command ${JSON.stringify(name)}`;
    process.stderr.write(`goheap: ${what}; the commands are ${Object.keys(COMMANDS).join(', ')}; see goheap --help\n`);
    return 2;
  }
  const { main } = await command.load();
  return main(rest);
}

// npm installs the command as a link to this file.
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  process.exitCode = await run(process.argv.slice(2));
}
