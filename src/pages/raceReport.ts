// What the command line prints of a race, made from the runs' records alone. What is kept per test document stays in the run files: the figures can be computed
// again from those.
import { methodTable, type MethodRow } from '../comparison/methodTable.ts';
import type { MethodName } from '../config/method.ts';
import type { RunRecord, RunTestFigure } from '../config/runRecord.ts';
import type { AdapterSummary, DataSummary } from '../protocol/events.ts';
import { reportedData, type ReportedData } from './preparation.ts';

export type ReportedFigure = Omit<RunTestFigure, 'documentNats' | 'documentTokens'>;

/** A run's record (method with its options, settings, budget, curve, phases, cost, hashes, notes, error) with its test figures. */
export interface ReportedRun extends Omit<RunRecord, 'formatVersion' | 'samples' | 'test'> {
  readonly test?: { readonly before?: ReportedFigure; readonly after: ReportedFigure };
  /** Why its file was not saved, where it should have been: one sentence. */
  readonly saveError?: string;
}

export interface ReportedRow extends Omit<MethodRow, 'before' | 'after'> {
  readonly before?: ReportedFigure;
  readonly after: ReportedFigure;
}

export interface SkippedMethod {
  readonly method: MethodName;
  /** What the pack does not have, as a few words. */
  readonly lacking: string;
}

/** Perplexities are on the test documents. */
export interface RaceReport {
  readonly adapter: string;
  readonly data: ReportedData;
  /** In the order they were asked for. */
  readonly runs: readonly ReportedRun[];
  readonly skipped: readonly SkippedMethod[];
  /** The runs that have test figures, in the paper's order. */
  readonly table: readonly ReportedRow[];
  readonly conclusion: string;
  /** From opening the engine to the last run's file. */
  readonly seconds: number;
}

export interface RaceOutcome {
  readonly adapter: AdapterSummary;
  readonly data: DataSummary;
  readonly runs: readonly RunRecord[];
  readonly skipped: readonly SkippedMethod[];
  /** Sentence by run whose file could not be made. */
  readonly unsaved: ReadonlyMap<string, string>;
  readonly seconds: number;
}

export function raceReport({ adapter, data, runs, skipped, unsaved, seconds }: RaceOutcome): RaceReport {
  const { rows, conclusion } = methodTable(runs);
  return {
    adapter: adapter.name,
    data: reportedData(data),
    runs: runs.map((run) => reportedRun(run, unsaved.get(run.runId))),
    skipped,
    table: rows.map((row) => ({ ...row, before: row.before && reportedFigure(row.before), after: reportedFigure(row.after) })),
    conclusion,
    seconds,
  };
}

/** Whether every run finished and, where they were to be, all were saved. */
export const isComplete = ({ runs }: RaceReport): boolean => runs.every(({ state, saveError }) => state === 'finished' && saveError === undefined);

function reportedRun({ formatVersion: _version, samples: _samples, test, ...run }: RunRecord, saveError: string | undefined): ReportedRun {
  return {
    ...run,
    ...(test ? { test: { before: test.before && reportedFigure(test.before), after: reportedFigure(test.after) } } : {}),
    ...(saveError === undefined ? {} : { saveError }),
  };
}

const reportedFigure = ({ documentNats: _nats, documentTokens: _tokens, ...figure }: RunTestFigure): ReportedFigure => figure;
