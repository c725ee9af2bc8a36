// The paper's own small model under the limits that every WebGPU adapter has, planned on a GPU that only counts: no buffer and no binding is over them, and training takes less than 6 GB.
import { describe, expect, it } from 'vitest';
import { numParameters } from '../config/modelConfig.ts';
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../config/runConfig.ts';
import type { Gpu } from '../gpu/device.ts';
import { dryRun } from '../gpu/dryRun.ts';
import { WEBGPU_DEFAULT_LIMITS } from '../gpu/limits.ts';
import { PAPER_SMALL_MODEL } from '../testing/paperModel.ts';
import { planTuning } from '../model/tuneKernels.ts';
import { trainingBytes } from './memory.ts';
import { createTrainee } from './trainee.ts';

const SETTINGS: RunConfig = { ...DEFAULT_RUN_CONFIG, batchSize: 1, seqLen: 1024, recomputeActivations: true };
/** WebGPU's defaults. */
const MAX_STORAGE_BUFFERS = 8;
const LIMITS = { ...WEBGPU_DEFAULT_LIMITS, maxComputeWorkgroupStorageSize: 16_384, maxComputeInvocationsPerWorkgroup: 256, maxStorageBuffersPerShaderStage: MAX_STORAGE_BUFFERS };

function adapter(isFallback: boolean, features: readonly string[] = []): Gpu {
  return { device: { limits: LIMITS, features: new Set(features) }, adapter: { isFallback }, without: new Set() } as unknown as Gpu;
}

describe('the paper\'s small model', () => {
  it('has its shape', () => {
    expect(numParameters(PAPER_SMALL_MODEL)).toBe(32_000 * 1024 + 7 * (4 * 1024 ** 2 + 3 * 4096 * 1024) + 15 * 1024);
  });

  it.each([
    ['a real adapter', adapter(false)],
    ['a real adapter with subgroups', adapter(false, ['subgroups'])],
    ['a software adapter', adapter(true, ['subgroups'])],
  ])('trains within WebGPU\'s default limits on %s in less than 6 GB', async (_name, gpu) => {
    const dry = dryRun(gpu);
    planTuning(dry.gpu, PAPER_SMALL_MODEL, SETTINGS, { train: true });
    await createTrainee(dry.gpu, PAPER_SMALL_MODEL, SETTINGS);
    const largest = { buffer: dry.largestBuffer(), binding: dry.largestBinding(), bindings: dry.mostBindings() };
    console.info(`The paper's small model, 1 x 1,024 tokens, recomputed: ${(dry.gpu.buffers.peakBytes / 1e9).toFixed(3)} GB; largest buffer ${largest.buffer} bytes, largest binding ${largest.binding}.`);
    expect(largest.buffer).toBeLessThanOrEqual(WEBGPU_DEFAULT_LIMITS.maxBufferSize);
    expect(largest.binding).toBeLessThanOrEqual(WEBGPU_DEFAULT_LIMITS.maxStorageBufferBindingSize);
    expect(largest.bindings).toBeLessThanOrEqual(MAX_STORAGE_BUFFERS);
    // Weights, gradients and two moments alone are 2.4 GB: anything less was not counted.
    expect(dry.gpu.buffers.peakBytes).toBeGreaterThan(4 * 4 * numParameters(PAPER_SMALL_MODEL));
    expect(dry.gpu.buffers.peakBytes).toBeLessThan(6e9);
    expect(await trainingBytes(gpu, PAPER_SMALL_MODEL, SETTINGS)).toBeLessThanOrEqual(dry.gpu.buffers.peakBytes);
  });

  it('is refused where its embedding cannot be bound', async () => {
    const limits = { ...LIMITS, maxStorageBufferBindingSize: 2 ** 26 };
    const small = { ...adapter(true), device: { limits, features: new Set() } } as unknown as Gpu;
    await expect(trainingBytes(small, PAPER_SMALL_MODEL, SETTINGS)).rejects.toThrow(/binds at most 64\.0 MB at once, but model\.embed_tokens\.weight takes 125 MB/);
  });
});
