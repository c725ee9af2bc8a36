// One optimizer step: micro-batches of gradients, clipping, AdamW, and the step's figures read back and checked on the CPU, because WGSL compilers may assume
// that NaN and infinity never occur. Where a model stores halves, a step whose gradients overflow is skipped (kernels/adamw.wgsl) and the loss scale halved.
import { invariant } from '../core/invariant.ts';
import { IGNORED_TARGET } from '../data/windows.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps, type Op } from '../gpu/dispatch.ts';
import { Readback } from '../gpu/readback.ts';
import type { SmallModel } from '../model/smallModel.ts';
import { LossScale, type LossScaleState } from './lossScale.ts';
import { Optimizer, type Moments, type OptimizerSettings } from './optimizer.ts';

export interface StepFigures {
  /** Mean nats per target over all micro-batches, before the update. */
  readonly loss: number;
  /** Global gradient norm before clipping. Infinity or NaN where the step was skipped, because a gradient was too large for a half: weights and moments are as they were. */
  readonly gradientNorm: number;
}

/** Supplies micro-batch after micro-batch: fills tokens and targets, [B * T] each. */
export type FillBatch = (tokens: Uint32Array, targets: Uint32Array) => void;

/** Gradient norm and clip scale, ahead of the losses. */
const NUM_NORMS = 2;

export class NotFiniteError extends Error {
  override name = 'NotFiniteError';
}

/** Steps that may be on their way to the GPU at once: one that it computes and one that waits for it, so that it never waits for JavaScript. */
const MAX_IN_FLIGHT = 2;

interface MicroBatch {
  readonly tokens: Uint32Array;
  readonly targets: Uint32Array;
}

/** Where the figures of a step land; steps in flight have one each. */
interface Lane {
  readonly readback: Readback;
  /** Per micro-batch, all that follows once it is written; after the last one the update and the way back of the figures, too. */
  readonly ops: readonly (readonly Op[])[];
}

export class Stepper {
  /** As read back: norm, clip scale, losses of every micro-batch. */
  private readonly figures: Float32Array;
  private readonly microBatches: readonly MicroBatch[];
  private submitted = 0;
  private received = 0;
  /** Where gradients are stored as halves. */
  private readonly lossScale: LossScale | undefined;
  /** Per lane, the step that was submitted to it, its number of targets and its loss scale. */
  private readonly stepOf = new Float64Array(MAX_IN_FLIGHT);
  private readonly targetsOf = new Float64Array(MAX_IN_FLIGHT);
  private readonly scaleOf = new Float64Array(MAX_IN_FLIGHT);

  private constructor(private readonly gpu: Gpu, readonly model: SmallModel, private readonly optimizer: Optimizer, private readonly lanes: readonly Lane[]) {
    const numMicroBatches = lanes[0].ops.length;
    this.lossScale = model.storage === 'f16' ? new LossScale() : undefined;
    this.figures = new Float32Array(NUM_NORMS + model.rows * numMicroBatches);
    this.microBatches = Array.from({ length: numMicroBatches }, () => ({ tokens: new Uint32Array(model.rows), targets: new Uint32Array(model.rows) }));
  }

  /** @throws OutOfGpuMemoryError; then nothing of it stays allocated */
  static async create(gpu: Gpu, model: SmallModel, settings: OptimizerSettings, gradientAccumulation: number): Promise<Stepper> {
    const optimizer = await Optimizer.create(gpu, model, settings);
    const lanes = Array.from({ length: MAX_IN_FLIGHT }, (_, lane) => {
      const readback = new Readback(gpu, `step.figures.${lane}`, 4 * (NUM_NORMS + model.rows * gradientAccumulation));
      return { readback, ops: planMicroBatches(model, optimizer, readback, gradientAccumulation) };
    });
    const stepper = new Stepper(gpu, model, optimizer, lanes);
    await stepper.allocated();
    return stepper;
  }

  get tokensPerStep(): number {
    return this.model.rows * this.microBatches.length;
  }

  /** Everything that one step does on the GPU, in order. */
  get ops(): readonly Op[] {
    return this.lanes[0].ops.flat();
  }

  /** Runs step `step` (1-based) and waits for the GPU. @throws as receive */
  step(step: number, learningRate: number, fill: FillBatch): Promise<StepFigures> {
    this.submit(step, learningRate, fill);
    return this.receive();
  }

