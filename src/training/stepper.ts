// One optimizer step: micro-batches of gradients, clipping, AdamW, and the step's figures read back and checked on the CPU, because WGSL compilers may assume
// that NaN and infinity never occur.
import { IGNORED_TARGET } from '../data/windows.ts';
import { BufferScope, subview, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps } from '../gpu/dispatch.ts';
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

export class NotFiniteError extends Error {
  override name = 'NotFiniteError';
}

export class Stepper {
  private readonly microBatches: readonly { readonly tokens: Uint32Array; readonly targets: Uint32Array }[];

  private constructor(
    private readonly gpu: Gpu,
    readonly model: SmallModel,
    private readonly optimizer: Optimizer,
    gradientAccumulation: number,
    /** [norm, clip scale, losses of every micro-batch] */
    private readonly figures: BufferView,
    private readonly readback: Readback,
    private readonly scope: BufferScope,
  ) {
    this.microBatches = Array.from({ length: gradientAccumulation }, () => ({ tokens: new Uint32Array(model.rows), targets: new Uint32Array(model.rows) }));
  }

  /** @throws OutOfGpuMemoryError; then nothing of it stays allocated */
  static async create(gpu: Gpu, model: SmallModel, settings: OptimizerSettings, gradientAccumulation: number): Promise<Stepper> {
    const optimizer = await Optimizer.create(gpu, model, settings);
    const scope = new BufferScope(gpu.buffers, 'step');
    const figures = scope.floats('figures', 2 + model.rows * gradientAccumulation);
    const stepper = new Stepper(gpu, model, optimizer, gradientAccumulation, figures, new Readback(gpu, 'step.figures', figures.size), scope);
    await stepper.allocated();
    return stepper;
  }

  get tokensPerStep(): number {
    return this.model.rows * this.microBatches.length;
  }

  /** Runs step `step` (1-based) and waits for the GPU. @throws NotFiniteError when loss or gradient norm is NaN or infinite */
  async step(step: number, learningRate: number, fill: FillBatch): Promise<StepFigures> {
    const { model, optimizer, figures } = this;
    // The mean is over the targets of all micro-batches together, so all of them are filled before the first gradient.
    let numTargets = 0;
    for (const { tokens, targets } of this.microBatches) {
      fill(tokens, targets);
      for (let row = 0; row < targets.length; row++) if (targets[row] !== IGNORED_TARGET) numTargets++;
    }
    optimizer.prepare(step, learningRate, 1 / numTargets);
    for (const [index, { tokens, targets }] of this.microBatches.entries()) {
      model.accumulateGradients(tokens, targets, { clear: index === 0 });
      const target = subview(figures, 2 + index * model.rows, model.rows);
      submitOps(this.gpu, 'step.losses', [{ kind: 'copy', label: 'losses', source: model.losses, target }]);
    }
    optimizer.update();
    submitOps(this.gpu, 'step.norm', [{ kind: 'copy', label: 'norm', source: optimizer.norm, target: subview(figures, 0, 2) }]);
    const values = await this.readback.readFloats(figures);
    let sum = 0;
    for (let i = 2; i < values.length; i++) sum += values[i];
    const loss = sum / numTargets;
    const gradientNorm = values[0];
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      throw new NotFiniteError(`At step ${step} the ${Number.isFinite(loss) ? 'gradient norm' : 'loss'} is no longer a finite number.`);
    }
    return { loss, gradientNorm };
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
    this.scope.destroy();
  }

  private async allocated(): Promise<void> {
    try {
      await this.scope.allocated();
      await this.readback.allocated();
    } catch (error) {
      this.destroy();
      throw error;
    }
  }
}
