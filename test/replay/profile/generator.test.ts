import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLASS_TO_SIZE, sizeToClass } from '../../../src/heap/sizeclass.js';
import { generate, ProfileStream, planStream, requestFor } from '../../../src/replay/profile/generator.js';
import { modelFromProfile, modelFromTwo, type RateModel, type SizeRate } from '../../../src/replay/profile/model.js';
import { effort } from '../../helper/effort.js';
import { profile, StreamChecker } from './fixture.js';

/** A model of these sizes and nothing else. */
function modelOf(sizes: SizeRate[], more: Partial<RateModel> = {}): RateModel {
  return { ...modelFromProfile(profile('flate.rate1.pb.gz')), sizes, notes: [], ...more };
}

test.each(['gob', 'flate'])('%s: the stream has exactly the objects of the profile, by size', (name) => {
  const model = modelFromProfile(profile(`${name}.rate1.pb.gz`));
  const stream = new StreamChecker();
  const report = generate(model, stream);
  for (const { size, base, young } of model.sizes) {
    expect(stream.allocated.get(requestFor(size)), `size ${size}`).toBe(Math.round(base + young));
  }
  expect(report.mallocs).toBe(Math.round(model.allocObjects));
  expect(report.events).toBe(stream.events);
  expect(report.streamed).toBe(stream.events);
  expect(report.liveBytes).toBe(stream.liveBytes);
  expect(report.liveObjects).toBe(stream.liveObjects);
  expect(report.format).toBe('pprof');
  expect(report.cannotTell.length).toBeGreaterThan(3);
});

test('the stream of a sampled profile has its bytes to within one object', () => {
  for (const name of ['gob', 'flate']) {
    const model = modelFromProfile(profile(`${name}.rate512k.pb.gz`));
    const stream = new StreamChecker();
    generate(model, stream);
    const bytes = model.sizes.reduce((n, s) => n + (stream.allocated.get(requestFor(s.size)) ?? 0) * s.size, 0);
    expect(Math.abs(bytes - model.allocBytes)).toBeLessThan(model.sizes[model.sizes.length - 1].size);
  }
});

test('one seed, one stream, whatever the steps; another seed, another', () => {
  const model = { ...modelFromProfile(profile('gob.rate512k.pb.gz')), youngLife: 300_000 };
  const hash = (seed: number, step: number): number => {
    const stream = new StreamChecker();
    const s = new ProfileStream(model, stream, { seed, maxEvents: 100_000 });
    while (s.step(step));
    expect(s.step(step)).toBe(false);
    return stream.hash;
  };
  expect(hash(7, 1000)).toBe(hash(7, 33_333));
  expect(hash(7, 1000)).not.toBe(hash(8, 1000));
});

test('what is alive: the base, and youngLife bytes of young objects', () => {
  for (const youngLife of [100_000, 2_000_000]) {
    const model = modelOf(
      [
        { size: 64, base: 5000, growth: 0, young: 200_000 },
        { size: 1024, base: 100, growth: 0, young: 20_000 },
        { size: 16384, base: 0, growth: 0, young: 500 },
      ],
      { youngLife },
    );
    const stream = new StreamChecker();
    generate(model, stream);
    const base = 5000 * 64 + 100 * (1024 - 8);
    // Without the time in which the young are still growing up to their number.
    const mean = stream.liveSum / stream.events - base;
    expect(mean / youngLife).toBeGreaterThan(0.85);
    expect(mean / youngLife).toBeLessThan(1.1);
  }
});

test('without a lifetime the young die at the next allocation', () => {
  const stream = new StreamChecker();
  const report = generate(modelOf([{ size: 48, base: 10, growth: 0, young: 1000 }]), stream);
  expect(report.peakLiveObjects).toBe(11);
  expect(report.slots).toBe(11);
  expect(report.frees).toBe(999);
});

test('growth stays, shrinkage goes, evenly', () => {
  const stream = new StreamChecker();
  const model = modelOf([
    { size: 32, base: 1000, growth: 500, young: 4000 },
    { size: 128, base: 800, growth: -300, young: 4000 },
  ]);
  generate(model, stream);
  const live = stream.live();
  expect(live.filter((size) => size === 32).length).toBeGreaterThanOrEqual(1500);
  expect(live.filter((size) => size === 32).length).toBeLessThanOrEqual(1501);
  expect(live.filter((size) => size === 128).length).toBeGreaterThanOrEqual(500);
  expect(live.filter((size) => size === 128).length).toBeLessThanOrEqual(501);
});

