import { expect, it, test } from 'vitest';
import { testShell } from '../helper/shell.js';

interface Group {
  targets: string[];
  labels: Record<string, string>;
}

it('has the server, and two groups for each heap', async () => {
  const { app } = await testShell({ HOST: '0.0.0.0' });
  for (const name of ['b', 'a']) await app.inject({ method: 'PUT', url: `/v1/heaps/${name}` });
  const response = await app.inject({ url: '/v1/sd', headers: { host: 'goheap:8080' } });
  expect(response.headers['content-type']).toMatch(/^application\/json/);
  const groups = response.json<Group[]>();
  expect(new Set(groups.flatMap(({ targets }) => targets))).toEqual(new Set(['goheap:8080']));
  expect(groups.map(({ labels }) => labels)).toEqual([
    { __metrics_path__: '/metrics', goheap_kind: 'server' },
    { __metrics_path__: '/v1/heaps/a/metrics', heap: 'a', goheap_kind: 'heap' },
    { __metrics_path__: '/v1/heaps/a/metrics/spans', heap: 'a', goheap_kind: 'spans' },
    { __metrics_path__: '/v1/heaps/b/metrics', heap: 'b', goheap_kind: 'heap' },
    { __metrics_path__: '/v1/heaps/b/metrics/spans', heap: 'b', goheap_kind: 'spans' },
  ]);
});

test.each([
  ['[::1]:9000', '[::1]:9000'],
  ['goheap.example.com', 'goheap.example.com'],
  ['a b<script>', '127.0.0.1:8080'],
])('the host %s becomes the target %s', async (host, target) => {
  const { app } = await testShell({ GOHEAP_ALLOWED_HOSTS: 'off' });
  const groups = (await app.inject({ url: '/v1/sd', headers: { host } })).json<Group[]>();
  expect(groups[0].targets).toEqual([target]);
});
