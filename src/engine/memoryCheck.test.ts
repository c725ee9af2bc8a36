// Refusals and offers of the memory check, planned in Node on an adapter whose limits and memory are made up: no GPU is asked.
import { describe, expect, it } from 'vitest';
import { DEFAULT_CHOICES, METHOD_NAMES, type MethodName } from '../config/method.ts';
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../config/runConfig.ts';
import { formatBytes } from '../core/format.ts';
import { OutOfGpuMemoryError } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { openPack, type Pack } from '../pack/openPack.ts';
import { buildFullTinyPack } from '../testing/tinyPackParts.ts';
import { MemoryRefusal, packShapes, peakBytes, refusalAfter, requireMemory, type RunNeed } from './memoryCheck.ts';

const SETTINGS: RunConfig = { ...DEFAULT_RUN_CONFIG, batchSize: 8, seqLen: 32 };
const pack: Pack = await openPack({ kind: 'files', files: await buildFullTinyPack() });

function gpuWith({ maxBufferSize = 2 ** 28, maxStorageBufferBindingSize = 2 ** 27 } = {}): Gpu {
  return { device: { limits: { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize: 16_384 }, features: new Set() }, adapter: { isFallback: true }, without: new Set() } as unknown as Gpu;
}

const GPU = gpuWith();
const runsOf = (...methods: MethodName[]): RunNeed[] => methods.map((method) => ({ method: DEFAULT_CHOICES[method], settings: SETTINGS }));
const shapes = await packShapes(pack, METHOD_NAMES.map((method) => DEFAULT_CHOICES[method]));
const bytesOf = (runs: RunNeed[], change: Partial<RunConfig> = {}): Promise<number> => peakBytes(GPU, shapes, runs.map((run) => ({ ...run, settings: { ...run.settings, ...change } })));
const under = (limit: number) => async (bytes: number): Promise<boolean> => bytes <= limit;

async function refusalOf(runs: RunNeed[], limit: number, gpu = GPU): Promise<MemoryRefusal> {
  const error = await requireMemory({ gpu, shapes, runs, allows: under(limit) }).then(() => undefined, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MemoryRefusal);
  expect((error as Error).message).toMatch(/^[^.\n]+(\.\d[^.\n]*)*\.$/);
  return error as MemoryRefusal;
}

