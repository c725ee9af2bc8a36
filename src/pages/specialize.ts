// The page `npm run specialize` drives in headless Chromium: files come in through its two file inputs (so that large ones are streamed), the
// request through window.specialize, progress goes out through window.reportProgress where the driver has installed it.
import { messageOf } from '../core/invariant.ts';
import { BUNDLED_PACKS } from '../config/bundledPacks.ts';
import type { EngineRequest } from '../config/engineChoice.ts';
import type { RunBudget } from '../config/runBudget.ts';
import type { ExpertStrategy } from '../config/runConfig.ts';
import type { WrittenMethod } from '../config/writtenMethod.ts';
import type { NamedFile } from '../protocol/commands.ts';
import { openEngine } from '../client/engineClient.ts';
import type { EngineLink } from './engineLink.ts';
import type { PreparationRequest } from './preparation.ts';
import { createProgressLines } from './progressLine.ts';
import { race } from './race.ts';
import { isComplete, type RaceReport } from './raceReport.ts';
import { raceSummary } from './raceSummary.ts';
import { specialize, type SpecializeReport } from './specializeRun.ts';

/** What the driver asks for; names stand for the chosen files in the order of each input. */
export interface DrivenRequest {
  readonly dataNames: readonly string[];
  /** Empty: the bundled pack. */
  readonly packNames: readonly string[];
  readonly strategy: ExpertStrategy;
  /** Runs of these methods instead of one with `strategy`. */
  readonly methods?: 'all' | readonly WrittenMethod[];
  /** What each of `methods` may use, instead of steps. */
  readonly budget?: RunBudget;
  readonly steps?: number;
  readonly seed?: number;
  /** Offers the results as downloads: the model, or with `methods` each run as soon as it has ended. */
  readonly exportFiles: boolean;
  readonly requireHardware: boolean;
  readonly engine: EngineRequest;
}

export interface DrivenResult {
  readonly report: SpecializeReport | RaceReport;
  /** Lines to end with, for people. */
  readonly summary: readonly string[];
  /** False when a run failed or its file could not be made; the report says which and why. */
  readonly complete: boolean;
  /** How many downloads were offered. */
  readonly files: number;
}

/** Failures come back as sentences, so that no stack crosses to the terminal. */
export type DrivenOutcome = DrivenResult | { readonly failure: string; /** No GPU device could be opened. */ readonly withoutDevice: boolean };

declare global {
  interface Window {
    specialize(request: DrivenRequest): Promise<DrivenOutcome>;
    reportProgress?(line: string): void;
  }
}

const log = document.querySelector('#progress') as HTMLElement;

function show(line: string): void {
  log.textContent += `${line}\n`;
  window.reportProgress?.(line);
}

function chosenFiles(inputId: string, names: readonly string[]): NamedFile[] {
  const files = (document.querySelector(`#${inputId}`) as HTMLInputElement).files;
  return names.map((path, index) => ({ path, file: files?.item(index) as File }));
}

function offerDownload(file: Blob, fileName: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = fileName;
  link.click();
}

function preparationOf({ packNames, dataNames, requireHardware, engine }: DrivenRequest): PreparationRequest {
  return {
    pack: packNames.length > 0 ? { kind: 'files', files: chosenFiles('pack-files', packNames) } : { kind: 'url', url: new URL(BUNDLED_PACKS[0].address, location.href).href },
    data: chosenFiles('data-files', dataNames).map((named) => ({ kind: 'file', ...named })),
    requireHardware,
    engine,
  };
}

async function specializeOnce(engine: EngineLink, request: DrivenRequest): Promise<DrivenResult> {
  const { strategy, steps, seed, exportFiles } = request;
  const { report, exported } = await specialize(engine, { ...preparationOf(request), strategy, steps, seed, exportModel: exportFiles });
  if (exported) offerDownload(exported.file, exported.fileName);
  return { report, summary: [], complete: true, files: exported ? 1 : 0 };
}

async function raceMethods(engine: EngineLink, methods: NonNullable<DrivenRequest['methods']>, request: DrivenRequest): Promise<DrivenResult> {
  const { budget, steps, seed, exportFiles } = request;
  let files = 0;
  const report = await race(engine, { ...preparationOf(request), methods, budget, steps, seed, exportRuns: exportFiles }, {
    onSkipped: ({ method, lacking }) => show(`${method} is left out: this pack does not have ${lacking}.`),
    onRunFile: ({ file, fileName }) => {
      files++;
      offerDownload(file, fileName);
    },
  });
  return { report, summary: raceSummary(report), complete: isComplete(report), files };
}

window.specialize = async (request) => {
  const engine = openEngine();
  const progressLine = createProgressLines(() => performance.now());
  let withoutDevice = false;
  engine.subscribe((event) => {
    withoutDevice ||= event.type === 'device.unavailable';
    const line = progressLine(event);
    if (line) show(line);
  });
  try {
    return request.methods ? await raceMethods(engine, request.methods, request) : await specializeOnce(engine, request);
  } catch (error) {
    return { failure: messageOf(error), withoutDevice };
  }
};
