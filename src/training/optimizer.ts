// AdamW (Loshchilov and Hutter, arXiv 1711.05101) over the whole weight arena, block by block, after clipping by the global gradient norm. All per-step numbers are data
// in the model's scalar buffer.
import { invariant } from '../core/invariant.ts';
import { BufferScope, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { settleOps, type Op, type PendingOps } from '../gpu/dispatch.ts';
import { adamw } from '../kernels/adamw.ts';
import { gradientNorm, gradientNormPartials } from '../kernels/gradientNorm.ts';
import { NUM_STEP_SCALARS, packStepScalars, type StepScalarValues } from '../kernels/stepScalars.ts';
import { Arena } from '../model/arena.ts';
import type { SmallModel } from '../model/smallModel.ts';

export interface OptimizerSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
}

/** AdamW's memory as CPU arenas, laid out as the weights; zeros at the start. */
export interface Moments {
  /** Running mean of gradients. */
  readonly first: Float32Array;
  /** Running mean of squared gradients. */
  readonly second: Float32Array;
}

export class Optimizer {
  /** [0] global gradient norm before clipping, [1] the factor gradients were scaled by. */
  readonly norm: BufferView;
  private readonly scalars: { -readonly [Name in keyof StepScalarValues]: number };
  private readonly packedScalars = new Float32Array(NUM_STEP_SCALARS);

  private constructor(
    private readonly gpu: Gpu,
    private readonly model: SmallModel,
    settings: OptimizerSettings,
    /** Clip and update the weights with the gradients accumulated so far; where their norm is not finite, weights and moments stay. */
    readonly ops: readonly Op[],
    norm: BufferView,
    private readonly moments: { readonly first: Arena; readonly second: Arena },
    private readonly scope: BufferScope,
  ) {
    this.norm = norm;
    this.scalars = { ...settings, lossScale: 1, gradientScale: 1, learningRate: 0, step: 1 };
  }

  /** @throws OutOfGpuMemoryError; then nothing stays allocated */
  static async create(gpu: Gpu, model: SmallModel, settings: OptimizerSettings): Promise<Optimizer> {
    const { table, weights, gradients, scalars } = model;
    const scope = new BufferScope(gpu.buffers, 'adamw');
    const m = Arena.create(scope, 'm', table, gpu.device.limits);
    const v = Arena.create(scope, 'v', table, gpu.device.limits);
    const norm = scope.floats('norm', 2);
    const blocksOf = ({ blocks }: Arena): BufferView[] => blocks.map(({ view }) => view);
    const [weightBlocks, gradientBlocks, mBlocks, vBlocks] = [weights, gradients, m, v].map(blocksOf);
    const partials = scope.floats('normPartials', gradientNormPartials(gradientBlocks));
    const ops: PendingOps[] = [gradientNorm(gpu, { gradients: gradientBlocks, partials, norm, scalars })];
    for (const [index, { length, decays }] of weights.blocks.entries()) {
      const views = { weights: weightBlocks[index], gradients: gradientBlocks[index], m: mBlocks[index], v: vBlocks[index], scalars, norm };
      ops.push(adamw(gpu, views, { numFloats: length, decays }));
    }
    const settled = await settleOps(ops);
    await scope.allocatedOrFreed();
    return new Optimizer(gpu, model, settings, settled, norm, { first: m, second: v }, scope);
  }

  /**
   * Writes the numbers of optimizer step `step` (1-based). Call before the step's gradients: the loss scale is among them. Steps that were skipped count, too: AdamW's bias correction is then
   * a little further than its moments are, which makes the steps after it smaller.
   * @param gradientScale what lossScale holds on top of the mean: a power of two, which clipping takes out again
   */
  prepare(step: number, learningRate: number, lossScale: number, gradientScale = 1): void {
    invariant(step >= 1, 'steps count from 1');
    const { scalars, packedScalars, model } = this;
    scalars.step = step;
    scalars.learningRate = learningRate;
    scalars.lossScale = lossScale;
    scalars.gradientScale = gradientScale;
    this.gpu.device.queue.writeBuffer(model.scalars.buffer, model.scalars.offset, packStepScalars(scalars, packedScalars));
  }

  /** Copies of the moments; with the weights and the step's number they are all that the next step depends on. No step may be under way. */
  async readMoments(): Promise<Moments> {
    return { first: await this.moments.first.read(this.gpu), second: await this.moments.second.read(this.gpu) };
  }

  /** Moments laid out as the weights; they must stay as they are until this resolves. */
  async loadMoments({ first, second }: Moments): Promise<void> {
    await this.moments.first.write(this.gpu, first);
    await this.moments.second.write(this.gpu, second);
  }

  destroy(): void {
    this.scope.destroy();
  }
}
