/**
 * The document of a replay: what the CLI prints as JSON, the server answers with, and the report page shows.
 *
 * Made from results alone, by pure functions: no clock, no host, no randomness, so that two runs with the same input give the same bytes. Shapes are
 * stable: fields are added, not changed, under one `version` (docs/replay.md lists them).
 */

import type { IngestReport } from '../events.js';
import type { Overlay } from '../profile/overlay.js';
import { RESULT_VERSION, type ReplayDocument, type SimResult } from '../result.js';
import { type Advice, advise, sentence } from '../whatif/advice.js';
import { cellName, environmentLine, varying } from '../whatif/axes.js';
import { type Comparison, compare } from '../whatif/compare.js';
import type { Evaluated } from '../whatif/evaluate.js';
import type { LimitSearch } from '../whatif/limit.js';
import { type Ranges, rangesOf } from '../whatif/ranges.js';
import { caveats } from './caveats.js';

/** A setting of the grid, beside its result at the same index. */
export interface Cell {
  /** What tells it from the others: "GOGC=100 GOMAXPROCS=4". */
  readonly name: string;
  /** "GOGC=100 GOMEMLIMIT=512MiB". */
  readonly environment: string;
  /** Least and greatest of each number of the headline, over the variations. */
  readonly ranges: Ranges;
  /** Against the base: "GOGC=150 costs +21.0 MiB for −34 % GC CPU"; '' for the base. */
  readonly sentence: string;
}

/** What only a heap profile has. */
export interface ProfileFacts {
  /** Length of the interval in seconds, and its operations; null: not known. */
  readonly seconds: number | null;
  readonly operations: number | null;
  /** As `go test -benchmem` has them; null without a number of operations. */
  readonly bytesPerOperation: number | null;
  readonly objectsPerOperation: number | null;
  /** Part of the interval that is played, and of the objects: 1 is all. */
  readonly timeShare: number;
  readonly heapShare: number;
}

export interface Calibration {
  /** What was measured. */
  readonly benchmark: string;
  /** All costs were multiplied by it. */
  readonly factor: number;
}

export interface ReportDocument extends ReplayDocument {
  /** As many as results, in their order. */
  readonly cells: Cell[];
  /** Simulations of each concurrent setting. */
  readonly variations: number;
  readonly advice: Advice;
  readonly limit: LimitSearch | null;
  /** The program's own gctrace log or MemStats beside the simulation of `overlayCell`. */
  readonly overlay: Overlay | null;
  readonly overlayCell: number | null;
  readonly profile: ProfileFacts | null;
  readonly calibration: Calibration | null;
}

/** Two recordings. */
export interface ComparisonDocument {
  readonly version: typeof RESULT_VERSION;
  readonly documents: [ReportDocument, ReportDocument];
  readonly comparison: Comparison;
}

export interface DocumentParts {
  readonly name: string;
  /** SHA-256 of the recording, hex. */
  readonly hash: string;
  readonly ingest: IngestReport;
  /** The first is the base. */
  readonly evaluated: readonly Evaluated[];
  readonly variations: number;
  readonly limit?: LimitSearch | null;
  readonly overlay?: { readonly overlay: Overlay; readonly cell: number } | null;
  readonly profile?: ProfileFacts | null;
  readonly calibration?: Calibration | null;
}

export function reportDocument(parts: DocumentParts): ReportDocument {
  const { evaluated, ingest } = parts;
  const results = evaluated.map(({ result }) => result);
  const axes = varying(results.map(({ settings }) => settings));
  const candidates = evaluated.map(({ result, ranges }) => ({ name: cellName(result.settings, axes), result, ranges }));
  return {
    version: RESULT_VERSION,
    name: parts.name,
    hash: parts.hash,
    ingest,
    caveats: caveats(ingest),
    variations: parts.variations,
    cells: candidates.map((candidate, i) => ({
      name: candidate.name,
      environment: environmentLine(candidate.result.settings),
      ranges: candidate.ranges,
      sentence: i === 0 ? '' : sentence(candidate, candidates[0]),
    })),
    advice: advise(candidates),
    limit: parts.limit ?? null,
    overlay: parts.overlay?.overlay ?? null,
    overlayCell: parts.overlay?.cell ?? null,
    profile: parts.profile ?? null,
    calibration: parts.calibration ?? null,
    results,
  };
}

/** A document from results of single runs. */
export function documentOfResults(
  name: string,
  hash: string,
  ingest: IngestReport,
  results: readonly SimResult[],
): ReportDocument {
  const evaluated = results.map((result) => ({ result, ranges: rangesOf([result.headline]) }));
  return reportDocument({ name, hash, ingest, evaluated, variations: 1 });
}

export function comparisonDocument(before: ReportDocument, after: ReportDocument): ComparisonDocument {
  return { version: RESULT_VERSION, documents: [before, after], comparison: compare(before, after) };
}
