/**
 * What an open console asks of a server, without the browser: the event stream at the page's rate, and each second what the map of an
 * arena with an open span reads (`console/src/map`). Answers are read to their end and thrown away: drawing them is the affair of
 * another machine. The argument is JSON; ends when its standard input does, and prints what it was sent.
 */

export interface Attach {
  /** Of the heap, as `http://127.0.0.1:8080/v1/heaps/default`. */
  url: string;
}

export interface Attached {
  seconds: number;
  streamBytes: number;
  polls: number;
  pollBytes: number;
}

/** As `console/src/feed.ts` and `console/src/map/arena-data.ts`. */
const RATE = 5;
const SPANS = 1000;
const INTERVAL = 1000;

const { url } = JSON.parse(process.argv[2]) as Attach;
const begun = performance.now();
const answer: Attached = { seconds: 0, streamBytes: 0, polls: 0, pollBytes: 0 };
const end = new AbortController();

async function drain(path: string, read: (bytes: number) => void): Promise<void> {
  const { body, status } = await fetch(`${url}/${path}`, { signal: end.signal });
  if (status !== 200 || body === null) throw new Error(`${path}: ${status}`);
  for await (const chunk of body) read(chunk.length);
}

async function poll(path: string): Promise<string> {
  const response = await fetch(`${url}/${path}`, { signal: end.signal });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  answer.polls++;
  answer.pollBytes += text.length;
  return text;
}

/** Where the next page of the list of spans begins, found without parsing the rest. */
const cursorOf = (text: string): string => /"next":"(\w+)"\}$/.exec(text)?.[1] ?? '0';

async function look(): Promise<void> {
  let cursor = '0';
  while (!end.signal.aborted) {
    const began = performance.now();
    await poll('arenas');
    await poll('arenas/0');
    const first = await poll(`spans?limit=${SPANS}&cursor=${cursor}`);
    cursor = cursorOf(first);
    const id = /"id":(\d+)/.exec(first)?.[1];
    if (id !== undefined) await poll(`spans/${id}`).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, INTERVAL - (performance.now() - began))));
  }
}

const ignoreEnd = (error: unknown): void => {
  if (!end.signal.aborted) throw error;
};
const stream = drain(`events?rate=${RATE}`, (bytes) => {
  answer.streamBytes += bytes;
}).catch(ignoreEnd);
const looks = look().catch(ignoreEnd);
process.stdin.resume();
process.stdin.once('end', async () => {
  end.abort();
  await Promise.all([stream, looks]);
  answer.seconds = (performance.now() - begun) / 1000;
  process.stdout.write(JSON.stringify(answer));
  process.exit(0);
});
