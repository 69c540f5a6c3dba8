/** Watching a replay. */

import { readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { closeReplayServers, type ReplayServer, recording, replayServer } from '../helper/replays.js';
import { expectProblem } from '../helper/routes.js';
import { EventReader, type ServerEvent } from '../helper/sse.js';

afterEach(closeReplayServers);

async function all(reader: EventReader): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for (let event = await reader.next(); event !== undefined; event = await reader.next()) events.push(event);
  return events;
}

/** A client that watches an example from before it begins. */
async function watched(server: ReplayServer, query: string): Promise<{ id: string; reader: EventReader }> {
  const packed = readFileSync(new URL('../../examples/jq.mtrace.gz', import.meta.url));
  const half = server.halfUpload(query, packed.subarray(0, 100_000), packed.subarray(100_000));
  await expect.poll(async () => (await server.get()).body.waiting).toBe(1);
  const [{ id }] = (await server.get()).body.replays;
  const reader = await EventReader.open(server.url(`/${id}/events`));
  half.end('finish');
  expect(await half.status).toBe(202);
  return { id, reader };
}

it('tells each result, and the end', async () => {
  const server = await replayServer();
  const { id, reader } = await watched(server, '?gogc=50,100&loops=20&variations=1');
  expect(reader.status).toBe(200);
  expect(reader.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const events = await all(reader);
  const [hello] = events;
  expect(hello).toMatchObject({ event: 'hello', data: { id, cells: [{ cell: 0 }, { cell: 1 }] } });
  expect(hello.data.timelines).toHaveLength(2);
  const end = events[events.length - 1];
  expect(end).toMatchObject({ event: 'done', id: 'end', data: { id, state: 'done' } });
  expect(end.data.advice.environment).toMatch(/^GOGC=/);
  const results = events.filter(({ event }) => event === 'result');
  expect(results.map(({ data }) => data.cell).sort()).toEqual([0, 1]);
  for (const { data } of results) expect(data.headline).toEqual(end.data.cells[data.cell].headline);
  const progress = events.filter(({ event }) => event === 'progress').map(({ data }) => data);
  for (const { cells } of progress) expect(cells[0]).not.toHaveProperty('headline');
});

it('tells how far it is', async () => {
  const server = await replayServer();
  // It never ends by itself.
  const { body } = await server.start('?gogc=50,100&loops=10000&variations=1', { example: 'jq' });
  const reader = await EventReader.open(server.url(`/${body.id}/events`));
  const progress = [];
  while (progress.length < 3 || progress.at(-1).cells[0].events === 0) {
    progress.push((await reader.nextOf('progress'))?.data);
  }
  const shares = progress.map((each) => each.progress.share);
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
  for (const { cells } of progress) {
    expect(cells[0].state).not.toBe('done');
    expect(cells[0]).not.toHaveProperty('headline');
  }
  await server.call('DELETE', `/${body.id}`);
  expect((await all(reader)).at(-1)?.event).toBe('cancelled');
});

it('begins with what was seen before', async () => {
  const server = await replayServer();
  const { body } = await server.start('?loops=10000', { example: 'jq' });
  await expect.poll(async () => (await server.get(`/${body.id}`)).body.cells[0].events).toBeGreaterThan(500_000);
  const reader = await EventReader.open(server.url(`/${body.id}/events`));
  const hello = await reader.next();
  const [timeline] = hello?.data.timelines ?? [];
  expect(Object.keys(timeline)).toEqual(['event', 'seconds', 'cycles', 'inuse', 'live']);
  expect(timeline.event.length).toBeGreaterThan(0);
  expect(timeline.event).toEqual([...timeline.event].sort((a, b) => a - b));
  for (const column of Object.values(timeline)) expect(column).toHaveLength(timeline.event.length);
  await server.call('DELETE', `/${body.id}`);
  const events = await all(reader);
  expect(events[events.length - 1]).toMatchObject({ event: 'cancelled', data: { state: 'cancelled' } });
});

it('of one that has ended are its beginning and its end; who has seen that gets 204', async () => {
  const server = await replayServer();
  const { body } = await server.upload('', recording(100));
  await server.until(body.id, 'done');
  const url = server.url(`/${body.id}/events`);
  expect((await all(await EventReader.open(url))).map(({ event }) => event)).toEqual(['hello', 'done']);
  const seen = await fetch(url, { headers: { 'last-event-id': 'end' } });
  expect(seen.status).toBe(204);
});

it('tells of an upload, too', async () => {
  const server = await replayServer();
  const half = server.halfUpload('', recording(3000));
  await expect.poll(async () => (await server.get()).body.waiting).toBe(1);
  const [{ id, progress }] = (await server.get()).body.replays;
  expect(progress.share).toBeLessThanOrEqual(0.5);
  const reader = await EventReader.open(server.url(`/${id}/events`));
  expect((await reader.next())?.data).toMatchObject({ state: 'parsing', ingest: null });
  half.end('finish');
  expect(await half.status).toBe(202);
  const events = await all(reader);
  expect(events[events.length - 1].event).toBe('done');
});

it('bounds the streams, and ends them with the server', async () => {
  const server = await replayServer({ GOHEAP_MAX_STREAMS: '2' });
  const { body } = await server.start('?loops=10000', { example: 'jq' });
  const url = server.url(`/${body.id}/events`);
  const readers = [await EventReader.open(url), await EventReader.open(url)];
  const third = await server.get(`/${body.id}/events`);
  expectProblem(third, 503, 'too-many-streams');
  expect(third.body.limit).toBe(2);
  readers[0].close();
  await expect
    .poll(async () => {
      const reader = await EventReader.open(url);
      reader.close();
      return reader.status;
    })
    .toBe(200);
  const rest = all(readers[1]);
  await server.close();
  expect((await rest).length).toBeGreaterThan(0);
});

it('costs a client that does not read nothing but newer progress', async () => {
  const server = await replayServer();
  const { id, reader } = await watched(server, '?gogc=10,20,30,40,50&loops=5&variations=1');
  await server.until(id, 'done');
  // Read only now.
  const events = await all(reader);
  expect(events.filter(({ event }) => event === 'result')).toHaveLength(5);
  expect(events[events.length - 1].event).toBe('done');
});
