// One optimizer step: micro-batches of gradients, clipping, AdamW, and the step's figures read back and checked on the CPU, because WGSL compilers may assume
// that NaN and infinity never occur.
import { IGNORED_TARGET } from '../data/windows.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps, type Op } from '../gpu/dispatch.ts';
import { Readback } from '../gpu/readback.ts';
import type { SmallModel } from '../model/smallModel.ts';
import { Optimizer, type Moments, type OptimizerSettings } from './optimizer.ts';

export interface StepFigures {
  /** Mean nats per target over all micro-batches, before the update. */
  readonly loss: number;
  /** Global gradient norm before clipping. */
  readonly gradientNorm: number;
}

/** Supplies micro-batch after micro-batch: fills tokens and targets, [B * T] each. */
export type FillBatch = (tokens: Uint32Array, targets: Uint32Array) => void;

/** Gradient norm and clip scale, ahead of the losses. */
const NUM_NORMS = 2;

export class NotFiniteError extends Error {
  override name = 'NotFiniteError';
}

interface MicroBatch {
  readonly tokens: Uint32Array;
  readonly targets: Uint32Array;
  /** All that follows once the batch is written; for the last one the update and the way back of the figures, too. */
  readonly ops: readonly Op[];
}

export class Stepper {
  private constructor(
    private readonly gpu: Gpu,
    readonly model: SmallModel,
    private readonly optimizer: Optimizer,
    private readonly microBatches: readonly MicroBatch[],
    private readonly readback: Readback,
    /** As read back: norm, clip scale, losses of every micro-batch. */
    private readonly figures: Float32Array,
  ) {}

  /** @throws OutOfGpuMemoryError; then nothing of it stays allocated */
  static async create(gpu: Gpu, model: SmallModel, settings: OptimizerSettings, gradientAccumulation: number): Promise<Stepper> {
    const optimizer = await Optimizer.create(gpu, model, settings);
    const figures = new Float32Array(NUM_NORMS + model.rows * gradientAccumulation);
    const readback = new Readback(gpu, 'step.figures', figures.byteLength);
    const microBatches = Array.from({ length: gradientAccumulation }, (_, index): MicroBatch => {
      const lossesBack = readback.copyOf(model.losses, (NUM_NORMS + index * model.rows) * 4);
      const updating = index === gradientAccumulation - 1 ? [...optimizer.ops, readback.copyOf(optimizer.norm, 0)] : [];
      return {
        tokens: new Uint32Array(model.rows),
        targets: new Uint32Array(model.rows),
        ops: [...model.gradientOps({ clear: index === 0 }), lossesBack, ...updating],
      };
    });
    const stepper = new Stepper(gpu, model, optimizer, microBatches, readback, figures);
    await stepper.allocated();
    return stepper;
  }

  get tokensPerStep(): number {
    return this.model.rows * this.microBatches.length;
  }

  /** Everything that one step does on the GPU, in order. */
  get ops(): readonly Op[] {
    return this.microBatches.flatMap(({ ops }) => ops);
  }

  /** Runs step `step` (1-based) and waits for the GPU. @throws NotFiniteError when loss or gradient norm is NaN or infinite */
  async step(step: number, learningRate: number, fill: FillBatch): Promise<StepFigures> {
    const numTargets = this.submit(step, learningRate, fill);
    const { figures } = this;
    await this.readback.receive(figures);
    let sum = 0;
    for (let i = NUM_NORMS; i < figures.length; i++) sum += figures[i];
    const loss = sum / numTargets;
    const gradientNorm = figures[0];
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      throw new NotFiniteError(`At step ${step} the ${Number.isFinite(loss) ? 'gradient norm' : 'loss'} is no longer a finite number.`);
    }
    return { loss, gradientNorm };
  }

  /** The JavaScript side of a step: batches written, everything submitted, one command buffer a micro-batch. Returns the number of targets. */
  private submit(step: number, learningRate: number, fill: FillBatch): number {
    const { microBatches, model, optimizer } = this;
    // The mean is over the targets of all micro-batches together, so all of them are filled before the first gradient.
    let numTargets = 0;
    for (const { tokens, targets } of microBatches) {
      fill(tokens, targets);
      for (let row = 0; row < targets.length; row++) if (targets[row] !== IGNORED_TARGET) numTargets++;
    }
    optimizer.prepare(step, learningRate, 1 / numTargets);
    for (const { tokens, targets, ops } of microBatches) {
      model.writeMicroBatch(tokens, targets);
      submitOps(this.gpu, 'step', ops);
    }
    return numTargets;
  }

  readMoments(): Promise<Moments> {
    return this.optimizer.readMoments();
  }

  loadMoments(moments: Moments): void {
    this.optimizer.loadMoments(moments);
  }

  destroy(): void {
    this.optimizer.destroy();
    this.readback.destroy();
  }

  private async allocated(): Promise<void> {
    try {
      await this.readback.allocated();
    } catch (error) {
      this.destroy();
      throw error;
    }
  }
}