  /** The JavaScript side of a step: batches written, everything submitted, one command buffer a micro-batch. `receive` gives its figures; at most two steps may be in flight. */
  submit(step: number, learningRate: number, fill: FillBatch): void {
    invariant(this.submitted - this.received < MAX_IN_FLIGHT, `no more than ${MAX_IN_FLIGHT} steps are in flight`);
    const { microBatches, model, optimizer } = this;
    // The mean is over the targets of all micro-batches together, so all of them are filled before the first gradient.
    let numTargets = 0;
    for (const { tokens, targets } of microBatches) {
      fill(tokens, targets);
      for (let row = 0; row < targets.length; row++) if (targets[row] !== IGNORED_TARGET) numTargets++;
    }
    const scale = this.lossScale?.forStep(numTargets) ?? 1;
    optimizer.prepare(step, learningRate, scale / numTargets, scale);
    const lane = this.submitted++ % MAX_IN_FLIGHT;
    for (let index = 0; index < microBatches.length; index++) {
      model.writeMicroBatch(microBatches[index].tokens, microBatches[index].targets);
      submitOps(this.gpu, 'step', this.lanes[lane].ops[index]);
    }
    this.stepOf[lane] = step;
    this.targetsOf[lane] = numTargets;
    this.scaleOf[lane] = scale;
  }

  /** Waits for the oldest step in flight. @throws NotFiniteError when its loss is NaN or infinite, or its gradient norm for another reason than the loss scale */
  async receive(): Promise<StepFigures> {
    invariant(this.received < this.submitted, 'a step is in flight');
    const { figures } = this;
    const lane = this.received++ % MAX_IN_FLIGHT;
    await this.lanes[lane].readback.receive(figures);
    let sum = 0;
    for (let i = NUM_NORMS; i < figures.length; i++) sum += figures[i];
    const loss = sum / this.targetsOf[lane];
    const gradientNorm = figures[0];
    if (!Number.isFinite(loss)) throw new NotFiniteError(`At step ${this.stepOf[lane]} the loss is no longer a finite number${this.lossScale ? ' (stored in 16 bits; ?without=halfStorage stores 32)' : ''}.`);
    this.noteGradients(lane, Number.isFinite(gradientNorm));
    return { loss, gradientNorm };
  }

  /** What the loss scale is at; absent where there is none, and before the first step. */
  get lossScaleState(): LossScaleState | undefined {
    return this.lossScale?.state;
  }

  /** Goes on from such a state, where there is a loss scale. */
  restoreLossScale(state: LossScaleState): void {
    this.lossScale?.restore(state);
  }

  readMoments(): Promise<Moments> {
    return this.optimizer.readMoments();
  }

  loadMoments(moments: Moments): Promise<void> {
    return this.optimizer.loadMoments(moments);
  }

  destroy(): void {
    this.optimizer.destroy();
    for (const { readback } of this.lanes) readback.destroy();
  }

  private noteGradients(lane: number, areFinite: boolean): void {
    const { lossScale } = this;
    const scale = this.scaleOf[lane];
    if (areFinite) return lossScale?.succeeded(scale);
    if (!lossScale) throw new NotFiniteError(`At step ${this.stepOf[lane]} the gradient norm is no longer a finite number.`);
    if (!lossScale.overflowed(scale)) throw new NotFiniteError(`At step ${this.stepOf[lane]} the gradients are too large to be stored in 16 bits (?without=halfStorage stores 32).`);
  }

  private async allocated(): Promise<void> {
    try {
      for (const { readback } of this.lanes) await readback.allocated();
    } catch (error) {
      this.destroy();
      throw error;
    }
  }
}

function planMicroBatches(model: SmallModel, optimizer: Optimizer, readback: Readback, count: number): Op[][] {
  return Array.from({ length: count }, (_, index) => {
    const lossesBack = readback.copyOf(model.losses, (NUM_NORMS + index * model.rows) * 4);
    const updating = index === count - 1 ? [...optimizer.ops, readback.copyOf(optimizer.norm, 0)] : [];
    return [...model.gradientOps({ clear: index === 0 }), lossesBack, ...updating];
  });
}
