// Everything on the GPU that trains one model: the model, its optimizer step and, where it is taught, the teacher beside it.
import type { ModelConfig } from '../config/modelConfig.ts';
import type { RunConfig } from '../config/runConfig.ts';
import type { Gpu } from '../gpu/device.ts';
import type { DistillationMix } from '../kernels/distillation.ts';
import { chosenStorage, tuneStorage } from '../model/chooseStorage.ts';
import { SmallModel } from '../model/smallModel.ts';
import { tuneKernels } from '../model/tuneKernels.ts';
import { Stepper } from './stepper.ts';

export interface Trainee {
  readonly model: SmallModel;
  readonly stepper: Stepper;
  /** Destroyed after the model that it teaches. */
  readonly teacher?: SmallModel;
}

export interface TeacherShape extends DistillationMix {
  readonly model: ModelConfig;
}

/** Measures what createTrainee chooses by, where that is not known yet: before it is called, since a plan keeps what it was made with. */
export async function tuneTrainee(gpu: Gpu, config: ModelConfig, settings: RunConfig): Promise<void> {
  await tuneKernels(gpu, config, settings, { train: true });
  await tuneStorage(gpu, config, settings);
}

/** Weights are not loaded yet. @throws UserError when something does not fit the adapter; then nothing stays allocated */
export async function createTrainee(gpu: Gpu, config: ModelConfig, settings: RunConfig, taught?: TeacherShape): Promise<Trainee> {
  const { batchSize, seqLen, recomputeActivations, gradientAccumulation } = settings;
  const shape = { batchSize, seqLen };
  const teacher = taught && (await SmallModel.create(gpu, taught.model, shape, { train: false }));
  let model: SmallModel | undefined;
  try {
    const lesson = taught && teacher ? { model: teacher, weight: taught.weight, temperature: taught.temperature } : undefined;
    model = await SmallModel.create(gpu, config, shape, { train: true, recompute: recomputeActivations, teacher: lesson, storage: chosenStorage(gpu, config, settings) });
    return { model, stepper: await Stepper.create(gpu, model, settings, gradientAccumulation), teacher };
  } catch (error) {
    model?.destroy();
    teacher?.destroy();
    throw error;
  }
}
