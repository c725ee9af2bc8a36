// What a run takes on the GPU, before it starts: the plan itself on a GPU that only counts. And what to change about a run that is too large: fewer windows at
// once with as many more micro-batches, so that a step stays the same step, or recomputed activations.
import type { ModelConfig } from '../config/modelConfig.ts';
import type { RunConfig } from '../config/runConfig.ts';
import { UserError } from '../core/invariant.ts';
import type { Gpu } from '../gpu/device.ts';
import { dryRun } from '../gpu/dryRun.ts';
import { createTrainee, type TeacherShape } from './trainee.ts';

export type MemorySettings = Pick<RunConfig, 'batchSize' | 'gradientAccumulation' | 'recomputeActivations'>;

/** Bytes of GPU memory that training takes: weights, gradients, moments, activations, staging, and a teacher's. @throws UserError when a part is over the adapter's limits */
export async function trainingBytes(gpu: Gpu, model: ModelConfig, settings: RunConfig, teacher?: TeacherShape): Promise<number> {
  const dry = dryRun(gpu);
  await createTrainee(dry.gpu, model, settings, teacher);
  const { maxBufferSize } = gpu.device.limits;
  if (dry.largestBuffer() > maxBufferSize) {
    throw new UserError(`This graphics adapter allows buffers of ${maxBufferSize} bytes, but this run needs one of ${dry.largestBuffer()}.`);
  }
  return dry.gpu.buffers.bytes;
}

/**
 * The mildest change under which `settings` fit, or undefined when none does: the settings themselves, then recomputation, then ever fewer windows at once
 * (same windows per step), each without and with recomputation.
 * @param fits whether the adapter allows so many bytes
 */
export async function fittingSettings(gpu: Gpu, model: ModelConfig, settings: RunConfig, fits: (bytes: number) => Promise<boolean>): Promise<{ settings: RunConfig; bytes: number } | undefined> {
  for (const change of gentlerSettings(settings)) {
    const candidate = { ...settings, ...change };
    const bytes = await trainingBytes(gpu, model, candidate).catch((error: unknown) => {
      if (error instanceof UserError) return undefined;
      throw error;
    });
    if (bytes !== undefined && (await fits(bytes))) return { settings: candidate, bytes };
  }
  return undefined;
}

/** From the settings as they are to one window at a time. The windows of a step stay as many: batch sizes are divisors of their number. */
export function gentlerSettings({ batchSize, gradientAccumulation, recomputeActivations }: MemorySettings): MemorySettings[] {
  const windows = batchSize * gradientAccumulation;
  const batchSizes = Array.from({ length: batchSize }, (_, i) => batchSize - i).filter((size) => windows % size === 0);
  return batchSizes.flatMap((size) =>
    [false, true]
      .filter((recompute) => recompute || !recomputeActivations)
      .map((recompute) => ({ batchSize: size, gradientAccumulation: windows / size, recomputeActivations: recompute })),
  );
}
