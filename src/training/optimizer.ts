// AdamW (Loshchilov and Hutter, arXiv 1711.05101) over the whole weight arena, after clipping by the global gradient norm. All per-step numbers are data
// in the model's scalar buffer.
import { invariant } from '../core/invariant.ts';
import { BINDING_ALIGNMENT_FLOATS, BufferScope, subview, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { settleOps, type Op, type PendingOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { adamw } from '../kernels/adamw.ts';
import { gradientNorm, gradientNormPartials } from '../kernels/gradientNorm.ts';
import { NUM_STEP_SCALARS, packStepScalars, type StepScalarValues } from '../kernels/stepScalars.ts';
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
    /** Clip and update the weights with the gradients accumulated so far. */
    readonly ops: readonly Op[],
    norm: BufferView,
    private readonly moments: { readonly first: BufferView; readonly second: BufferView },
    private readonly scope: BufferScope,
  ) {
    this.norm = norm;
    this.scalars = { ...settings, lossScale: 1, learningRate: 0, step: 1 };
  }

  /** @throws OutOfGpuMemoryError; then nothing stays allocated */
  static async create(gpu: Gpu, model: SmallModel, settings: OptimizerSettings): Promise<Optimizer> {
    const { table, weights, gradients, scalars } = model;
    const scope = new BufferScope(gpu.buffers, 'adamw');
    const m = scope.floats('m', table.length);
    const v = scope.floats('v', table.length);
    const norm = scope.floats('norm', 2);
    const ranges = bindableRanges(table.length, table.decayLength, gpu.device.limits.maxStorageBufferBindingSize);
    const segments = ranges.map(({ first, count }) => subview(gradients, first, count));
    const partials = scope.floats('normPartials', gradientNormPartials(segments));
    const ops: PendingOps[] = [gradientNorm(gpu, { gradients: segments, partials, norm, scalars })];
    for (const { first, count, decays } of ranges) {
      const part = (view: BufferView): BufferView => subview(view, first, count);
      ops.push(adamw(gpu, { weights: part(weights), gradients: part(gradients), m: part(m), v: part(v), scalars, norm }, { numFloats: count, decays }));
    }
    const settled = await settleOps(ops);
    await scope.allocatedOrFreed();
    return new Optimizer(gpu, model, settings, settled, norm, { first: m, second: v }, scope);
  }

  /** Writes the numbers of optimizer step `step` (1-based). Call before the step's gradients: the loss scale is among them. */
  prepare(step: number, learningRate: number, lossScale: number): void {
    invariant(step >= 1, 'steps count from 1');
    const { scalars, packedScalars, model } = this;
    scalars.step = step;
    scalars.learningRate = learningRate;
    scalars.lossScale = lossScale;
    this.gpu.device.queue.writeBuffer(model.scalars.buffer, model.scalars.offset, packStepScalars(scalars, packedScalars));
  }

  /** Copies of the moments; with the weights and the step's number they are all that the next step depends on. */
  async readMoments(): Promise<Moments> {
    return { first: await readFloats(this.gpu, this.moments.first), second: await readFloats(this.gpu, this.moments.second) };
  }

  loadMoments({ first, second }: Moments): void {
    for (const [view, values] of [[this.moments.first, first], [this.moments.second, second]] as const) {
      invariant(values.byteLength === view.size, 'moments have the length of the weights');
      this.gpu.device.queue.writeBuffer(view.buffer, view.offset, values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
    }
  }

  destroy(): void {
    this.scope.destroy();
  }
}

interface BindableRange {
  readonly first: number;
  readonly count: number;
  readonly decays: boolean;
}

/** Cuts an arena where decay ends and where a binding would grow past the adapter's limit (in bytes). */
export function bindableRanges(length: number, decayLength: number, maxBindingBytes: number): BindableRange[] {
  const most = Math.floor(maxBindingBytes / 4 / BINDING_ALIGNMENT_FLOATS) * BINDING_ALIGNMENT_FLOATS;
  const ranges: BindableRange[] = [];
  const cut = (from: number, to: number, decays: boolean): void => {
    for (let first = from; first < to; first += most) ranges.push({ first, count: Math.min(most, to - first), decays });
  };
  cut(0, decayLength, true);
  cut(decayLength, length, false);
  return ranges;
}
