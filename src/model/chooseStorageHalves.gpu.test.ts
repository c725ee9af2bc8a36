// How storage is chosen: by measurement where the adapter may, remembered, and switched off where asked; and the plan of memory follows the choice.
import { beforeAll, describe, expect, it } from 'vitest';
import type { ModelConfig } from '../config/modelConfig.ts';
import type { Gpu } from '../gpu/device.ts';
import { dryRun } from '../gpu/dryRun.ts';
import { computesHalves } from '../kernels/halvesGate.ts';
import { allChoices, rememberedChoice } from '../kernels/kernelChoices.ts';
import { asHardware, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { chosenStorage, isStorageOpen, mayStoreHalves, rememberStorage, savedBytes, tuneStorage } from './chooseStorage.ts';

const CONFIG: ModelConfig = { vocabSize: 40, hiddenSize: 32, intermediateSize: 48, numHiddenLayers: 2, numAttentionHeads: 2, headDim: 16, maxPositionEmbeddings: 32, rmsNormEps: 1e-5, ropeTheta: 1e4 };
const SHAPE = { batchSize: 8, seqLen: 16, recomputeActivations: false };

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

describe('storage of a model in training', () => {
  it('is f32 on software adapters, where nothing is measured, and where halves are switched off, whatever is remembered', async () => {
    const switchedOff = (means: 'halfStorage' | 'measuring'): Gpu => ({ ...asHardware(gpu), without: new Set([means]) });
    for (const one of [gpu, switchedOff('halfStorage'), switchedOff('measuring')]) {
      expect(mayStoreHalves(one, CONFIG, SHAPE)).toBe(false);
      rememberStorage(one, CONFIG, SHAPE, 'f16');
      expect(chosenStorage(one, CONFIG, SHAPE)).toBe('f32');
      expect(await tuneStorage(one, CONFIG, SHAPE)).toBeUndefined();
    }
  });

  it('is what measured faster, once', async () => {
    const hardware = asHardware(gpu);
    expect([chosenStorage(hardware, CONFIG, SHAPE), isStorageOpen(hardware, CONFIG, SHAPE)]).toEqual(['f32', true]);
    const bytesBefore = gpu.buffers.bytes;
    const measured = await withoutGpuErrors(gpu, () => tuneStorage(hardware, CONFIG, SHAPE));
    expect(gpu.buffers.bytes).toBe(bytesBefore);
    if (!measured) throw new Error('both storages are measured');
    expect(measured.f32).toBeGreaterThan(0);
    expect(measured.f16).toBeGreaterThan(0);
    const faster = measured.f16 < 0.97 * measured.f32 ? 'f16' : 'f32';
    expect([chosenStorage(hardware, CONFIG, SHAPE), isStorageOpen(hardware, CONFIG, SHAPE)]).toEqual([faster, false]);
    expect(await tuneStorage(hardware, CONFIG, SHAPE)).toBeUndefined();
    // With the kernels' variants, which are kept from visit to visit (engine/keptChoices.ts).
    expect(allChoices(hardware)).toContainEqual(['storage 40 32 48 2 2 8 16', faster]);
    expect(rememberedChoice(dryRun(hardware).gpu, 'storage 40 32 48 2 2 8 16')).toBe(faster);
  });

  it('is f32 where halves would take more memory, whatever is remembered', async () => {
    const hardware = asHardware(gpu);
    const small = { ...SHAPE, batchSize: 1 };
    for (const shape of [small, { ...SHAPE, recomputeActivations: true }]) {
      expect(savedBytes(CONFIG, shape)).toBeLessThan(0);
      rememberStorage(hardware, CONFIG, shape, 'f16');
      expect([chosenStorage(hardware, CONFIG, shape), isStorageOpen(hardware, CONFIG, shape)]).toEqual(['f32', false]);
    }
    expect(chosenStorage(hardware, CONFIG, SHAPE)).toBe('f16');
  });

  it('is f32 where no kernel takes a shape as halves', async () => {
    const hardware = asHardware(gpu);
    const odd = { ...CONFIG, hiddenSize: 34, headDim: 17 };
    expect(await tuneStorage(hardware, odd, SHAPE)).toBeUndefined();
    expect([chosenStorage(hardware, odd, SHAPE), isStorageOpen(hardware, odd, SHAPE)]).toEqual(['f32', false]);
  });
});

describe('the gate before it', () => {
  it('lets this adapter through', async () => {
    expect(await withoutGpuErrors(gpu, () => computesHalves(gpu))).toBe(true);
  });

  it.each([
    ['loses an overflow', /magnitude > vec2u\(0x477fe000u\)/, 'magnitude > vec2u(0xffffffffu)'],
    ['mixes up two halves', /unpack2x16float\(a\[at \/ 2u\]\)\[at % 2u\]/, 'unpack2x16float(a[at / 2u])[(at + 1u) % 2u]'],
  ])('stops one that %s', async (_what, right, wrong) => {
    const pipelines: Gpu['pipelines'] = { get: (source) => gpu.pipelines.get({ ...source, wgsl: source.wgsl.replace(right, wrong) }) };
    expect(await computesHalves({ ...gpu, pipelines })).toBe(false);
  });
});