describe('the check before a start', () => {
  it('lets a run through that just fits, and offers the mildest change to one that does not', async () => {
    const run = runsOf('SLM');
    const whole = await bytesOf(run);
    await requireMemory({ gpu: GPU, shapes, runs: run, allows: under(whole) });
    const recomputed = await bytesOf(run, { recomputeActivations: true });
    const { message, offer } = await refusalOf(run, whole - 1);
    expect(offer).toEqual({
      settings: { batchSize: 8, gradientAccumulation: 1, recomputeActivations: true },
      instead: { batchSize: 8, gradientAccumulation: 1, recomputeActivations: false },
      bytes: recomputed,
    });
    expect(message).toBe(`This run takes about ${formatBytes(whole)} of GPU memory, more than this graphics adapter gives now; with recomputed activations, about ${formatBytes(recomputed)} would do, for the same steps.`);
    const next = await refusalOf(run, recomputed - 1);
    expect(next.offer?.settings).toEqual({ batchSize: 4, gradientAccumulation: 2, recomputeActivations: false });
    expect(next.message).toContain('with batches of 4, 2 per step, about');
  });

  it('refuses runs together that fit alone', async () => {
    const runs = runsOf('SLM', 'SLM-nopt', 'LLM');
    const alone = await Promise.all(runs.map((run) => bytesOf([run])));
    const limit = alone.reduce((sum, bytes) => sum + bytes, 0) - 1;
    for (const [index, run] of runs.entries()) {
      expect(alone[index]).toBeLessThan(limit);
      await requireMemory({ gpu: GPU, shapes, runs: [run], allows: under(limit) });
    }
    const { message, offer } = await refusalOf(runs, limit);
    expect(message).toMatch(/^Side by side these 3 runs take about [\d.]+ MB of GPU memory/);
    expect(offer?.bytes).toBeLessThanOrEqual(limit);
  });

  it('leaves room for what runs that go on will still ask for', async () => {
    const runs = runsOf('SLM');
    const bytes = await bytesOf(runs);
    await requireMemory({ gpu: GPU, shapes, runs, reserved: 100, allows: under(bytes + 100) });
    await expect(requireMemory({ gpu: GPU, shapes, runs, reserved: 101, allows: under(bytes + 100) })).rejects.toThrow(MemoryRefusal);
  });

  it('says what to do when nothing fits', async () => {
    expect(await refusalOf(runsOf('SLM'), 0)).toMatchObject({ offer: undefined, message: expect.stringMatching(/not even one window at a time with recomputed activations fits, so try shorter windows\.$/) });
    expect(await refusalOf(runsOf('SLM', 'LLM'), 0)).toMatchObject({ offer: undefined, message: expect.stringMatching(/so try fewer runs at once or shorter windows\.$/) });
  });

  it('names the limit of the adapter that is exceeded, and offers what is under it', async () => {
    // The largest range bound holds the logits of 64 rows; a window alone has 32.
    const largest = 64 * pack.model.vocabSize * 4;
    const { message, offer } = await refusalOf(runsOf('SLM'), Infinity, gpuWith({ maxStorageBufferBindingSize: 50_000 }));
    expect(message).toMatch(/^This graphics adapter binds at most 48\.8 KB at once, but one chunk of logits takes 66\.0 KB; choose a smaller batch or window; with batches of 1, 8 per step, about/);
    expect(offer?.settings).toEqual({ batchSize: 1, gradientAccumulation: 8, recomputeActivations: false });
    await requireMemory({ gpu: gpuWith({ maxStorageBufferBindingSize: largest }), shapes, runs: runsOf('SLM'), allows: under(Infinity) });
    const tooLarge = await refusalOf(runsOf('SLM'), Infinity, gpuWith({ maxBufferSize: 1024 }));
    expect(tooLarge.message).toMatch(/^This graphics adapter allows buffers of 1\.0 KB, but .*; not even one window/);
  });
});

it('offers less than what was refused in spite of the check', async () => {
  const runs = runsOf('SLM');
  const refusal = await refusalAfter(new OutOfGpuMemoryError('train.gradients', 2 ** 20), { gpu: GPU, shapes, runs, allows: under(Infinity) });
  expect(refusal.message).toMatch(/^The graphics adapter has no room for another 1\.0 MB \(train\.gradients\); the run takes about .* at its largest; with recomputed activations, about .* would do, for the same steps\.$/);
  expect(refusal.offer?.bytes).toBeLessThan(await bytesOf(runs));
});

describe('what a method takes', () => {
  it('is that of the large model where it trains, and of both where it teaches', async () => {
    const small = await bytesOf(runsOf('SLM'));
    expect(await bytesOf([{ settings: SETTINGS }])).toBe(small);
    expect(await bytesOf(runsOf('SLM-nopt'))).toBe(small);
    expect(await bytesOf(runsOf('LLM'))).toBeGreaterThan(small);
    expect(await bytesOf(runsOf('SLM-d'))).toBeGreaterThanOrEqual(await bytesOf(runsOf('LLM')));
    expect(await bytesOf(runsOf('SLM', 'LLM'))).toBe(small + (await bytesOf(runsOf('LLM'))));
  });

  it('counts the projector while an expert is chosen', async () => {
    const settings = { ...SETTINGS, batchSize: 1, seqLen: 8 };
    const fitted: RunNeed = { method: { ...DEFAULT_CHOICES['SLM-pn'], strategy: 'fitted' }, settings };
    // Made large enough to matter: a model this small has a projector of its own size.
    const wide = { ...shapes, projectedNetwork: { ...shapes.projectedNetwork, h: 300 } };
    expect(await peakBytes(GPU, wide, [fitted])).toBeGreaterThan(await peakBytes(GPU, wide, [{ ...fitted, method: { method: 'SLM' } }]));
  });
});
