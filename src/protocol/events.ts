// What an engine tells the window: past tense or state. Every event of a run carries its runId. Everything is structured-cloneable.
// Losses are mean negative log-likelihoods in nats per token; perplexity is exp(loss); bits per byte counts the UTF-8 bytes of the text.
import type { SplitName } from '../config/dataConfig.ts';
import type { OptionalParts } from '../config/method.ts';
import type { ModelConfig, ProjectedNetworkConfig } from '../config/modelConfig.ts';
import type { ExpertStrategy, MemorySettings, RunConfig } from '../config/runConfig.ts';
import type { RunCost, RunRecord } from '../config/runRecord.ts';

export interface AdapterSummary {
  /** What computes: the graphics adapter, or the processor. */
  readonly engine: 'webgpu' | 'wasm';
  /** E.g. "Google SwiftShader", "NVIDIA ampere" or "WebAssembly, 2 threads": never empty. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** True where the processor computes. */
  readonly isFallback: boolean;
  readonly features: readonly string[];
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

/** Why WebAssembly computes although nobody asked for it. */
export interface EngineFallback {
  readonly because: 'noWebGpu' | 'softwareAdapter';
  /** Why there is no WebGPU, as a sentence; or the software adapter's name. */
  readonly reason: string;
}

export interface ClusterSummary {
  readonly index: number;
  readonly label: string;
  readonly topTerms: readonly string[];
  /** Share of the generic set, in [0, 1]. */
  readonly genericShare: number;
  readonly genericTokens: number;
}

export interface PackSummary {
  readonly name: string;
  /** Where it came from: an address, or the dropped folder's name. */
  readonly origin: string;
  readonly model: ModelConfig;
  readonly projectedNetwork: ProjectedNetworkConfig;
  readonly parametersBefore: number;
  readonly parametersAfter: number;
  readonly bytes: number;
  /** Bytes that had to be downloaded this time; 0 when everything was cached. */
  readonly downloadedBytes: number;
  readonly clusters: readonly ClusterSummary[];
  readonly provenance: string;
  /** Optional parts that the pack lists; fetched when a method asks for them. */
  readonly optional: OptionalParts;
  /** Absent when the cache works; a sentence when it does not (quota, private window). */
  readonly cacheWarning?: string;
}

/** A structured file and the fields its text could come from. */
export interface FieldChoice {
  readonly path: string;
  readonly fields: readonly string[];
  readonly chosen: string;
}

export interface SplitSummary {
  readonly documents: number;
  readonly tokens: number;
  readonly bytes: number;
}

export interface HistogramBin {
  /** Inclusive lower and exclusive upper bound, in tokens. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface DataSummary {
  readonly fingerprint: string;
  readonly files: number;
  readonly bytesRead: number;
  readonly documents: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly bytesPerToken: number;
  readonly exactDuplicates: number;
  readonly nearDuplicates: number;
  readonly splits: Readonly<Record<SplitName, SplitSummary>>;
  readonly lengthHistogram: readonly HistogramBin[];
  readonly fields: readonly FieldChoice[];
  readonly encodings: Readonly<Record<string, number>>;
  /** Sentences about what was skipped or is unusual; not errors. */
  readonly warnings: readonly string[];
  readonly seconds: number;
}

export interface DocumentPreview {
  readonly document: number;
  readonly path: string;
  readonly split: SplitName;
  readonly numTokens: number;
  /** Text of each token at the beginning of the document, in order. */
  readonly tokens: readonly string[];
  readonly truncated: boolean;
}

export interface StrategyEstimate {
  readonly strategy: ExpertStrategy;
  readonly cluster?: number;
  /** Loss on the training text it was chosen on, where one was measured. */
  readonly loss?: number;
}

export interface LossFigure {
  /** Mean nats per token. */
  readonly loss: number;
  readonly perplexity: number;
  readonly bitsPerByte: number;
  readonly tokens: number;
}

export type TestedModel = 'slm' | 'projected' | 'fineTuned';

export interface TestFigure extends LossFigure {
  readonly model: TestedModel;
  /** 95% bootstrap interval of perplexity over documents: [low, high]. */
  readonly interval: readonly [number, number];
  /** SHA-256 (hex, first 16 digits) of the weights this row was computed with. */
  readonly weightsHash: string;
  readonly documents: number;
}

/** Settings under which what was too large for the GPU fits, each step staying the same step. */
export interface MemoryOffer {
  readonly settings: MemorySettings;
  /** What did not fit. */
  readonly instead: MemorySettings;
  /** Bytes of GPU memory that it takes then, at most at once. */
  readonly bytes: number;
}

export type TrainState = 'running' | 'paused' | 'finished' | 'failed';
export type FinishReason = 'steps' | 'earlyStopping' | 'stopped';

export type EngineEvent =
  | { readonly type: 'device.ready'; readonly adapter: AdapterSummary; readonly fallback?: EngineFallback }
  | { readonly type: 'device.unavailable'; readonly reason: string }
  | { readonly type: 'device.lost'; readonly reason: string }
  | { readonly type: 'pack.progress'; readonly file: string; readonly bytesLoaded: number; readonly bytesTotal: number; readonly fromCache: boolean }
  | { readonly type: 'pack.loaded'; readonly pack: PackSummary }
  | { readonly type: 'pack.failed'; readonly message: string }
  | { readonly type: 'pack.cacheCleared'; readonly bytes: number }
  | { readonly type: 'data.progress'; readonly stage: 'reading' | 'tokenizing' | 'splitting'; readonly path: string; readonly bytesRead: number; readonly bytesTotal: number; readonly documents: number }
  | { readonly type: 'data.loaded'; readonly data: DataSummary; readonly preview: DocumentPreview }
  | { readonly type: 'data.failed'; readonly message: string; readonly fields?: readonly FieldChoice[] }
  | { readonly type: 'data.cancelled' }
  | { readonly type: 'data.previewed'; readonly preview: DocumentPreview }
  /** Shares of the domain's training windows per cluster. */
  | { readonly type: 'expert.analyzed'; readonly histogram: readonly number[]; readonly windows: number }
  | { readonly type: 'expert.progress'; readonly stage: string; readonly done: number; readonly total: number }
  | { readonly type: 'expert.chosen'; readonly strategy: ExpertStrategy; readonly cluster?: number; readonly overridden: boolean; readonly explanation: string; readonly losses?: readonly number[]; readonly vector: readonly number[]; readonly fittedCurve?: readonly number[] }
  | { readonly type: 'expert.failed'; readonly message: string }
  | { readonly type: 'expert.cancelled' }
  /** Weights are on the device; losses are on the validation documents (at most RunConfig.evaluationTokens of them). */
  | { readonly type: 'model.projected'; readonly weightsHash: string; readonly slm: LossFigure; readonly projected: LossFigure; readonly projectionSeconds: number; readonly bytesRead: number }
  /** `storage`: RunNotes.storage. */
  | { readonly type: 'train.started'; readonly runId: string; readonly config: RunConfig; readonly gpuBytes: number; readonly tokensPerStep: number; readonly storage?: 'f16'; readonly slm: LossFigure; readonly projected: LossFigure }
  /** `gradientNorm`: not a finite number where the step was skipped (StepFigures of training/stepper.ts). */
  | { readonly type: 'train.stepped'; readonly runId: string; readonly step: number; readonly tokens: number; readonly seconds: number; readonly loss: number; readonly gradientNorm: number; readonly learningRate: number; readonly tokensPerSecond: number; readonly gpuBytes: number }
  | { readonly type: 'train.evaluated'; readonly runId: string; readonly step: number; readonly tokens: number; readonly seconds: number; readonly validation: LossFigure; readonly best: boolean }
  | { readonly type: 'train.state'; readonly runId: string; readonly state: TrainState }
  | { readonly type: 'train.finished'; readonly runId: string; readonly reason: FinishReason; readonly step: number; readonly bestStep: number; readonly seconds: number }
  /** `keptStep`: the step whose weights, the best so far, the engine still holds; absent when there are none. `offer`: where it failed for want of memory and gentler settings fit. */
  | { readonly type: 'train.failed'; readonly runId: string; readonly message: string; readonly keptStep?: number; readonly offer?: MemoryOffer }
  | { readonly type: 'test.progress'; readonly runId: string; readonly model: TestedModel; readonly tokensDone: number; readonly tokensTotal: number }
  | { readonly type: 'test.evaluated'; readonly runId: string; readonly figures: readonly TestFigure[] }
  /** What a group of tokens adds to a sample's text; `tokens` counts all so far. */
  | { readonly type: 'sample.text'; readonly sampleId: string; readonly model: 'projected' | 'fineTuned'; readonly text: string; readonly tokens: number }
  | { readonly type: 'sample.finished'; readonly sampleId: string; readonly model: 'projected' | 'fineTuned'; readonly tokens: number; readonly tokensPerSecond: number }
  | { readonly type: 'sample.failed'; readonly sampleId: string; readonly message: string }
  | { readonly type: 'model.exported'; readonly runId: string; readonly file: Blob; readonly fileName: string }
  | { readonly type: 'model.exportFailed'; readonly runId: string; readonly message: string }
  /** All runs kept in this browser, the newest first, and what they take. */
  | { readonly type: 'runs.listed'; readonly runs: readonly RunRecord[]; readonly bytes: number; readonly availableBytes?: number }
  /** A run was added, went on to another state or phase, was validated, tested or renamed: its whole record. */
  | { readonly type: 'run.changed'; readonly run: RunRecord }
  | { readonly type: 'run.progress'; readonly runId: string; readonly stage: string; readonly done: number; readonly total: number }
  | { readonly type: 'run.stepped'; readonly runId: string; readonly step: number; readonly loss: number; readonly learningRate: number; readonly tokensPerSecond: number; readonly cost: RunCost; readonly gpuBytes: number }
  | { readonly type: 'run.deleted'; readonly runId: string }
  | { readonly type: 'run.exported'; readonly runId: string; readonly file: Blob; readonly fileName: string }
  /** Bytes of GPU memory at most at once, or one sentence on why this adapter cannot hold it. */
  | { readonly type: 'memory.estimated'; readonly of: 'run' | 'race'; readonly bytes?: number; readonly problem?: string }
  /** The kernels of the run that was last estimated are compiled: its first step will wait for none. Or one sentence on why not; a run started all the same tells what it means. */
  | { readonly type: 'kernels.prepared'; readonly seconds?: number; readonly problem?: string }
  /** A request about runs that could not be met, or something that could not be stored: one sentence. Runs that go on go on. */
  | { readonly type: 'runs.failed'; readonly message: string; readonly runId?: string; readonly refused?: RefusedRuns }
  /** A command that made no sense in the present state, or a bug: one sentence. */
  | { readonly type: 'engine.failed'; readonly command: string; readonly message: string };

/** Runs that were not begun, or could not go on, for want of GPU memory. */
export interface RefusedRuns {
  readonly runIds: readonly string[];
  /** Absent where no settings fit. */
  readonly offer?: MemoryOffer;
}

export type EngineEventType = EngineEvent['type'];
export type EventOf<T extends EngineEventType> = Extract<EngineEvent, { type: T }>;
