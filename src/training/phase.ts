// One stretch of training: a model from given weights over given windows, validated every so often, with the best weights kept. A run is one phase or
// several (a teacher first, say). It can be put down after any step and taken up again, in another tab session too, as if nothing had happened.
import type { ModelConfig } from '../config/modelConfig.ts';
import type { RunConfig } from '../config/runConfig.ts';
import { invariant } from '../core/invariant.ts';
import type { EvaluationText } from '../data/windows.ts';
import type { Gpu } from '../gpu/device.ts';
import type { DistillationMix } from '../kernels/distillation.ts';
import type { SmallModel } from '../model/smallModel.ts';
import { EarlyStopping, type EarlyStoppingState } from './earlyStopping.ts';
import { evaluateText, type EvaluationResult } from './evaluation.ts';
import type { LossScaleState } from './lossScale.ts';
import type { Moments } from './optimizer.ts';
import { learningRateAt } from './schedule.ts';
import type { StepFigures, Stepper } from './stepper.ts';
import { createTrainee } from './trainee.ts';

/** Endless training windows; what follows a place (windowsConsumed) is always the same. */
export interface WindowSource {
  readonly windowsConsumed: number;
  seek(windowsConsumed: number): void;
  /** Fills tokens and targets [batchSize * seqLen] each. */
  next(batchSize: number, tokens: Uint32Array, targets: Uint32Array): void;
}

/** A fine-tuned large model whose distributions the phase learns from. */
export interface PhaseTeacher extends DistillationMix {
  /** Of the same vocabulary. */
  readonly model: ModelConfig;
  /** CPU arena. */
  readonly weights: Float32Array;
}

export interface PhasePlan {
  readonly model: ModelConfig;
  /** CPU arena to start from. */
  readonly weights: Float32Array;
  readonly windows: WindowSource;
  /** What validations are computed on. */
  readonly validation: EvaluationText;
  readonly settings: RunConfig;
  /** Whether validations choose the best weights and may end the phase; otherwise the last weights are the result. */
  readonly judged: boolean;
  readonly teacher?: PhaseTeacher;
}

/** All that the steps after it depend on. */
export interface PhaseCheckpoint {
  readonly step: number;
  readonly windowsConsumed: number;
  readonly stopping: EarlyStoppingState;
  readonly weights: Float32Array;
  readonly moments: Moments;
  readonly bestWeights: Float32Array;
  /** Where training stores halves. */
  readonly lossScale?: LossScaleState;
}

export interface PhaseStep extends StepFigures {
  readonly step: number;
  readonly learningRate: number;
}

export interface PhaseEvaluation {
  readonly result: EvaluationResult;
  /** Whether it is the best so far. */
  readonly best: boolean;
}

export class Phase {
  stepsTaken = 0;
  private readonly stopping: EarlyStopping;
  private readonly inFlight: { readonly step: number; readonly learningRate: number }[] = [];
  private evaluatedStep: number | undefined;
  private best: { readonly step: number; readonly weights: Float32Array };

  private constructor(readonly plan: PhasePlan, readonly model: SmallModel, private readonly stepper: Stepper, private readonly teacher: SmallModel | undefined) {
    this.stopping = new EarlyStopping(plan.judged ? plan.settings.patience : 0);
    this.best = { step: 0, weights: plan.weights };
  }

  /** @throws UserError when the model does not fit the adapter */
  static async create(gpu: Gpu, plan: PhasePlan, checkpoint?: PhaseCheckpoint): Promise<Phase> {
    const { model, stepper, teacher } = await createTrainee(gpu, plan.model, plan.settings, plan.teacher);
    const phase = new Phase(plan, model, stepper, teacher);
    try {
      await model.loadWeights(checkpoint?.weights ?? plan.weights);
      if (plan.teacher) await teacher?.loadWeights(plan.teacher.weights);
      if (checkpoint) await phase.restore(checkpoint);
    } catch (error) {
      phase.destroy();
      throw error;
    }
    return phase;
  }

  get tokensPerStep(): number {
    return this.stepper.tokensPerStep;
  }

  get isOver(): boolean {
    return this.stepsTaken >= this.plan.settings.steps || this.stopsEarly;
  }

  get stopsEarly(): boolean {
    return this.stopping.shouldStop;
  }

