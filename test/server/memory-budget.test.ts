import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/server/config.js';
import { M_BYTES, MemoryBudget, memoryOfContainer, PROCESS_BYTES } from '../../src/server/memory-budget.js';
import { Problem } from '../../src/server/problem.js';

const GiB = 2 ** 30;
const none = { procs: 0, starting: 0, committed: 0 };

describe('memoryOfContainer', () => {
  it('is the limit of the container where there is one, else what the machine has', () => {
    expect(memoryOfContainer(GiB, 8 * GiB)).toBe(GiB);
    // How Node says that there is no limit, by version.
    for (const no of [0, 2 ** 64, 2 ** 63, 9 * GiB]) expect(memoryOfContainer(no, 8 * GiB)).toBe(8 * GiB);
  });

  it('is the default of GOHEAP_MEMORY, which overrides it', () => {
    expect(loadConfig({}).memory).toBe(memoryOfContainer());
    expect(loadConfig({ GOHEAP_MEMORY: '512MiB' }).memory).toBe(512 * 2 ** 20);
    expect(() => loadConfig({ GOHEAP_MEMORY: '1MiB' })).toThrow('GOHEAP_MEMORY');
  });
});

describe('MemoryBudget', () => {
  const limit = PROCESS_BYTES + 10 * M_BYTES;
  const budget = (rss = 0, otherThreads = 0) => new MemoryBudget({ limit, otherThreads, rss: () => rss });

  function problem(work: () => void): Problem {
    try {
      work();
    } catch (error) {
      if (error instanceof Problem) return error;
      throw error;
    }
    throw new Error('was admitted');
  }

  it('admits what fits exactly, and refuses one more with the figures', () => {
    budget().admit(10, none);
    const refused = problem(() => budget().admit(11, none));
    expect(refused.code).toBe('no-memory-for-threads');
    expect(refused.members).toMatchObject({
      field: 'gomaxprocs',
      allowed: 'at most 10 at present',
      limit,
      needed: 11 * M_BYTES,
      available: 10 * M_BYTES,
    });
    expect(refused.message).toContain('11 threads need about 132MiB, and 120MiB of the 240MiB');
  });

  it.each([
    ['threads of heaps that run', { ...none, procs: 4 }, 6],
    ['threads of heaps that start', { ...none, starting: 4 }, 6],
    ['both', { ...none, procs: 3, starting: 4 }, 3],
    ['memory that heaps have taken', { ...none, committed: M_BYTES * 2.5 }, 7],
    ['more than there is', { procs: 9, starting: 9, committed: GiB }, 0],
  ])('counts %s', (_what, held, left) => {
    if (left > 0) budget().admit(left, held);
    expect(problem(() => budget().admit(left + 1, held)).members.available).toBeGreaterThanOrEqual(left * M_BYTES);
  });

  it('counts the threads of replays', () => {
    budget(0, 3).admit(7, none);
    expect(problem(() => budget(0, 3).admit(8, none)).members.available).toBe(7 * M_BYTES);
  });

  it('believes the system where it says that more is in use, and adds what only starts', () => {
    const used = PROCESS_BYTES + 6 * M_BYTES;
    budget(used).admit(4, { ...none, procs: 2 });
    expect(problem(() => budget(used).admit(5, { ...none, procs: 2 })).members.available).toBe(4 * M_BYTES);
    expect(problem(() => budget(used).admit(4, { ...none, starting: 1 })).members.available).toBe(3 * M_BYTES);
  });
});
