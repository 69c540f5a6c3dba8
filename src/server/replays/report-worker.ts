/** The thread that writes a report (report.ts says why). */

import '../../threads/loaded.js';
import { closeSync, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { csv } from '../../replay/report/csv.js';
import { reportDocument } from '../../replay/report/document.js';
import { reportHtml } from '../../replay/report/html.js';
import type { SimResult } from '../../replay/result.js';
import type { Evaluated } from '../../replay/whatif/evaluate.js';
import { BusyClock } from '../../threads/busy.js';
import { DamagedError, gone, type Place, readPlaceSync } from './disk.js';
import { CORE, PARTS } from './parts.js';
import type { FromReporter, ReportWorkerData } from './report.js';

const { what, path, cells, clock, ...parts } = workerData as ReportWorkerData;

function run(): FromReporter {
  let fd: number;
  try {
    // At once: a descriptor that is on its way when the thread is ended would stay open.
    fd = openSync(path, 'r');
  } catch (error) {
    return gone(error as NodeJS.ErrnoException);
  }
  try {
    const evaluated: Evaluated[] = [];
    for (const { places, ranges } of cells) {
      const text = (place: Place): string => readPlaceSync(fd, place).toString();
      const result = JSON.parse(`${text(places[CORE])}}`) as Record<string, unknown>;
      for (const part of PARTS) result[part] = JSON.parse(text(places[part]));
      evaluated.push({ result: result as unknown as SimResult, ranges });
    }
    const document = reportDocument({ ...parts, evaluated });
    const written = what.kind === 'html' ? reportHtml(document) : csv([document], what.table);
    return { bytes: new TextEncoder().encode(written) };
  } finally {
    closeSync(fd);
  }
}

function answer(): FromReporter {
  try {
    return run();
  } catch (error) {
    if (error instanceof DamagedError) return { damaged: error.message };
    throw error;
  }
}

new BusyClock(clock).work();
const told = answer();
parentPort?.postMessage(told, 'bytes' in told ? [told.bytes.buffer as ArrayBuffer] : []);