test('two real profiles of one program', () => {
  const model = modelFromTwo(profile('records.first.pb.gz'), profile('records.second.pb.gz'));
  const stream = new StreamChecker();
  const report = generate(model, stream);
  const end = model.baseBytes + model.growthBytes;
  // One young object, the last, is still there.
  const largest = model.sizes[model.sizes.length - 1].size;
  expect(report.liveBytes).toBeGreaterThan(0.99 * end);
  expect(report.liveBytes).toBeLessThan(1.01 * end + largest);
});

test('a model that stands for more is scaled down: in time first', () => {
  const model = modelOf([{ size: 64, base: 1000, growth: 0, young: 1_000_000 }], {
    forced: [0.1, 0.3, 0.5, 0.9].map((at) => ({ at })),
  });
  const plan = planStream(model, { maxEvents: 501_000 });
  expect(plan.heapShare).toBe(1);
  expect(plan.timeShare).toBe(0.25);
  expect(plan.scale).toMatch(/25 % of the interval .* 4\.00 times/);
  expect(plan.forcedAt).toEqual([1000 + 0.5 * 500_000]);
  const stream = new StreamChecker();
  const report = generate(model, stream, { maxEvents: 501_000 });
  expect(report.events).toBeLessThanOrEqual(501_000);
  expect(report.cannotTell.some((s) => s.includes('25 %'))).toBe(true);
  expect(stream.allocated.get(64)).toBe(251_000);
});

test('and in space where the base alone is too much', () => {
  const model = modelOf([{ size: 64, base: 10_000_000, growth: 0, young: 1_000_000 }]);
  const plan = planStream(model, { maxEvents: 100_000 });
  expect(plan.heapShare).toBe(0.005);
  expect(plan.timeShare).toBe(1);
  expect(plan.scale).toMatch(/multiply sizes by 200/);
  expect(generate(model, new StreamChecker(), { maxEvents: 100_000 }).events).toBeLessThanOrEqual(100_000);
});

test('forced collections stand where the log has them', () => {
  const model = modelOf([{ size: 64, base: 1000, growth: 0, young: 10_000 }], {
    forced: [{ at: 0 }, { at: 0.5 }, { at: 1 }],
  });
  expect(planStream(model).forcedAt).toEqual([1000, 11_000, 21_000]);
  const stream = new StreamChecker();
  generate(model, stream);
  // A death and a birth go together, and the last young object lives: one event more or less.
  expect(stream.collections).toHaveLength(3);
  for (const [i, at] of [1000, 11_000, 21_000].entries()) {
    expect(Math.abs(stream.collections[i] - at)).toBeLessThanOrEqual(1);
  }
});

test('a request gets the slot of its size, with pointers or without', () => {
  for (const size of CLASS_TO_SIZE) {
    if (size === 0) continue;
    const request = requestFor(size);
    expect(CLASS_TO_SIZE[sizeToClass(request)], 'without pointers').toBe(size);
    const header = request > 512 ? 8 : 0;
    expect(CLASS_TO_SIZE[sizeToClass(request + header)], 'with pointers').toBe(size);
  }
  expect(requestFor(40960)).toBe(40960);
});

test('slots of eight bytes have pointers', () => {
  const stream = new StreamChecker();
  generate(
    modelOf([
      { size: 8, base: 3, growth: 0, young: 7 },
      { size: 16, base: 1, growth: 0, young: 1 },
    ]),
    stream,
  );
  expect(stream.scan).toBe(10);
});

test('any model makes a stream that keeps the rules, bounded', () => {
  const sizes = fc.uniqueArray(fc.constantFrom(8, 16, 24, 48, 512, 576, 32768, 40960, 1 << 20), { minLength: 1 });
  const rate = fc.record({
    base: fc.double({ min: 0, max: 3000, noNaN: true }),
    growth: fc.double({ min: -500, max: 500, noNaN: true }),
    young: fc.double({ min: 0, max: 3000, noNaN: true }),
  });
  fc.assert(
    fc.property(
      sizes.chain((list) => fc.tuple(...list.map((size) => rate.map((r) => ({ size, ...r }))))),
      fc.integer({ min: 0, max: 1 << 22 }),
      fc.integer(),
      (rates, youngLife, seed) => {
        const stream = new StreamChecker();
        const ordered = [...rates].sort((a, b) => a.size - b.size);
        const report = generate(modelOf(ordered, { youngLife }), stream, { seed, maxEvents: 2000 });
        // Rounding: up to one object a size, each allocated and freed.
        expect(report.events).toBeLessThanOrEqual(2000 + 2 * 3 * rates.length);
        expect(report.liveObjects).toBe(stream.liveObjects);
      },
    ),
    { numRuns: effort(60, 1000) },
  );
});
