import { beforeEach, describe, expect, it, test } from 'vitest';
import type { EffectiveSettings } from '../../src/server/hosted.js';
import { HeapRegistry } from '../../src/server/registry.js';
import { FakeFactory } from '../helper/fake-heap.js';

const SETTINGS: EffectiveSettings = {
  gomaxprocs: 2,
  gogc: 100,
  gomemlimit: 'off',
  arenaSize: 64 * 2 ** 20,
  reserve: 4 * 2 ** 30,
};

let factory: FakeFactory;
let heaps: HeapRegistry;
beforeEach(() => {
  factory = new FakeFactory();
  heaps = new HeapRegistry(factory.create, 3);
});

const code = (expected: string) => expect.objectContaining({ code: expected });

describe('put', () => {
  it('creates once, then answers the same heap for the same settings', async () => {
    const first = await heaps.put('a', SETTINGS);
    const second = await heaps.put('a', { ...SETTINGS });
    expect(first.created).toBe(true);
    expect(second).toEqual({ heap: first.heap, created: false });
    expect(heaps.get('a')).toBe(first.heap);
  });

  it('refuses other settings for a heap that exists, and names the one that differs', async () => {
    await heaps.put('a', SETTINGS);
    await expect(heaps.put('a', { ...SETTINGS, gogc: 50 })).rejects.toMatchObject({
      code: 'heap-exists',
      members: { field: 'gogc' },
    });
  });

  it('compares with the settings that a heap has now', async () => {
    const { heap } = await heaps.put('a', SETTINGS);
    heap.update({ gogc: 50 });
    await expect(heaps.put('a', { ...SETTINGS, gogc: 50 })).resolves.toMatchObject({ created: false });
  });

  it('lets a second PUT of a name wait for the first', async () => {
    factory.delay = 20;
    const results = await Promise.all([heaps.put('a', SETTINGS), heaps.put('a', SETTINGS), heaps.put('a', SETTINGS)]);
    expect(results.map(({ created }) => created).sort()).toEqual([false, false, true]);
    expect(factory.made).toHaveLength(1);
  });

  it('refuses a second PUT with other settings, once the first is done', async () => {
    factory.delay = 20;
    const first = heaps.put('a', SETTINGS);
    await expect(heaps.put('a', { ...SETTINGS, gomaxprocs: 1 })).rejects.toEqual(code('heap-exists'));
    await first;
  });

  it('leaves nothing behind when creation fails, and the next PUT tries again', async () => {
    factory.fail = new Error('cannot allocate memory');
    factory.delay = 10;
    const both = await Promise.allSettled([heaps.put('a', SETTINGS), heaps.put('a', SETTINGS)]);
    for (const result of both) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'heap-start-failed' } });
    }
    expect(() => heaps.get('a')).toThrow(code('heap-not-found'));
    factory.fail = undefined;
    await expect(heaps.put('a', SETTINGS)).resolves.toMatchObject({ created: true });
  });

  it('reports a factory that throws at once like one that rejects', async () => {
    heaps = new HeapRegistry(() => {
      throw new Error('no');
    }, 3);
    await expect(heaps.put('a', SETTINGS)).rejects.toEqual(code('heap-start-failed'));
    expect(heaps.list()).toEqual([]);
  });

  it('counts heaps that are starting or closing', async () => {
    factory.delay = 20;
    const starting = [heaps.put('a', SETTINGS), heaps.put('b', SETTINGS), heaps.put('c', SETTINGS)];
    await expect(heaps.put('d', SETTINGS)).rejects.toMatchObject({ code: 'too-many-heaps', members: { limit: 3 } });
    await Promise.all(starting);
    await heaps.delete('b');
    await expect(heaps.put('d', SETTINGS)).resolves.toMatchObject({ created: true });
  });

  test.each(['', '..', 'a b', 'A', '-a', '_a', 'a/b', 'a'.repeat(64), 'ä', '__proto__'])(
    'refuses the name %j',
    (name) => expect(heaps.put(name, SETTINGS)).rejects.toEqual(code('invalid-heap-name')),
  );

  test.each(['a', '0', 'a-b_c', 'constructor', 'a'.repeat(63)])('takes the name %j', (name) =>
    expect(heaps.put(name, SETTINGS)).resolves.toMatchObject({ created: true }),
  );
});

describe('get and list', () => {
  it('tell a name that is absent from one that cannot be', () => {
    expect(() => heaps.get('a')).toThrow(code('heap-not-found'));
    expect(() => heaps.get('../a')).toThrow(code('invalid-heap-name'));
    expect(() => heaps.get('x'.repeat(300))).toThrow(/^.{0,200}$/);
  });

  it('list by name', async () => {
    for (const name of ['b', 'c', 'a']) await heaps.put(name, SETTINGS);
    expect(heaps.list().map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });
});

describe('delete', () => {
  it('closes the heap and frees its name', async () => {
    await heaps.put('a', SETTINGS);
    await heaps.delete('a');
    expect(factory.made[0].closed).toBe(true);
    expect(() => heaps.get('a')).toThrow(code('heap-not-found'));
    await expect(heaps.delete('a')).rejects.toEqual(code('heap-not-found'));
  });

  it('hides the heap at once, while it still closes', async () => {
    await heaps.put('a', SETTINGS);
    const done = heaps.delete('a');
    expect(() => heaps.get('a')).toThrow(code('heap-not-found'));
    await expect(heaps.delete('a')).rejects.toEqual(code('heap-not-found'));
    await done;
  });

  it('waits for a heap that is starting', async () => {
    factory.delay = 20;
    const put = heaps.put('a', SETTINGS);
    await heaps.delete('a');
    expect((await put).heap.name).toBe('a');
    expect(factory.made[0].closed).toBe(true);
  });

  it('lets a PUT wait until the name is free again', async () => {
    await heaps.put('a', SETTINGS);
    const [, again] = await Promise.all([heaps.delete('a'), heaps.put('a', { ...SETTINGS, gogc: 50 })]);
    expect(again.created).toBe(true);
    expect(factory.made).toHaveLength(2);
    expect(heaps.get('a').settings.gogc).toBe(50);
  });
});

describe('close', () => {
  it('closes what is live and what is starting, and lets nothing in afterwards', async () => {
    await heaps.put('a', SETTINGS);
    factory.delay = 20;
    const starting = heaps.put('b', SETTINGS);
    await heaps.close();
    await starting;
    expect(factory.made.map(({ closed }) => closed)).toEqual([true, true]);
    expect(heaps.list()).toEqual([]);
    await expect(heaps.put('c', SETTINGS)).rejects.toEqual(code('shutting-down'));
  });

  it('may be called while a DELETE runs, and twice', async () => {
    await heaps.put('a', SETTINGS);
    await Promise.all([heaps.delete('a'), heaps.close(), heaps.close()]);
    expect(heaps.list()).toEqual([]);
  });
});
