import { describe, expect, it, test } from 'vitest';
import { json, testShell } from '../helper/shell.js';

const DEFAULTS = { gomaxprocs: 2, gogc: 100, gomemlimit: 'off', arenaSize: '64MiB', reserve: '4GiB' };
const put = (name: string, body?: unknown) =>
  ({ method: 'PUT', url: `/v1/heaps/${name}`, ...(body === undefined ? {} : json(body)) }) as const;
const patch = (name: string, body: unknown) => ({ method: 'PATCH', url: `/v1/heaps/${name}`, ...json(body) }) as const;

describe('PUT', () => {
  it('creates a heap with defaults, without a body', async () => {
    const { app, log } = await testShell();
    const response = await app.inject(put('a'));
    expect(response.statusCode).toBe(201);
    expect(response.headers.location).toBe('/v1/heaps/a');
    expect(response.json()).toMatchObject({ name: 'a', settings: DEFAULTS, summary: { heapAlloc: 0, heapSys: 0 } });
    expect(Date.parse(response.json().createdAt)).toBeGreaterThan(Date.now() - 60_000);
    expect(log).toEqual([]);
  });

  it('takes every setting, sizes as numbers or text', async () => {
    const { app } = await testShell();
    const settings = { gomaxprocs: 1, gogc: 'off', gomemlimit: 2 ** 29, arenaSize: '4MiB', reserve: 2 ** 30 };
    const response = await app.inject(put('a', settings));
    expect(response.json().settings).toEqual({
      gomaxprocs: 1,
      gogc: 'off',
      gomemlimit: '512MiB',
      arenaSize: '4MiB',
      reserve: '1GiB',
    });
  });

  it('takes back the settings that it answered', async () => {
    const { app } = await testShell();
    const { settings } = (await app.inject(put('a', { gogc: 0, gomemlimit: '1000B', arenaSize: '4MiB' }))).json();
    expect((await app.inject(put('a', settings))).statusCode).toBe(200);
  });

  it('has the defaults of the environment', async () => {
    const { app } = await testShell({ GOGC: '50', GOMEMLIMIT: '1GiB', GOHEAP_RESERVE: '128MiB' });
    expect((await app.inject(put('a'))).json().settings).toMatchObject({
      gogc: 50,
      gomemlimit: '1GiB',
      reserve: '128MiB',
    });
  });

  it('is idempotent, and a conflict where settings differ', async () => {
    const { app, problem } = await testShell();
    await app.inject(put('a', { gogc: 50 }));
    expect((await app.inject(put('a', { gogc: 50, gomemlimit: 'off' }))).statusCode).toBe(200);
    expect(await problem('heap-exists', put('a'))).toMatchObject({ field: 'gogc' });
  });

  it('is answered once by 201 when many ask for one name', async () => {
    const { app, factory } = await testShell();
    factory.delay = 10;
    const responses = await Promise.all([1, 2, 3].map(() => app.inject(put('a'))));
    expect(responses.map(({ statusCode }) => statusCode).sort()).toEqual([200, 200, 201]);
  });

  test.each([
    [{ gogc: -1 }, 'gogc'],
    [{ gogc: 1.5 }, 'gogc'],
    [{ gogc: '100' }, 'gogc'],
    [{ gogc: 2 ** 31 }, 'gogc'],
    [{ gogc: null }, 'gogc'],
    [{ gomemlimit: '512MB' }, 'gomemlimit'],
    [{ gomemlimit: -1 }, 'gomemlimit'],
    [{ gomemlimit: 1.5 }, 'gomemlimit'],
    [{ gomemlimit: '9223372036854775808' }, 'gomemlimit'],
    [{ gomaxprocs: 0 }, 'gomaxprocs'],
    [{ gomaxprocs: 65 }, 'gomaxprocs'],
    [{ gomaxprocs: '2' }, 'gomaxprocs'],
    [{ gomaxprocs: 2 ** 53 }, 'gomaxprocs'],
    [{ arenaSize: '8MiB' }, 'arenaSize'],
    [{ arenaSize: 'off' }, 'arenaSize'],
    [{ reserve: '100MiB' }, 'reserve'],
    [{ reserve: '4MiB', arenaSize: '4MiB' }, 'reserve'],
    [{ reserve: '9GiB' }, 'reserve'],
    [{ reserve: 0 }, 'reserve'],
    [{ reserve: 2 ** 53 }, 'reserve'],
    [{ reserve: 'plenty' }, 'reserve'],
  ])('refuses %j', async (settings, field) => {
    const { problem, heaps } = await testShell();
    const document = await problem('invalid-setting', put('a', settings));
    expect(document.field).toBe(field);
    expect(document.allowed).toBeTypeOf('string');
    expect(heaps.list()).toEqual([]);
  });

  it('takes no limit as Go writes it', async () => {
    const { app } = await testShell();
    const response = await app.inject(put('a', { gomemlimit: '9223372036854775807' }));
    expect(response.json().settings.gomemlimit).toBe('off');
  });

  it('refuses a field that it does not know, and lists those that it does', async () => {
    const { problem } = await testShell();
    expect(await problem('unknown-field', put('a', { GOGC: 100 }))).toMatchObject({
      field: 'GOGC',
      allowed: ['gomaxprocs', 'gogc', 'gomemlimit', 'arenaSize', 'reserve'],
    });
  });

  test.each([[[]], ['x'], [7], [true]])('refuses the body %j', async (body) => {
    const { problem } = await testShell();
    await problem('validation-failed', put('a', body));
  });

  it('refuses one heap too many', async () => {
    const { app, problem } = await testShell({ GOHEAP_MAX_HEAPS: '2' });
    for (const name of ['a', 'b']) await app.inject(put(name));
    expect(await problem('too-many-heaps', put('c'))).toMatchObject({ limit: 2 });
    await app.inject({ method: 'DELETE', url: '/v1/heaps/a' });
    expect((await app.inject(put('c'))).statusCode).toBe(201);
  });

  it('tells why a heap could not start', async () => {
    const { problem, factory } = await testShell();
    factory.fail = new Error('Array buffer allocation failed');
    expect((await problem('heap-start-failed', put('a'))).detail).toMatch(/Array buffer allocation failed/);
  });
});

