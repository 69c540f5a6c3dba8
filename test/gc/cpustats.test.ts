/** The CPU classes on a clock that the test turns: they add up, never fall, and tell sleep while it lasts. */

import { describe, expect, it } from 'vitest';
import { beginWait, type CpuStats, cpuStats, endWait, waitedNs } from '../../src/gc/cpustats.js';
import { CYCLE_AT, Y_PAUSE_CPU_NS } from '../../src/gc/state.js';
import { Heap, T_ASSIST_NS, T_DEDICATED_NS, T_FRACTIONAL_NS, T_IDLE_NS } from '../../src/heap/heap.js';

const MS = 1e6;
const SECOND = 1e9;

function newSim(procs: number) {
  const h = Heap.create({ reserve: 64 << 20, arenaSize: 64 << 20, procs });
  const sim = { h, at: MS };
  h.now = () => sim.at;
  return sim;
}

/** As the collector records a pause of all Ps. */
function pause(sim: { h: Heap; at: number }, ns: number): void {
  sim.at += ns;
  sim.h.f[sim.h.pacer + CYCLE_AT + Y_PAUSE_CPU_NS] += ns * sim.h.ps.length;
}

function expectSums(c: CpuStats): void {
  expect(c.gc).toBe(c.assist + c.dedicated + c.idleMark + c.pause);
  expect(c.scavenge).toBe(c.scavengeAssist + c.scavengeBackground);
  expect(c.total).toBe(c.gc + c.scavenge + c.idle + c.user);
  for (const ns of Object.values(c)) expect(Number.isSafeInteger(ns) && ns >= 0).toBe(true);
}

describe('sleep', () => {
  it('is counted while it lasts', () => {
    const sim = newSim(2);
    const [p, q] = sim.h.ps;
    beginWait(sim.h, p);
    sim.at += 3600 * SECOND;
    expect(waitedNs(sim.h)).toBe(3600 * SECOND);
    endWait(sim.h, p);
    expect(waitedNs(sim.h)).toBe(3600 * SECOND);
    sim.at += SECOND;
    beginWait(sim.h, p);
    beginWait(sim.h, q);
    sim.at += SECOND;
    expect(waitedNs(sim.h)).toBe(3602 * SECOND);
    const c = cpuStats(sim.h);
    expectSums(c);
    expect([c.total, c.idle]).toEqual([2 * sim.at, 3602 * SECOND]);
  });

  it('is not counted in pauses, which are the time of the collector on every P', () => {
    const sim = newSim(4);
    for (const p of sim.h.ps.slice(1)) beginWait(sim.h, p);
    // Nearly nothing but pauses: counted twice, they would be more than there is.
    for (let i = 0; i < 100; i++) {
      pause(sim, 9 * MS);
      sim.at += MS;
    }
    expect(waitedNs(sim.h)).toBe(3 * 100 * MS);
    for (const p of sim.h.ps.slice(1)) endWait(sim.h, p);
    const c = cpuStats(sim.h);
    expectSums(c);
    expect(c).toMatchObject({ pause: 4 * 900 * MS, idle: 300 * MS, user: 4 * MS + 100 * MS, total: 4 * sim.at });
  });

  it('ends when another thread replaces one that died asleep', () => {
    const sim = newSim(1);
    const [p] = sim.h.ps;
    endWait(sim.h, p);
    expect(waitedNs(sim.h)).toBe(0);
    beginWait(sim.h, p);
    sim.at += SECOND;
    endWait(sim.h, p);
    endWait(sim.h, p);
    sim.at += SECOND;
    expect(waitedNs(sim.h)).toBe(SECOND);
  });
});

describe('the classes', () => {
  it('have fractional workers with the dedicated ones, as in Go', () => {
    const sim = newSim(2);
    sim.at += SECOND;
    sim.h.ps[0].count(T_DEDICATED_NS, 3 * MS);
    sim.h.ps[1].count(T_FRACTIONAL_NS, 4 * MS);
    sim.h.ps[1].count(T_ASSIST_NS, MS / 3);
    sim.h.ps[1].count(T_IDLE_NS, 2 * MS);
    const c = cpuStats(sim.h);
    expectSums(c);
    expect(c).toMatchObject({ dedicated: 7 * MS, assist: 333_333, idleMark: 2 * MS, total: 2 * sim.at });
  });

  it('never fall, though what is counted late was user time before', () => {
    const sim = newSim(1);
    sim.at += SECOND;
    const before = cpuStats(sim.h);
    expect(before.user).toBe(SECOND + MS);
    // A slice that had begun long before that reading.
    sim.at += MS;
    sim.h.ps[0].count(T_DEDICATED_NS, 5 * MS);
    const after = cpuStats(sim.h);
    expectSums(after);
    expect([after.user, after.total]).toEqual([before.user, before.user + 5 * MS]);
    expect(after.total).toBeGreaterThan(sim.at);
    sim.at += SECOND;
    expect(cpuStats(sim.h)).toMatchObject({ total: sim.at, user: sim.at - 5 * MS });
  });
});
