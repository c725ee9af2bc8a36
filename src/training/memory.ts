// What a plan takes on the GPU, before it is made: the plan itself on a GPU that only counts. And what to change about a run that is too large: fewer windows at
// once with as many more micro-batches, so that a step stays the same step, or recomputed activations.
import type { ModelConfig } from '../config/modelConfig.ts';
import { RUN_RANGES, type MemorySettings, type RunConfig } from '../config/runConfig.ts';
import { formatBytes } from '../core/format.ts';
import { UserError } from '../core/invariant.ts';
import type { Gpu } from '../gpu/device.ts';
import { dryRun } from '../gpu/dryRun.ts';
import { createTrainee, type TeacherShape } from './trainee.ts';

/** Bytes of GPU memory that `plan` has in use at most at once when it allocates on the GPU it is given. @throws UserError when a part is over the adapter's limits */
export async function plannedBytes(gpu: Gpu, plan: (dry: Gpu) => Promise<unknown>): Promise<number> {
  const dry = dryRun(gpu);
  await plan(dry.gpu);
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
  if (dry.largestBuffer() > maxBufferSize) {
    throw new UserError(`This graphics adapter allows buffers of ${formatBytes(maxBufferSize)}, but this run needs one of ${formatBytes(dry.largestBuffer())}.`);
  }
  if (dry.largestBinding() > maxStorageBufferBindingSize) {
    throw new UserError(`This graphics adapter binds at most ${formatBytes(maxStorageBufferBindingSize)} at once, but this run needs ${formatBytes(dry.largestBinding())}.`);
  }
  return dry.gpu.buffers.peakBytes;
}

/** Bytes of GPU memory that training takes: weights, gradients, moments, activations, staging, and a teacher's; stored as it is chosen now (model/chooseStorage.ts). @throws UserError when a part is over the adapter's limits */
export function trainingBytes(gpu: Gpu, model: ModelConfig, settings: RunConfig, teacher?: TeacherShape): Promise<number> {
  return plannedBytes(gpu, (dry) => createTrainee(dry, model, settings, teacher));
}

export interface FittingSettings {
  readonly settings: MemorySettings;
  readonly bytes: number;
}

/**
 * The mildest of these settings under which a run fits, or undefined when none is.
 * @param candidates from the mildest on
 * @param bytesOf bytes of GPU memory under such settings; a UserError says that some part is over the adapter's limits
 * @param fits whether the adapter allows so many bytes
 */
export async function firstFitting(candidates: readonly MemorySettings[], bytesOf: (settings: MemorySettings) => Promise<number>, fits: (bytes: number) => Promise<boolean>): Promise<FittingSettings | undefined> {
  for (const settings of candidates) {
    const bytes = await bytesOf(settings).catch((error: unknown) => {
      if (error instanceof UserError) return undefined;
      throw error;
    });
    if (bytes !== undefined && (await fits(bytes))) return { settings, bytes };
  }
  return undefined;
}

/** From the settings as they are to one window at a time, each batch size without and with recomputation. The windows of a step stay as many: batch sizes are divisors of their number. */
export function gentlerSettings({ batchSize, gradientAccumulation, recomputeActivations }: MemorySettings): MemorySettings[] {
  const windows = batchSize * gradientAccumulation;
  const batchSizes = Array.from({ length: batchSize }, (_, i) => batchSize - i).filter((size) => windows % size === 0 && windows / size <= RUN_RANGES.gradientAccumulation.max);
  return batchSizes.flatMap((size) =>
    [false, true]
      .filter((recompute) => recompute || !recomputeActivations)
      .map((recompute) => ({ batchSize: size, gradientAccumulation: windows / size, recomputeActivations: recompute })),
  );
}

/** A run's settings with at most as many windows at once as `limit` has, and recomputation where it recomputes; its steps stay the same steps. */
export function withinMemory(settings: RunConfig, limit: MemorySettings): RunConfig {
  const recomputeActivations = settings.recomputeActivations || limit.recomputeActivations;
  const gentler = gentlerSettings({ ...settings, recomputeActivations }).find(({ batchSize }) => batchSize <= limit.batchSize);
  return { ...settings, recomputeActivations, ...gentler };
}
