/** The thread that writes a report (report.ts says why). */

import { open } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { csv } from '../../replay/report/csv.js';
import { reportDocument } from '../../replay/report/document.js';
import { reportHtml } from '../../replay/report/html.js';
import type { SimResult } from '../../replay/result.js';
import type { Evaluated } from '../../replay/whatif/evaluate.js';
import { DamagedError, type Place, readPlace } from './disk.js';
import { CORE, PARTS } from './parts.js';
import type { FromReporter, ReportWorkerData } from './report.js';

const { what, path, cells, ...parts } = workerData as ReportWorkerData;

async function run(): Promise<FromReporter> {
  const file = await open(path).catch((error: Error) => {
    throw new DamagedError(error.message);
  });
  try {
    const evaluated: Evaluated[] = [];
    for (const { places, ranges } of cells) {
      const text = async (place: Place): Promise<string> => (await readPlace(file, place)).toString();
      const result = JSON.parse(`${await text(places[CORE])}}`) as Record<string, unknown>;
      for (const part of PARTS) result[part] = JSON.parse(await text(places[part]));
      evaluated.push({ result: result as unknown as SimResult, ranges });
    }
    const document = reportDocument({ ...parts, evaluated });
    const written = what.kind === 'html' ? reportHtml(document) : csv([document], what.table);
    return { bytes: new TextEncoder().encode(written) };
  } catch (error) {
    if (error instanceof DamagedError) return { damaged: error.message };
    throw error;
  } finally {
    await file.close();
  }
}

const answer = await run().catch((error: unknown) => {
  if (error instanceof DamagedError) return { damaged: error.message };
  throw error;
});
parentPort?.postMessage(answer, 'bytes' in answer ? [answer.bytes.buffer as ArrayBuffer] : []);
