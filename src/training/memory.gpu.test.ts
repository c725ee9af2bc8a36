// The estimate is what training really takes, and the offer for a run that is too large fits and takes the same step.
import { describe, expect, it } from 'vitest';
import type { ModelConfig } from '../config/modelConfig.ts';
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../config/runConfig.ts';
import { canAllocate } from '../gpu/allocation.ts';
import { testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { fittingSettings, gentlerSettings, trainingBytes } from './memory.ts';
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

  it('offers the mildest change that fits', async () => {
    const gpu = await testGpu();
    const asked: number[] = [];
    const under = (limit: number) => async (bytes: number): Promise<boolean> => {
      asked.push(bytes);
      return bytes <= limit;
    };
    const whole = await trainingBytes(gpu, MODEL, SETTINGS);
    expect(await fittingSettings(gpu, MODEL, SETTINGS, under(whole))).toEqual({ settings: SETTINGS, bytes: whole });
    const recomputed = await fittingSettings(gpu, MODEL, SETTINGS, under(whole - 1));
    expect(recomputed?.settings).toEqual({ ...SETTINGS, recomputeActivations: true });
    const least = await fittingSettings(gpu, MODEL, SETTINGS, under(asked.at(-1)! - 1));
    expect(least?.settings).toMatchObject({ batchSize: 2, gradientAccumulation: 2 });
    expect(await fittingSettings(gpu, MODEL, SETTINGS, under(1))).toBeUndefined();
  });

  it('keeps the windows of a step when it takes fewer at once', () => {
    for (const settings of gentlerSettings({ batchSize: 6, gradientAccumulation: 2, recomputeActivations: false })) expect(settings.batchSize * settings.gradientAccumulation).toBe(12);
    expect(gentlerSettings({ batchSize: 2, gradientAccumulation: 1, recomputeActivations: true })).toEqual([
      { batchSize: 2, gradientAccumulation: 1, recomputeActivations: true },
      { batchSize: 1, gradientAccumulation: 2, recomputeActivations: true },
    ]);
  });

  it('asks the adapter by allocating', async () => {
    const gpu = await testGpu();
    await withoutGpuErrors(gpu, async () => expect(await canAllocate(gpu.device, 3 * 2 ** 20)).toBe(true));
  });
});
