// The whole of specialization as one sequence of engine commands: open, pack, data, expert, projection, training, test figures, export.
// It drives the same engine as the studio through the same letterbox; any failure event ends it with that event's sentence.
import { UserError } from '../core/invariant.ts';
import { DEFAULT_DATA_CONFIG } from '../config/dataConfig.ts';
import { DEFAULT_RUN_CONFIG, invalidRunField, presetForTokens, type ExpertStrategy, type RunConfig } from '../config/runConfig.ts';
import type { DataSource, EngineCommand, PackSource } from '../protocol/commands.ts';
import type { DataSummary, EngineEvent, EngineEventType, EventOf, PackSummary, TestFigure } from '../protocol/events.ts';
import { trainingCurve, type CurvePoint } from './trainingCurve.ts';

/** The side of an engine client this needs. */
export interface EngineLink {
  send(command: EngineCommand): void;
  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: EngineEvent) => void): () => void;
}

export interface SpecializeRequest {
  readonly pack: PackSource;
  readonly data: readonly DataSource[];
  readonly strategy: ExpertStrategy;
  /** Absent: the preset's for this amount of text. */
  readonly steps?: number;
  readonly seed?: number;
  readonly exportModel: boolean;
  /** Fails on an adapter that runs on the CPU. */
  readonly requireHardware: boolean;
}

/** What the command line prints; perplexities are on the test documents. */
export interface SpecializeReport {
  readonly adapter: string;
  readonly data: { readonly documents: number; readonly tokens: { readonly train: number; readonly validation: number; readonly test: number } };
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
/** Window length where the model's context allows it. */
const PREFERRED_SEQUENCE_LENGTH = 128;

/** The sentence of an event that ends the sequence, or undefined. */
function failureOf(event: EngineEvent): string | undefined {
  switch (event.type) {
    case 'device.unavailable': return event.reason;
    case 'device.lost': return `The GPU was lost: ${event.reason}`;
    case 'pack.failed':
    case 'data.failed':
    case 'expert.failed':
    case 'train.failed':
    case 'model.exportFailed':
    case 'engine.failed': return event.message;
    default: return undefined;
  }
}

/** Sends a command and resolves with the first event of type `answer`. @throws UserError with the engine's sentence on failure */
function ask<T extends EngineEventType>(engine: EngineLink, command: EngineCommand, answer: T): Promise<EventOf<T>> {
  return new Promise((resolve, reject) => {
    const unsubscribe = engine.subscribe((event) => {
      const failure = failureOf(event);
      if (failure === undefined && event.type !== answer) return;
      unsubscribe();
      if (failure === undefined) resolve(event as EventOf<T>);
      else reject(new UserError(failure));
    });
    engine.send(command);
  });
}

/** The run for this pack and data: defaults, the preset for the amount of training text, then what was asked for. */
export function runConfigFor(pack: PackSummary, data: DataSummary, asked: { readonly steps?: number; readonly seed?: number }): RunConfig {
  const preset = { ...DEFAULT_RUN_CONFIG, ...presetForTokens(data.splits.train.tokens).config };
  const steps = asked.steps ?? preset.steps;
  return {
    ...preset,
    steps,
    seed: asked.seed ?? preset.seed,
    seqLen: Math.min(PREFERRED_SEQUENCE_LENGTH, pack.model.maxPositionEmbeddings),
    // A run shorter than the preset's interval is still evaluated once.
    evaluateEvery: Math.min(preset.evaluateEvery, steps),
  };
}

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
  const { adapter } = await ask(engine, { type: 'engine.open' }, 'device.ready');
  if (request.requireHardware && adapter.isFallback) throw new UserError(`This browser offers no hardware adapter for WebGPU, only ${adapter.name}.`);
  const { pack } = await ask(engine, { type: 'pack.load', source: request.pack }, 'pack.loaded');
  const { data } = await ask(engine, { type: 'data.load', sources: request.data, config: DEFAULT_DATA_CONFIG }, 'data.loaded');
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
    data: { documents: data.documents, tokens: { train: data.splits.train.tokens, validation: data.splits.validation.tokens, test: data.splits.test.tokens } },
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
