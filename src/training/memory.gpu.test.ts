// The estimate is what training really takes, to the byte.
import { describe, expect, it } from 'vitest';
import type { ModelConfig } from '../config/modelConfig.ts';
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../config/runConfig.ts';
import { canAllocate } from '../gpu/allocation.ts';
import { WEBASSEMBLY_FEATURE } from '../gpu/pipelines.ts';
import { asHardware, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { rememberStorage } from '../model/chooseStorage.ts';
import { trainingBytes } from './memory.ts';
import { createTrainee } from './trainee.ts';

const MODEL: ModelConfig = { vocabSize: 300, hiddenSize: 32, intermediateSize: 48, numHiddenLayers: 3, numAttentionHeads: 2, headDim: 16, maxPositionEmbeddings: 64, rmsNormEps: 1e-5, ropeTheta: 1e4 };
const SETTINGS: RunConfig = { ...DEFAULT_RUN_CONFIG, batchSize: 4, seqLen: 32 };

describe('memory of a run', () => {
  it.each([{}, { batchSize: 1, seqLen: 64 }, { gradientAccumulation: 3 }, { recomputeActivations: true }])('is counted to the byte before it is allocated: %o', async (change) => {
    const gpu = await testGpu();
    const settings = { ...SETTINGS, ...change };
    const before = gpu.buffers.bytes;
    const estimate = await trainingBytes(gpu, MODEL, settings);
    expect(gpu.buffers.bytes).toBe(before);
    const { model, stepper } = await createTrainee(gpu, MODEL, settings);
    expect(estimate).toBe(gpu.buffers.bytes - before);
    stepper.destroy();
    model.destroy();
    expect(gpu.buffers.bytes).toBe(before);
  });

  it('is counted as it will be stored, and while that is open as what takes more', async () => {
    const gpu = asHardware(await testGpu());
    const before = gpu.buffers.bytes;
    const open = await trainingBytes(gpu, MODEL, SETTINGS);
    const taken: number[] = [];
    for (const storage of ['f32', 'f16'] as const) {
      rememberStorage(gpu, MODEL, SETTINGS, storage);
      const planned = await trainingBytes(gpu, MODEL, SETTINGS);
      const { model, stepper } = await createTrainee(gpu, MODEL, SETTINGS);
      expect(model.storage).toBe(gpu.device.features.has(WEBASSEMBLY_FEATURE) ? 'f32' : storage);
      taken.push(gpu.buffers.bytes - before);
      expect(planned).toBe(taken.at(-1));
      stepper.destroy();
      model.destroy();
    }
    expect(open).toBe(Math.max(...taken));
  });

  it('counts a teacher, too', async () => {
    const gpu = await testGpu();
    const taught = { model: { ...MODEL, hiddenSize: 64, headDim: 32 }, weight: 0.5, temperature: 2 };
    const before = gpu.buffers.bytes;
    const estimate = await trainingBytes(gpu, MODEL, SETTINGS, taught);
    const { model, stepper, teacher } = await createTrainee(gpu, MODEL, SETTINGS, taught);
    expect(estimate).toBe(gpu.buffers.bytes - before);
    expect(estimate).toBeGreaterThan(await trainingBytes(gpu, MODEL, SETTINGS));
    stepper.destroy();
    model.destroy();
    teacher?.destroy();
    expect(gpu.buffers.bytes).toBe(before);
  });

  it('asks the adapter by allocating', async () => {
    const gpu = await testGpu();
    await withoutGpuErrors(gpu, async () => expect(await canAllocate(gpu.device, 3 * 2 ** 20)).toBe(true));
  });
});
