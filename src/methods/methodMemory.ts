// What a run of a method has on the GPU at its largest: each thing that it does there, planned on a GPU that only counts. A run does these one after another, so
// the largest is what it needs; runs side by side each need theirs.
import type { MethodChoice } from '../config/method.ts';
import type { ModelConfig } from '../config/modelConfig.ts';
import type { RunConfig } from '../config/runConfig.ts';
import { invariant } from '../core/invariant.ts';
import { BufferScope } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { Readback, readingBytes } from '../gpu/readback.ts';
import { planProjector, planResident, projectedMatrices } from '../model/projectorPlan.ts';
import { SmallModel, type SmallModelOptions } from '../model/smallModel.ts';
import { planTuning } from '../model/tuneKernels.ts';
import type { Pack } from '../pack/openPack.ts';
import { plannedBytes } from '../training/memory.ts';
import { createTrainee, type TeacherShape } from '../training/trainee.ts';
import { RESIDENT_SLICE_BYTES } from './expertChoice.ts';

/** What of a pack decides memory: shapes, and how the slices are stored. */
export interface PackShapes extends Pick<Pack, 'model' | 'projectedNetwork' | 'pn'> {
  /** For the methods that need it. */
  readonly large?: ModelConfig;
}

/** Something that a run does on the GPU, allocated and, but for what passes, left there to be counted. */
type Stage = (gpu: Gpu) => Promise<void>;

/**
 * Bytes of GPU memory; weights on their way back to the CPU, tried kernels and the final test included. Text written by the model while it trains is not.
 * @param choice undefined: weights that are already there are fine-tuned
 * @throws UserError when a part is over the adapter's limits
 */
export async function methodPeakBytes(gpu: Gpu, choice: MethodChoice | undefined, shapes: PackShapes, settings: RunConfig): Promise<number> {
  let peak = 0;
  for (const stage of stagesOf(choice, shapes, settings)) peak = Math.max(peak, await plannedBytes(gpu, stage));
  return peak;
}

function stagesOf(choice: MethodChoice | undefined, shapes: PackShapes, settings: RunConfig): Stage[] {
  const { model } = shapes;
  const fineTuning = trained(model, settings);
  switch (choice?.method) {
    case 'SLM-pn':
      return [...choosing(choice, shapes, settings), projecting(shapes, settings, { train: false }, false), fineTuning];
    case 'SLM-mix':
      return [evaluated(model, settings), fineTuning];
    case 'SLM-d': {
      const large = requireLarge(shapes);
      return [trained(large, settings), trained(model, settings, { model: large, weight: choice.weight, temperature: choice.temperature })];
    }
    case 'LLM':
      return [trained(requireLarge(shapes), settings)];
    default:
      return [fineTuning];
  }
}

function requireLarge({ large }: PackShapes): ModelConfig {
  invariant(large, 'a method with a large model has its shape');
  return large;
}

/** A phase; the evaluator that tests its result afterwards takes less, as it has no gradients. */
function trained(model: ModelConfig, settings: RunConfig, teacher?: TeacherShape): Stage {
  return async (gpu) => {
    planTuning(gpu, model, settings, { train: true });
    const trainee = await createTrainee(gpu, model, settings, teacher);
    // Of the best weights or, for a checkpoint, of a moment.
    planReadingBack(gpu, trainee.model.weights.byteLength);
  };
}

function evaluated(model: ModelConfig, settings: RunConfig): Stage {
  return async (gpu) => void (await SmallModel.create(gpu, model, settings, { train: false }));
}

function choosing({ strategy, cluster }: Extract<MethodChoice, { method: 'SLM-pn' }>, shapes: PackShapes, settings: RunConfig): Stage[] {
  if (cluster !== undefined || (strategy !== 'fitted' && strategy !== 'bestPretrained')) return [];
  return [projecting(shapes, settings, { train: strategy === 'fitted', recompute: settings.recomputeActivations }, true)];
}

/** Model and projector side by side, as projectedExpert.ts has them; `resident`: with all slices kept there. */
function projecting({ model: config, projectedNetwork: { h }, pn }: PackShapes, settings: RunConfig, options: SmallModelOptions, resident: boolean): Stage {
  return async (gpu) => {
    planTuning(gpu, config, settings, options);
    const model = await SmallModel.create(gpu, config, settings, options);
    const matrices = projectedMatrices(config, pn.tensors);
    const { slicesPerRun, gradient } = planProjector(gpu, matrices, h, new BufferScope(gpu.buffers, 'project'));
    if (resident) planResident(matrices, h, slicesPerRun, new BufferScope(gpu.buffers, 'project.resident'), RESIDENT_SLICE_BYTES);
    // With resident slices a vector is looked for, else the projection's weights are wanted.
    planReadingBack(gpu, resident ? gradient.size : model.weights.byteLength);
  };
}

/** The staging of a copy to the CPU; there is one at a time. */
function planReadingBack(gpu: Gpu, bytes: number): void {
  new Readback(gpu, 'readback', readingBytes(gpu, bytes)).destroy();
}
