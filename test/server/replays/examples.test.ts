/** The gallery and the folder say the same. */

import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from '../../../src/replay/parse.js';
import { TraceStore } from '../../../src/replay/store.js';
import { EXAMPLES, examplePath } from '../../../src/server/replays/examples.js';

it('has an entry for every recording in examples/', () => {
  const files = readdirSync(new URL('../../../examples', import.meta.url)).filter((name) => !name.endsWith('.md'));
  expect(EXAMPLES.map(({ file }) => file).sort()).toEqual(files.sort());
});

it.each(EXAMPLES.map((example) => [example.name, example] as const))('%s is what it says', async (_name, example) => {
  const store = TraceStore.create();
  try {
    const { report } = await parse({ path: examplePath(example) }, store);
    expect(report).toMatchObject({ format: example.format, events: example.events });
  } finally {
    store.close();
  }
});
