// The small model and the projector of a pack side by side on the GPU: what choosing and projecting an expert takes.
import type { Gpu } from '../gpu/device.ts';
import type { BatchShape } from '../model/forward.ts';
import type { ParameterTable } from '../model/parameters.ts';
import { Projector } from '../model/projection.ts';
import { SmallModel } from '../model/smallModel.ts';
import { tuneKernels } from '../model/tuneKernels.ts';
import type { Pack } from '../pack/openPack.ts';
import type { WindowSource } from '../training/phase.ts';
import { ComparedText } from './comparedText.ts';
import type { DomainEvidence } from './expertChoice.ts';
import type { MethodContext } from './method.ts';

export interface ProjectionBench {
  readonly model: SmallModel;
  readonly projector: Projector;
}

/** Runs `body` with both, and frees them. `train`: with gradients, as the fitted strategy needs; `recompute`: in less memory (SmallModelOptions). */
export async function withProjector<T>(
  gpu: Gpu, pack: Pack, table: ParameterTable, shape: BatchShape, { train, recompute }: { readonly train: boolean; readonly recompute?: boolean }, body: (bench: ProjectionBench) => Promise<T>,
): Promise<T> {
  await tuneKernels(gpu, pack.model, shape, { train });
  const model = await SmallModel.create(gpu, pack.model, shape, { train, recompute });
  try {
    const projector = await Projector.create(gpu, pack.model, pack.projectedNetwork, table, pack.pn);
    try {
      return await body({ model, projector });
    } finally {
      projector.destroy();
    }
  } finally {
    model.destroy();
  }
}

/** A CPU arena of the projection of `vector` [m]. */
export function projectedWeights({ gpu, pack, table, settings, signal }: MethodContext, vector: readonly number[]): Promise<Float32Array> {
  return withProjector(gpu, pack, table, settings, { train: false }, async ({ model, projector }) => {
    await projector.project(vector, model.weights, signal);
    return model.readWeights();
  });
}

/** What the strategies may look at: training text only, never validation or test. */
export function domainEvidence(pack: Pack, windows: WindowSource, histogram: readonly number[], model: SmallModel): DomainEvidence & { readonly compared: ComparedText } {
  const compared = new ComparedText(windows, model.shape);
  return {
    clusters: pack.clusters,
    histogram,
    compared,
    trainingLoss: (signal) => compared.meanLoss(model, signal),
    fill: (tokens, targets) => windows.next(model.shape.batchSize, tokens, targets),
  };
}
