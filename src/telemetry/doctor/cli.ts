/**
 * `goheap doctor`: what the doctor says of a heap of a running server, for people.
 *
 * Exit status: 0 it was asked and answered, whatever it found; 1 it could not be asked; 2 the command line is wrong.
 */

import { parseArgs } from 'node:util';
import { Client } from '../../load/client.js';
import type { Examination } from './doctor.js';
import type { Finding } from './rule.js';

const USAGE = `Usage: goheap doctor [options]

Asks a running goheap server what is wrong with a heap, and what to do about it.

  --url URL       the server (default http://127.0.0.1:8080)
  --heap NAME     the heap (default: default)
  --window SECS   for how long to look (default 1, at most 10)
  --token TOKEN   bearer token (default: the environment's AUTH_TOKEN)
  --json          prints the answer as JSON
  --help          prints this
`;

const WIDTH = 96;

/** Words in lines of at most WIDTH, the first behind `lead`, the others below its end. */
function paragraph(lead: string, text: string): string {
  const lines: string[] = [];
  let line = lead;
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > WIDTH && line.trim() !== '') {
      lines.push(line);
      line = ' '.repeat(lead.length);
    }
    line += (line.endsWith(' ') || line === '' ? '' : ' ') + word;
  }
  return [...lines, line].join('\n');
}

function numbersText(numbers: Record<string, number>): string {
  return Object.entries(numbers)
    .map(([name, n]) => `${name} ${n.toLocaleString('en', { maximumFractionDigits: 3 })}`)
    .join(', ');
}

function findingText(finding: Finding, i: number): string {
  return [
    `${i + 1}. ${finding.title} [${finding.severity}, ${finding.code}]`,
    paragraph('   where    ', finding.cause),
    paragraph('   numbers  ', numbersText(finding.numbers)),
    paragraph('   beyond   ', numbersText(finding.threshold)),
    paragraph('   means    ', finding.meaning),
    paragraph('   do       ', finding.action),
  ].join('\n');
}

export function renderExamination(heap: string, { summary, findings }: Examination): string {
  return `${[paragraph(`${heap}: `, summary), ...findings.map(findingText)].join('\n\n')}\n`;
}

export async function main(argv: string[]): Promise<number> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(argv);
  } catch (error) {
    process.stderr.write(`goheap doctor: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { url, heap, window, token } = values;
  const client = new Client({ url, token });
  try {
    const path = `/v1/heaps/${encodeURIComponent(heap)}/doctor?window=${encodeURIComponent(window)}`;
    const answer = await client.json<Examination>('GET', path);
    process.stdout.write(
      values.json === true ? `${JSON.stringify(answer, null, 2)}\n` : renderExamination(heap, answer),
    );
    return 0;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    process.stderr.write(`goheap doctor: ${code === 'ECONNREFUSED' ? `no server answers at ${url}` : message}\n`);
    return 1;
  } finally {
    client.close();
  }
}

function parse(argv: string[]) {
  const { values } = parseArgs({
    args: argv,
    allowPositionals: false,
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:8080' },
      heap: { type: 'string', default: 'default' },
      window: { type: 'string', default: '1' },
      token: { type: 'string', default: process.env.AUTH_TOKEN || undefined },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (!URL.canParse(values.url)) throw new Error(`--url ${JSON.stringify(values.url)} is no URL`);
  const window = Number(values.window);
  if (!(window >= 0 && window <= 10)) throw new Error('--window must be a number of seconds from 0 to 10');
  return values;
}
