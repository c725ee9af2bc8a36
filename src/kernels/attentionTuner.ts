// Chooses between the ways of attention by measurement: forward and backward together, on the shape that will be trained, once per device and shape. What computes
// other numbers than the streaming kernels is out of the running, however fast.
import { createRandom } from '../core/random.ts';
import { BufferScope, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { submitOps, type DispatchOp } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import {
  attentionBackward, attentionForward, attentionScratchFloats, rememberAttentionVariant, supportedAttentionVariants, type AttentionShape, type AttentionVariant,
} from './attention.ts';
import { differenceFrom } from './gemmTuner.ts';
import { OpTimer } from './opTimer.ts';

export interface AttentionMeasurement {
  readonly variant: AttentionVariant;
  /** One forward and one backward pass: the least of the interleaved rounds. */
  readonly milliseconds: number;
  /** Largest difference of dqkv from the streaming kernels' over its largest value; Infinity when anything is NaN. */
  readonly relativeError: number;
}

const NUMERICS_GATE = 1e-4;
const ROUNDS = 4;

/** Measures the variants of this shape and remembers the fastest that computes the right numbers. Where there is only one, nothing is measured. */
export async function tuneAttention(gpu: Gpu, shape: AttentionShape): Promise<readonly AttentionMeasurement[]> {
  const variants = supportedAttentionVariants(gpu, shape);
  if (variants.length < 2) return [];
  const { B, T, NH, HS } = shape;
  const scope = new BufferScope(gpu.buffers, 'attentionTuner');
  const timer = new OpTimer(gpu);
  try {
    const random = createRandom(T + HS);
    const values = (name: string, length: number): BufferView => scope.upload(name, Float32Array.from({ length }, () => 2 * random.next() - 1));
    const scratchFloats = Math.max(...variants.map((variant) => attentionScratchFloats(gpu, shape, variant)));
    const buffers = {
      qkv: values('qkv', 3 * B * T * NH * HS), dOut: values('dOut', B * T * NH * HS),
      out: scope.floats('out', B * T * NH * HS), lse: scope.floats('lse', B * NH * T), delta: scope.floats('delta', B * NH * T), dQkv: scope.floats('dQkv', 3 * B * T * NH * HS),
      scratch: scope.floats('scratch', scratchFloats), gradientScratch: scope.floats('gradientScratch', scratchFloats),
    };
    await scope.allocated();
    const candidates: { variant: AttentionVariant; ops: readonly DispatchOp[]; relativeError: number; milliseconds: number }[] = [];
    let expected: Float32Array | undefined;
    for (const variant of variants) {
      const ops = [...(await attentionForward(gpu, buffers, shape, variant)), ...(await attentionBackward(gpu, buffers, shape, variant))];
      submitOps(gpu, 'attentionTuner', ops);
      const gradient = await readFloats(gpu, buffers.dQkv);
      expected ??= gradient;
      candidates.push({ variant, ops, relativeError: differenceFrom(expected, gradient), milliseconds: Infinity });
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const candidate of candidates) candidate.milliseconds = Math.min(candidate.milliseconds, await timer.milliseconds(candidate.ops, 1));
    }
    const [best] = candidates.filter(({ relativeError }) => relativeError <= NUMERICS_GATE).sort((a, b) => a.milliseconds - b.milliseconds);
    if (best) rememberAttentionVariant(gpu, shape, best.variant);
    return candidates.map(({ ops: _ops, ...measured }) => measured);
  } finally {
    timer.destroy();
    scope.destroy();
  }
}
