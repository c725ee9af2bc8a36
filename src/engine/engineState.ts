// What the engine holds between commands. Later things hang on earlier ones: a new pack forgets the data, new data forget the expert.
import { UserError } from '../core/invariant.ts';
import type { ChoiceOf } from '../config/method.ts';
import type { RunConfig } from '../config/runConfig.ts';
import type { Corpus } from '../data/corpus.ts';
import type { LoadedCorpus } from '../data/loadCorpus.ts';
import type { CorpusSplit } from '../data/split.ts';
import type { DocumentEncoder } from '../clusters/documentEncoder.ts';
import type { Gpu } from '../gpu/device.ts';
import type { ChosenExpert } from '../methods/expertChoice.ts';
import type { ParameterTable } from '../model/parameters.ts';
import type { Pack } from '../pack/openPack.ts';
import type { DataSummary, EngineEvent, FinishReason, LossFigure, TestFigure } from '../protocol/events.ts';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import type { Generator } from '../model/generation.ts';
import type { RunControl } from './runControl.ts';
import type { KeptRun } from './runKeeper.ts';
import type { Spent } from './runRecorder.ts';

export type Emit = (event: EngineEvent) => void;

export interface LoadedPack {
  readonly pack: Pack;
  readonly tokenizer: TextTokenizer;
  readonly table: ParameterTable;
}

export interface LoadedData {
  readonly loaded: LoadedCorpus;
  readonly corpus: Corpus;
  readonly split: CorpusSplit;
  readonly summary: DataSummary;
}

export interface Histogram {
  readonly shares: readonly number[];
  readonly windows: number;
}

/** The projected weights that runs start from. */
export interface Projection {
  readonly expert: ChosenExpert;
  /** Shares of the training windows per cluster. */
  readonly histogram: readonly number[];
  /** CPU arena. */
  readonly weights: Float32Array;
  readonly weightsHash: string;
  /** As a method of runs that are kept: the expert it was made from, and what choosing it cost. */
  readonly choice: ChoiceOf<'SLM-pn'>;
  readonly cost: Spent;
}

export type SampledModel = 'projected' | 'fineTuned';

/** A model that speaks, kept between samples. */
export interface Speaker {
  readonly model: SampledModel;
  /** The CPU arena it was made from; tells whether it is still the right one. */
  readonly weights: Float32Array;
  readonly generator: Generator;
}

export interface CurvePoint {
  readonly step: number;
  /** Mean training loss since the evaluation before; absent at step 0. */
  readonly train?: number;
  readonly validation: LossFigure;
}

export interface Run {
  readonly runId: string;
  readonly config: RunConfig;
  readonly adapterName: string;
  readonly projection: Projection;
  readonly data: LoadedData;
  readonly control: RunControl;
  /** Kept in this browser, so that it survives the tab. */
  readonly kept: KeptRun;
  readonly curve: CurvePoint[];
  readonly tokensPerStep: number;
  stepsTaken: number;
  /** Time spent in training steps: not in validations, not in pauses. */
  seconds: number;
  /** Why it ended; absent while it goes on and after a failure. */
  reason?: FinishReason;
  /** Best weights so far on validation (CPU arena); the projected weights before the first evaluation. */
  best: { step: number; weights: Float32Array };
  figures?: readonly TestFigure[];
}

export class EngineState {
  gpu: Gpu | undefined;
  loaded: LoadedPack | undefined;
  data: LoadedData | undefined;
  encoder: DocumentEncoder | undefined;
  histogram: Histogram | undefined;
  projection: Projection | undefined;
  run: Run | undefined;
  speakers: readonly Speaker[] = [];
  /** Losses already computed, by weights, data and window shape. */
  readonly lossCache = new Map<string, LossFigure>();
  slmWeights: Float32Array | undefined;
  /** Runs that go on side by side (runsDesk.ts). */
  activeRuns = 0;
  /** Aborts what is under way, per kind of task. */
  readonly running = new Map<string, AbortController>();

  constructor(readonly emit: Emit) {}

  requireGpu(): Gpu {
    if (!this.gpu) throw new UserError('This needs WebGPU or WebAssembly with SIMD, and this browser offers neither.');
    return this.gpu;
  }

  requirePack(): LoadedPack {
    if (!this.loaded) throw new UserError('Load a pack first.');
    return this.loaded;
  }

  requireData(): LoadedData {
    if (!this.data) throw new UserError('Load some text first.');
    return this.data;
  }

  requireProjection(): Projection {
    if (!this.projection) throw new UserError('Project an expert first.');
    return this.projection;
  }

  requireRun(runId: string): Run {
    if (this.run?.runId !== runId) throw new UserError('That run is not the present one.');
    return this.run;
  }

  get isTraining(): boolean {
    return this.run !== undefined && !this.run.control.ended;
  }

  /** Whether anything trains: then pack and text must stay. */
  get isBusy(): boolean {
    return this.isTraining || this.activeRuns > 0;
  }

  forgetPack(): void {
    this.forgetData();
    this.loaded = undefined;
    this.slmWeights = undefined;
    void this.encoder?.release();
    this.encoder = undefined;
  }

  forgetData(): void {
    this.forgetProjection();
    this.data = undefined;
    this.histogram = undefined;
    this.lossCache.clear();
  }

  forgetProjection(): void {
    this.projection = undefined;
    this.run = undefined;
    this.forgetSpeakers();
  }

  forgetSpeakers(): void {
    for (const { generator } of this.speakers) generator.destroy();
    this.speakers = [];
  }
}
