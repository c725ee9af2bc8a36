// The whole of specialization as one sequence of engine commands: open, pack, data, expert, projection, training, test figures, export.
// It drives the same engine as the studio through the same letterbox; any failure event ends it with that event's sentence.
import { UserError } from '../core/invariant.ts';
import { invalidRunField, type ExpertStrategy } from '../config/runConfig.ts';
import type { EngineEvent, EngineEventType, EventOf, TestFigure } from '../protocol/events.ts';
import { ask, type EngineLink } from './engineLink.ts';
import { prepare, reportedData, runConfigFor, type AskedSettings, type PreparationRequest, type ReportedData } from './preparation.ts';
import { trainingCurve, type CurvePoint } from './trainingCurve.ts';

export interface SpecializeRequest extends PreparationRequest, AskedSettings {
  readonly strategy: ExpertStrategy;
  readonly exportModel: boolean;
}

/** What the command line prints; perplexities are on the test documents. */
export interface SpecializeReport {
  readonly adapter: string;
  readonly data: ReportedData;
  /** `chosen` is null for strategies that blend or fit a vector instead of taking one cluster's. */
  readonly clusters: { readonly histogram: readonly number[]; readonly chosen: number | null; readonly strategy: ExpertStrategy };
  readonly perplexity: { readonly slm: number; readonly projected: number; readonly fineTuned: number };
  readonly curve: readonly CurvePoint[];
  /** Training tokens per second over all steps, without evaluations. */
  readonly tokensPerSecond: number;
  /** From opening the engine to the last test figure. */
  readonly seconds: number;
}

export interface SpecializeOutcome {
  readonly report: SpecializeReport;
  readonly exported?: { readonly file: Blob; readonly fileName: string };
}

/** Part of the exported file's name. */
const RUN_ID = 'cli';

function perplexityOf(figures: readonly TestFigure[], model: TestFigure['model']): number {
  const figure = figures.find((candidate) => candidate.model === model);
  if (!figure) throw new UserError(`The engine gave no test figure for ${model}.`);
  return figure.perplexity;
}

/**
 * Runs the whole sequence. Sends engine.open first, so the engine must be fresh.
 * @throws UserError with one sentence when any part fails
 */
export async function specialize(engine: EngineLink, request: SpecializeRequest): Promise<SpecializeOutcome> {
  const started = performance.now();
  const { adapter, pack, data } = await prepare(engine, request);
  const { histogram } = await ask(engine, { type: 'expert.analyze' }, 'expert.analyzed');

  const config = runConfigFor(pack, data, request);
  const invalid = invalidRunField(config);
  if (invalid) throw new UserError(invalid);

  const recorded: EngineEvent[] = [];
  const stopRecording = engine.subscribe((event) => {
    if (event.type.startsWith('train.') || event.type === 'expert.chosen') recorded.push(event);
  });
  const recordedOf = <T extends EngineEventType>(type: T): EventOf<T>[] => recorded.filter((event): event is EventOf<T> => event.type === type);

  await ask(engine, { type: 'expert.project', choice: { strategy: request.strategy } }, 'model.projected');
  // The engine evaluates the test documents by itself when a run ends.
  const { figures } = await ask(engine, { type: 'train.start', runId: RUN_ID, config }, 'test.evaluated');
  stopRecording();
  const lastStep = recordedOf('train.stepped').at(-1);

  const report: SpecializeReport = {
    adapter: adapter.name,
    data: reportedData(data),
    clusters: { histogram, chosen: recordedOf('expert.chosen')[0]?.cluster ?? null, strategy: request.strategy },
    perplexity: { slm: perplexityOf(figures, 'slm'), projected: perplexityOf(figures, 'projected'), fineTuned: perplexityOf(figures, 'fineTuned') },
    curve: trainingCurve(recordedOf('train.started')[0], recordedOf('train.stepped'), recordedOf('train.evaluated')),
    tokensPerSecond: lastStep ? lastStep.tokens / lastStep.seconds : 0,
    seconds: (performance.now() - started) / 1000,
  };
  if (!request.exportModel) return { report };
  const { file, fileName } = await ask(engine, { type: 'model.export', runId: RUN_ID }, 'model.exported');
  return { report, exported: { file, fileName } };
}
