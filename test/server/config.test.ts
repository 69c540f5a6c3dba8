import { availableParallelism } from 'node:os';
import { describe, expect, it, test } from 'vitest';
import { ConfigError, loadConfig, VARIABLES } from '../../src/server/config.js';
import {
  configurationMarkdown,
  configWarnings,
  effectiveConfig,
  isLoopback,
  variablesHelp,
} from '../../src/server/config-text.js';

const GiB = 2 ** 30;

describe('loadConfig', () => {
  it('has defaults for everything', () => {
    expect(loadConfig({})).toMatchObject({
      gomaxprocs: Math.min(availableParallelism(), 64),
      gogc: 100,
      gomemlimit: 'off',
      godebug: {},
      host: '127.0.0.1',
      port: 8080,
      authToken: undefined,
      reserve: 4 * GiB,
      arenaSize: 64 * 2 ** 20,
      rateLimit: 'off',
      trustProxy: 'off',
      shutdownGrace: 10_000,
    });
  });

  it('takes an empty variable as absent', () => {
    expect(loadConfig({ GOGC: '', AUTH_TOKEN: '' })).toEqual(loadConfig({}));
  });

  test.each([
    ['GOGC', 'off', 'gogc', 'off'],
    ['GOGC', '-1', 'gogc', 'off'],
    ['GOGC', '0', 'gogc', 0],
    ['GOMEMLIMIT', '512MiB', 'gomemlimit', 2 ** 29],
    ['GOMEMLIMIT', '1000', 'gomemlimit', 1000],
    ['GOMEMLIMIT', 'off', 'gomemlimit', 'off'],
    ['GOMEMLIMIT', '9223372036854775807', 'gomemlimit', 'off'],
    ['GODEBUG', 'gctrace=1,clobberfree=1', 'godebug', { gctrace: '1', clobberfree: '1' }],
    ['GOHEAP_ARENA_SIZE', '4MiB', 'arenaSize', 4 * 2 ** 20],
    ['GOHEAP_RESERVE', '8GiB', 'reserve', 8 * GiB],
    ['RATE_LIMIT', '600', 'rateLimit', 600],
    ['MAX_CONNECTIONS', 'off', 'maxConnections', 'off'],
    ['TRUST_PROXY', '2', 'trustProxy', 2],
    ['SHUTDOWN_GRACE', '1m30s', 'shutdownGrace', 90_000],
    ['HOST', '::', 'host', '::'],
    ['GOHEAP_DATA_DIR', '/var/lib/goheap', 'dataDir', '/var/lib/goheap'],
    ['GOHEAP_REPLAY_UPLOAD', '10GiB', 'replayUpload', 10 * GiB],
    ['GOHEAP_REPLAY_FETCH', 'off', 'replayFetch', 'off'],
    ['GOHEAP_REPLAY_FETCH', 'http://a:80/,https://B', 'replayFetch', ['http://a', 'https://b']],
  ])('%s=%s', (env, text, key, value) => {
    expect(loadConfig({ [env]: text })).toMatchObject({ [key]: value });
  });

  test.each([
    ['GOGC', 'fast'],
    ['GOGC', '12.5'],
    ['GOGC', '2147483648'],
    ['GOMEMLIMIT', '512MB'],
    ['GOMEMLIMIT', '-1'],
    ['GOMAXPROCS', '0'],
    ['GOMAXPROCS', '65'],
    ['GOMAXPROCS', '2 '],
    ['GODEBUG', 'gctrace'],
    ['PORT', '65536'],
    ['PORT', 'http'],
    ['HOST', 'a b'],
    ['LOG_LEVEL', 'loud'],
    ['GOHEAP_ARENA_SIZE', '8MiB'],
    ['GOHEAP_RESERVE', '9GiB'],
    ['GOHEAP_RESERVE', '100MiB'],
    ['GOHEAP_RESERVE', '4MiB'],
    ['RATE_LIMIT', '0'],
    ['SHUTDOWN_GRACE', '10'],
    ['AUTH_TOKEN', 'two words'],
    ['GOHEAP_DATA_DIR', 'a\0b'],
    ['GOHEAP_REPLAYS_KEPT', '0'],
    ['GOHEAP_REPLAY_TIME', '25h'],
    ['GOHEAP_REPLAY_FETCH', 'on'],
    ['GOHEAP_REPLAY_FETCH', 'http://a/debug'],
    ['GOHEAP_REPLAY_FETCH', 'http://user@a'],
    ['GOHEAP_REPLAY_FETCH', 'ftp://a'],
  ])('%s=%j is an error of one line that names the variable', (env, text) => {
    let message = '';
    try {
      loadConfig({ [env]: text });
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      message = (error as Error).message;
    }
    expect(message).toMatch(new RegExp(`^${env} is .*must be`));
    expect(message).not.toContain('\n');
  });

  it('does not print a malformed secret', () => {
    expect(() => loadConfig({ AUTH_TOKEN: 'my secret' })).toThrow(/^AUTH_TOKEN is \(a secret\)/);
  });

  it('lets the default of GOMAXPROCS give way to GOHEAP_MAX_PROCS', () => {
    expect(loadConfig({ GOHEAP_MAX_PROCS: '1' }).gomaxprocs).toBe(1);
  });
});

describe('the texts made from the table', () => {
  it('docs/configuration.md is up to date (vitest -u writes it)', async () => {
    await expect(configurationMarkdown()).toMatchFileSnapshot('../../docs/configuration.md');
  });

  it('--help lists every variable', () => {
    for (const { env } of Object.values(VARIABLES)) expect(variablesHelp()).toContain(`  ${env} `);
  });

  it('the effective configuration has every variable, and no secret', () => {
    const shown = effectiveConfig(loadConfig({ AUTH_TOKEN: 'hunter2', GOMEMLIMIT: '1GiB', GODEBUG: 'gctrace=1' }));
    expect(Object.keys(shown)).toEqual(Object.values(VARIABLES).map(({ env }) => env));
    expect(shown).toMatchObject({ AUTH_TOKEN: '[redacted]', GOMEMLIMIT: '1GiB', GODEBUG: 'gctrace=1' });
    expect(JSON.stringify(shown)).not.toContain('hunter2');
  });
});

describe('warnings', () => {
  it('are none by default, and none on every interface with a token', () => {
    expect(configWarnings(loadConfig({}), {})).toEqual([]);
    expect(configWarnings(loadConfig({ HOST: '0.0.0.0', AUTH_TOKEN: 't' }), {})).toEqual([]);
  });

  it('tell of a server that everyone can reach without a token', () => {
    expect(configWarnings(loadConfig({ HOST: '0.0.0.0' }), {})[0]).toMatch(/0\.0\.0\.0 without AUTH_TOKEN/);
  });

  it('tell of a misspelt variable, but not of those that Kubernetes sets', () => {
    const env = { GOHEAP_RESRVE: '1GiB', GOHEAP_PORT_8080_TCP: 'tcp://10.0.0.1:8080', GOHEAP_SERVICE_HOST: '10.0.0.1' };
    expect(configWarnings(loadConfig(env), env)).toEqual(['unknown variables are ignored: GOHEAP_RESRVE']);
  });

  test.each([
    ['127.0.0.1', true],
    ['127.8.8.8', true],
    ['::1', true],
    ['localhost', true],
    ['0.0.0.0', false],
    ['::', false],
    ['localhost.example.com', false],
  ])('%s is loopback: %s', (host, loopback) => expect(isLoopback(host)).toBe(loopback));
});
