/** The thread that turns a heap profile into an event stream (profile.ts says why). */

import '../../threads/loaded.js';
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { calibrateFromMemStats } from '../../replay/profile/calibrate.js';
import { ProfileStream } from '../../replay/profile/generator.js';
import { modelFromProfile, perOperation, suggestedSettings } from '../../replay/profile/model.js';
import { readProfile } from '../../replay/profile/read.js';
import { inputError, TraceWriter } from '../../replay/store.js';
import { BusyClock } from '../../threads/busy.js';
import type { FromProfiler, ProfileWorkerData } from './profile.js';

const STEP = 1 << 20;

function run({ handle, bytes, seconds, operations, maxEvents, clock }: ProfileWorkerData): FromProfiler {
  new BusyClock(clock).work();
  const writer = new TraceWriter(handle);
  try {
    const profile = readProfile(bytes);
    const plain = modelFromProfile(profile, { seconds, operations });
    // The text form ends with the program's MemStats, which say how often it collected.
    const { memStats } = profile;
    const model = memStats === null || memStats === undefined ? plain : calibrateFromMemStats(plain, memStats);
    const stream = new ProfileStream(model, writer, { maxEvents });
    while (stream.step(STEP)) {}
    writer.complete(stream.report);
    const each = perOperation(model);
    // What was told of the profile makes another stream: it belongs to what the recording is known by.
    const hash = createHash('sha256').update(bytes);
    if (seconds !== undefined || operations !== undefined) hash.update(JSON.stringify({ seconds, operations }));
    return {
      parsed: { report: stream.report, hash: hash.digest('hex') },
      profiled: {
        suggested: suggestedSettings(model),
        facts: {
          seconds: model.seconds,
          operations: model.operations,
          bytesPerOperation: each?.bytes ?? null,
          objectsPerOperation: each?.objects ?? null,
          timeShare: stream.plan.timeShare,
          heapShare: stream.plan.heapShare,
        },
      },
    };
  } catch (error) {
    writer.fail(error);
    const { code, message } = inputError(error);
    return { code, message };
  }
}

parentPort?.postMessage(run(workerData as ProfileWorkerData));