  /** Whether the present weights have been validated. */
  get isEvaluated(): boolean {
    return this.evaluatedStep === this.stepsTaken;
  }

  /** Before the first step, at the configured interval and, once, after the last step. */
  get isEvaluationDue(): boolean {
    if (this.isEvaluated) return false;
    return this.stepsTaken % this.plan.settings.evaluateEvery === 0 || this.isOver;
  }

  get bestStep(): number {
    return this.best.step;
  }

  /** The weights of the best validation so far; where none counts, the plan's own until the phase is over. */
  get bestWeights(): Float32Array {
    return this.best.weights;
  }

  /**
   * Takes the next step. With `ahead`, which says that another will follow if nothing is due before, that one is submitted before this one's figures are waited for;
   * `settle` must come before anything that looks at weights, moments or windows.
   * @throws NotFiniteError as Stepper.receive
   */
  async step({ ahead = false }: { readonly ahead?: boolean } = {}): Promise<PhaseStep> {
    if (this.inFlight.length === 0) this.submit(this.stepsTaken + 1);
    const [{ step, learningRate }] = this.inFlight;
    const { steps, evaluateEvery } = this.plan.settings;
    if (ahead && this.inFlight.length === 1 && step < steps && step % evaluateEvery !== 0) this.submit(step + 1);
    this.inFlight.shift();
    const figures = await this.stepper.receive();
    this.stepsTaken = step;
    return { ...figures, step, learningRate };
  }

  /** The step that was taken ahead, if there is one: afterwards weights and counts are of the same step. @throws NotFiniteError */
  settle(): Promise<PhaseStep> | undefined {
    return this.inFlight.length > 0 ? this.step() : undefined;
  }

  private submit(step: number): void {
    const { settings, windows } = this.plan;
    const learningRate = learningRateAt(step, settings);
    this.stepper.submit(step, learningRate, (tokens, targets) => windows.next(settings.batchSize, tokens, targets));
    this.inFlight.push({ step, learningRate });
  }

  /** Takes `loss` for the present weights' validation loss, where it is known already. @returns whether it is the best so far */
  noteLoss(loss: number): boolean {
    this.evaluatedStep = this.stepsTaken;
    return this.stopping.record(this.stepsTaken, loss);
  }

  /** Validates the present weights. @throws NotFiniteError, or DOMException AbortError on abort */
  async evaluate(signal?: AbortSignal): Promise<PhaseEvaluation> {
    invariant(this.inFlight.length === 0, 'steps are settled before weights are looked at');
    const result = await evaluateText(this.model, this.plan.validation, { signal });
    const best = this.noteLoss(result.loss);
    // On the CPU, so that they outlive a lost device.
    if (this.plan.judged && best && this.stepsTaken > 0) this.best = { step: this.stepsTaken, weights: await this.model.readWeights() };
    return { result, best };
  }

  /** Ends a phase that was not judged: its last weights are its best. */
  async keepLast(): Promise<void> {
    this.best = { step: this.stepsTaken, weights: await this.model.readWeights() };
  }

  async checkpoint(): Promise<PhaseCheckpoint> {
    invariant(this.inFlight.length === 0, 'steps are settled before weights are looked at');
    return {
      step: this.stepsTaken,
      windowsConsumed: this.plan.windows.windowsConsumed,
      stopping: this.stopping.state,
      weights: await this.model.readWeights(),
      moments: await this.stepper.readMoments(),
      bestWeights: this.best.weights,
      lossScale: this.stepper.lossScaleState,
    };
  }

  destroy(): void {
    this.stepper.destroy();
    this.model.destroy();
    this.teacher?.destroy();
  }

  private async restore({ step, windowsConsumed, stopping, moments, bestWeights, lossScale }: PhaseCheckpoint): Promise<void> {
    this.stepsTaken = step;
    this.evaluatedStep = step % this.plan.settings.evaluateEvery === 0 ? step : undefined;
    this.plan.windows.seek(windowsConsumed);
    this.stopping.restore(stopping);
    await this.stepper.loadMoments(moments);
    if (lossScale) this.stepper.restoreLossScale(lossScale);
    this.best = { step: stopping.bestStep, weights: bestWeights };
  }
}