describe('names', () => {
  // `..` alone is resolved by this client before it is sent; test/server/app.test.ts sends it raw.
  const names = ['..%2F..%2Fetc', 'a%20b', 'A', '-a', '%00', '%F0%9F%A6%AB', 'a.b', 'a'.repeat(64), 'a'.repeat(300)];
  test.each(names)('%s is refused by every method', async (name) => {
    const { problem } = await testShell();
    const url = `/v1/heaps/${name}`;
    for (const method of ['GET', 'PUT', 'DELETE'] as const) {
      expect(await problem('invalid-heap-name', { method, url })).toMatchObject({ field: 'heap' });
    }
    await problem('invalid-heap-name', patch(name, { gogc: 1 }));
  });

  it('a name that no path can have is too long', async () => {
    const { problem } = await testShell();
    await problem('uri-too-long', { url: `/v1/heaps/${'a'.repeat(2000)}` });
  });

  test.each(['GET', 'DELETE'] as const)('%s of a heap that is not there', async (method) => {
    const { problem } = await testShell();
    const document = await problem('heap-not-found', { method, url: '/v1/heaps/a' });
    expect(document.detail).toBe('There is no heap named "a".');
  });
});

describe('GET', () => {
  it('shows a heap as the list does', async () => {
    const { app } = await testShell();
    await app.inject(put('b'));
    await app.inject(put('a'));
    const list = (await app.inject('/v1/heaps')).json();
    expect(list.limit).toBe(16);
    expect(list.heaps.map(({ name }: { name: string }) => name)).toEqual(['a', 'b']);
    expect((await app.inject('/v1/heaps/a')).json()).toEqual(list.heaps[0]);
  });
});

describe('PATCH', () => {
  it('changes what is live', async () => {
    const { app, log } = await testShell();
    await app.inject(put('a'));
    const response = await app.inject(patch('a', { gogc: 'off', gomemlimit: '1GiB' }));
    expect(response.json().settings).toEqual({ ...DEFAULTS, gogc: 'off', gomemlimit: '1GiB' });
    expect((await app.inject('/v1/heaps/a')).json().settings).toEqual(response.json().settings);
    expect(log).toEqual([]);
  });

  it('leaves alone what it does not name', async () => {
    const { app } = await testShell();
    await app.inject(put('a', { gogc: 50 }));
    expect((await app.inject(patch('a', { gomemlimit: 1000 }))).json().settings).toMatchObject({
      gogc: 50,
      gomemlimit: '1000B',
    });
  });

  test.each([{ gomaxprocs: 4 }, { arenaSize: '4MiB' }, { reserve: '1GiB' }, { gogc: 1, gomaxprocs: 4 }])(
    'refuses %j, and says what may change',
    async (body) => {
      const { app, problem } = await testShell();
      await app.inject(put('a'));
      expect(await problem('setting-not-live', patch('a', body))).toMatchObject({ allowed: ['gogc', 'gomemlimit'] });
      expect((await app.inject('/v1/heaps/a')).json().settings).toEqual(DEFAULTS);
    },
  );

  it('refuses to change nothing', async () => {
    const { app, problem } = await testShell();
    await app.inject(put('a'));
    expect(await problem('validation-failed', patch('a', {}))).toMatchObject({ allowed: ['gogc', 'gomemlimit'] });
  });

  it('refuses a heap that is not there', async () => {
    const { problem } = await testShell();
    await problem('heap-not-found', patch('a', { gogc: 1 }));
  });
});

describe('DELETE', () => {
  it('closes the heap, even the default one', async () => {
    const { app, factory, problem } = await testShell();
    await app.inject(put('default'));
    const response = await app.inject({ method: 'DELETE', url: '/v1/heaps/default' });
    expect([response.statusCode, response.body]).toEqual([204, '']);
    expect(factory.made[0].closed).toBe(true);
    await problem('heap-not-found', { url: '/v1/heaps/default' });
  });
});
