// What every method of the paper is to the engine: a sequence of training phases, each from weights that the one before may have made, the last one
// fine-tuning on the user's text. A method says what to train; the engine trains it, validates it, shares the GPU, keeps checkpoints and counts the cost.
import type { ModelConfig } from '../config/modelConfig.ts';
import type { RunConfig } from '../config/runConfig.ts';
import type { RunNotes } from '../config/runRecord.ts';
import type { Gpu } from '../gpu/device.ts';
import type { ParameterTable } from '../model/parameters.ts';
import type { Pack } from '../pack/openPack.ts';
import type { PhaseTeacher, WindowSource } from '../training/phase.ts';

export type PhaseName = 'candidate' | 'pretraining' | 'teacher' | 'fineTuning';

export interface PhaseRequest {
  readonly name: PhaseName;
  readonly model: ModelConfig;
  /** CPU arena to start from. */
  readonly weights: Float32Array;
  /** What it trains on. */
  readonly windows: WindowSource;
  /** The run's settings, with what this phase changes of them. */
  readonly settings: RunConfig;
  /** Whether validations choose the best weights and may end the phase; otherwise the last weights are its result. */
  readonly judged: boolean;
  /** Share of the run's budget at which the phase ends, so that something is left for the ones after it; 1 unless given. */
  readonly upTo?: number;
  readonly teacher?: PhaseTeacher;
}

export interface PhaseOutcome {
  /** CPU arena of the best weights, or the last ones where they were not judged. */
  readonly weights: Float32Array;
  /** Validation loss of these weights, nats per token. */
  readonly validationLoss: number;
  /** Optimizer steps taken: fewer than asked for where the budget ended it. */
  readonly steps: number;
}

export interface MethodContext {
  readonly gpu: Gpu;
  readonly pack: Pack;
  readonly table: ParameterTable;
  /** Of fine-tuning. */
  readonly settings: RunConfig;
  readonly signal: AbortSignal;
  /** The plain small model's weights, read once. */
  plainWeights(): Promise<Float32Array>;
  /** Shares of the training text's windows per cluster [k]. */
  histogram(): Promise<readonly number[]>;
  /** The user's training text from its beginning; every call gives a source of its own. */
  domainWindows(): WindowSource;
  /** What this run noted before it was interrupted: it goes on from the same expert. Empty for a new run. */
  readonly recalled: Pick<RunNotes, 'expert' | 'vector'>;
  /** Adds to what the run's record tells about its start. */
  note(notes: RunNotes): void;
  /** Operations spent on something other than a phase (choosing an expert). */
  spend(cost: { readonly tokens: number; readonly flops: number; readonly seconds: number }): void;
  progress(stage: string, done: number, total: number): void;
}

/** Yields phases and is given their outcomes; ends after the fine-tuning that is the method's result, whose outcome it returns. */
export type MethodPhases = AsyncGenerator<PhaseRequest, PhaseOutcome, PhaseOutcome>;
