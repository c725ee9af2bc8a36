// Global gradient norm and clip scale, computed and left on the GPU: AdamW reads them from `norm`, the CPU reads them back beside the loss.
import { ceilDivide, roundUp } from '../core/tensor.ts';
import { BINDING_ALIGNMENT_FLOATS, subview, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, type DispatchOp } from '../gpu/dispatch.ts';
import shader from './gradientNorm.wgsl?raw';
import { STEP_SCALARS_WGSL } from './stepScalars.ts';
import { lastLanes, wholeVectors } from './wholeVectors.ts';

const VECTORS_PER_PARTIAL = 64;
/** Bounds the work of the one workgroup that adds the partials up. */
const MAX_PARTIALS_PER_SEGMENT = 16_384;

export interface GradientNormViews {
  /** Segments that together are all gradients; sizes in whole floats. */
  readonly gradients: readonly BufferView[];
  /** Scratch of gradientNormPartials(gradients) floats. */
  readonly partials: BufferView;
  /** Step scalars; clipNorm and inverseGradientScale are read. */
  readonly scalars: BufferView;
  /** Written: [0] the norm of the gradients over gradientScale, [1] min(1, clipNorm / norm) / gradientScale. */
  readonly norm: BufferView;
}

/** Partials of a segment: a multiple of the alignment, since each segment's partials are bound as a range of their own. */
function segmentPartials(segment: BufferView): number {
  const vectors = ceilDivide(segment.size / 4, 4);
  return Math.min(MAX_PARTIALS_PER_SEGMENT, roundUp(ceilDivide(vectors, VECTORS_PER_PARTIAL), BINDING_ALIGNMENT_FLOATS));
}

/** Floats of scratch that gradientNorm needs for these segments. */
export function gradientNormPartials(gradients: readonly BufferView[]): number {
  return gradients.reduce((sum, segment) => sum + segmentPartials(segment), 0);
}

/** One dispatch per segment and one that finishes, in this order. NaN or infinity in a gradient shows in norm[0] (check it on the CPU). */
export function gradientNorm(gpu: Gpu, { gradients, partials, scalars, norm }: GradientNormViews): Promise<DispatchOp[]> {
  const wgsl = shader + STEP_SCALARS_WGSL;
  let first = 0;
  const squares = gradients.map((segment) => {
    const count = segmentPartials(segment);
    const target = subview(partials, first, count);
    first += count;
    const numFloats = segment.size / 4;
    return createDispatch(
      gpu,
      {
        label: 'gradientNorm.squares', wgsl, entryPoint: 'squares', constants: { LAST_LANES: lastLanes(numFloats) },
        software: { kernel: 'gradientSquares', items: count, args: [numFloats, roundUp(ceilDivide(numFloats, count), 4)] },
      },
      [wholeVectors(segment, numFloats), target],
      [count / 64],
    );
  });
  const finish = createDispatch(
    gpu,
    { label: 'gradientNorm.finish', wgsl, entryPoint: 'finish', constants: { NUM_PARTIALS: first }, software: { kernel: 'gradientFinish', items: 1, args: [first] } },
    [subview(partials, 0, first), scalars, norm],
    [1],
  );
  return Promise.all([...squares, finish]);
}
