// The whole model on the GPU equals PyTorch: logit-derived losses, every gradient, ten AdamW steps (golden run written by pretrain/).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../gpu/device.ts';
import type { MemoryLimits } from '../gpu/limits.ts';
import { hostTensors, packArena } from '../model/parameters.ts';
import { SmallModel } from '../model/smallModel.ts';
import { expectClose, expectSameBits } from '../testing/allclose.ts';
import { loadGolden, type Golden } from '../testing/golden.ts';
import { withLimits } from '../testing/limitedDevice.ts';
import { testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { Stepper } from './stepper.ts';

/** Nats per row from PyTorch's logits of step 1; 0 for ignored targets. */
function lossesOf({ logits, targets, config: { vocabSize: V } }: Golden): number[] {
  return Array.from(targets[0], (target, row) => {
    if (target === 0xffffffff) return 0;
    const values = logits.subarray(row * V, (row + 1) * V);
    const largest = Math.max(...values);
    return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0)) - values[target];
  });
}

/** Step `index` + 1 of the run as PyTorch took it. */
const goldenStep = (stepper: Stepper, golden: Golden, index: number) => stepper.step(index + 1, golden.optimizer.learningRate, (tokens, targets) => {
  tokens.set(golden.tokens[index]);
  targets.set(golden.targets[index]);
});

describe('golden run from PyTorch', () => {
  let gpu: Gpu;
  let golden: Golden;
  let model: SmallModel;

  beforeAll(async () => {
    gpu = await testGpu();
    golden = await loadGolden();
    const config = { ...golden.config, maxPositionEmbeddings: golden.T };
    model = await SmallModel.create(gpu, config, { batchSize: golden.B, seqLen: golden.T }, { train: true });
  });
  afterAll(() => model.destroy());

  it('gives the losses of step 1', async () => {
    await model.loadWeights(packArena(model.table, golden.weights));
    const losses = await withoutGpuErrors(gpu, () => model.evaluate(golden.tokens[0], golden.targets[0]));
    expectClose('losses', losses, lossesOf(golden), 1e-4);
  });

  it('gives every gradient of step 1', async () => {
    await model.loadWeights(packArena(model.table, golden.weights));
    await withoutGpuErrors(gpu, async () => {
      const stepper = await Stepper.create(gpu, model, golden.optimizer, 1);
      // A step at rate 0 leaves the weights alone and the gradients to be read.
      const figures = await stepper.step(1, 0, (tokens, targets) => {
        tokens.set(golden.tokens[0]);
        targets.set(golden.targets[0]);
      });
      expect(Math.abs(figures.loss / golden.losses[0] - 1)).toBeLessThan(1e-4);
      expect(Math.abs(figures.gradientNorm / golden.gradientNorms[0] - 1)).toBeLessThan(1e-4);
      const gradients = hostTensors(model.table, await model.gradients.read(gpu));
      expect(gradients.size).toBe(golden.gradients.size);
      for (const [name, expected] of golden.gradients) expectClose(`gradient of ${name}`, gradients.get(name)?.data ?? [], expected.data, 1e-4);
      stepper.destroy();
    });
  });

  it('takes ten AdamW steps like PyTorch', async () => {
    await model.loadWeights(packArena(model.table, golden.weights));
    const stepper = await Stepper.create(gpu, model, golden.optimizer, 1);
    for (const index of golden.losses.keys()) {
      const { loss, gradientNorm } = await goldenStep(stepper, golden, index);
      expect(Math.abs(loss / golden.losses[index] - 1)).toBeLessThan(1e-4);
      expect(Math.abs(gradientNorm / golden.gradientNorms[index] - 1)).toBeLessThan(1e-4);
    }
    const weights = hostTensors(model.table, await model.readWeights());
    for (const [name, expected] of golden.finalWeights) expectClose(`weight ${name}`, weights.get(name)?.data ?? [], expected.data, 1e-4);
    stepper.destroy();
  });

  it('accumulates micro-batches to the gradient of the whole batch', async () => {
    await model.loadWeights(packArena(model.table, golden.weights));
    const once = await Stepper.create(gpu, model, golden.optimizer, 1);
    const twice = await Stepper.create(gpu, model, golden.optimizer, 2);
    const fill = (tokens: Uint32Array, targets: Uint32Array): void => {
      tokens.set(golden.tokens[0]);
      targets.set(golden.targets[0]);
    };
    const single = await once.step(1, 0, fill);
    const double = await twice.step(1, 0, fill);
    expect(Math.abs(double.gradientNorm / single.gradientNorm - 1)).toBeLessThan(1e-5);
    expect(double.loss).toBeCloseTo(single.loss, 5);
    once.destroy();
    twice.destroy();
  });

  it('repeats bit by bit', async () => {
    const run = async (): Promise<Float32Array> => {
      await model.loadWeights(packArena(model.table, golden.weights));
      const stepper = await Stepper.create(gpu, model, golden.optimizer, 1);
      for (const index of golden.losses.keys()) {
        await goldenStep(stepper, golden, index);
      }
      stepper.destroy();
      return model.readWeights();
    };
    expect(await run()).toEqual(await run());
  });

  it('fails on a NaN weight instead of training on', async () => {
    const arena = packArena(model.table, golden.weights);
    arena[5] = NaN;
    await model.loadWeights(arena);
    const stepper = await Stepper.create(gpu, model, golden.optimizer, 1);
    const tokens = golden.tokens[0].map(() => 0);
    await expect(stepper.step(1, 1e-3, (t, y) => { t.set(tokens); y.set(golden.targets[0]); })).rejects.toThrow(/no longer a finite number/);
    stepper.destroy();
  });
});

describe('the golden run in several buffers', () => {
  const NO_CLIPPING = 1e30;
  let gpu: Gpu;
  let golden: Golden;
  /** As little as a kernel of this model must bind, and no buffer larger than that. */
  let tight: MemoryLimits;

  beforeAll(async () => {
    gpu = await testGpu();
    golden = await loadGolden();
    const { vocabSize: V, hiddenSize: C, intermediateSize: F } = golden.config;
    const largest = Math.ceil(Math.max(V * C, golden.B * golden.T * Math.max(2 * F, V)) / 64) * 256;
    tight = { maxBufferSize: largest, maxStorageBufferBindingSize: largest };
  });

  /** All golden steps, half of them after weights and moments went to the CPU and into a new model. */
  async function train(on: Gpu, clipNorm: number) {
    const config = { ...golden.config, maxPositionEmbeddings: golden.T };
    const create = async () => {
      const model = await SmallModel.create(on, config, { batchSize: golden.B, seqLen: golden.T }, { train: true, recompute: true });
      return { model, stepper: await Stepper.create(on, model, { ...golden.optimizer, clipNorm }, 1) };
    };
    let { model, stepper } = await create();
    await model.loadWeights(packArena(model.table, golden.weights));
    const figures: number[] = [];
    for (const index of golden.losses.keys()) {
      const { loss, gradientNorm } = await goldenStep(stepper, golden, index);
      figures.push(loss, gradientNorm);
      if (index + 1 !== golden.losses.length / 2) continue;
      const [weights, moments] = [await model.readWeights(), await stepper.readMoments()];
      stepper.destroy();
      model.destroy();
      ({ model, stepper } = await create());
      await model.loadWeights(weights);
      await stepper.loadMoments(moments);
    }
    const { first, second } = await stepper.readMoments();
    const { parts, blocks } = model.weights;
    const trained = { figures, weights: await model.readWeights(), gradients: await model.gradients.read(on), first, second, numParts: parts.length, numBlocks: blocks.length };
    stepper.destroy();
    model.destroy();
    return trained;
  }

  const ARENAS = ['weights', 'gradients', 'first', 'second'] as const;

  it('takes the same steps as in one buffer, bit by bit', async () => {
    await withoutGpuErrors(gpu, async () => {
      const before = gpu.buffers.bytes;
      const whole = await train(withLimits(gpu, { ...tight, maxBufferSize: 1e9 }), golden.optimizer.clipNorm);
      const limited = withLimits(gpu, tight);
      const split = await train(limited, golden.optimizer.clipNorm);
      expect([whole.numParts, split.numParts, split.numBlocks]).toEqual([1, 5, whole.numBlocks]);
      // Uploads and read-backs go in pieces of at most a buffer.
      expect(split.weights.byteLength).toBeGreaterThan(3 * tight.maxBufferSize);
      for (const arena of ARENAS) expectSameBits(arena, split[arena], whole[arena]);
      expect(split.figures).toEqual(whole.figures);
      for (const [index, loss] of golden.losses.entries()) expect(Math.abs(split.figures[2 * index] / loss - 1)).toBeLessThan(1e-4);
      expect([limited.buffers.bytes, gpu.buffers.bytes]).toEqual([0, before]);
    });
  });

  it('differs from a device without limits in the rounding of the gradient norm alone', async () => {
    await withoutGpuErrors(gpu, async () => {
      const free = await train(gpu, NO_CLIPPING);
      const split = await train(withLimits(gpu, tight), NO_CLIPPING);
      expect([free.numParts, free.numBlocks]).toEqual([1, 2]);
      for (const arena of ARENAS) expectSameBits(arena, split[arena], free[arena]);
      expectClose('losses and norms', split.figures, free.figures, 1e-6);
    });
  });

  it('would be noticed over the limits', () => {
    const limited = withLimits(gpu, { maxBufferSize: 4096, maxStorageBufferBindingSize: 1024 });
    expect(() => limited.buffers.createFloats('test.large', 1025)).toThrow(/test\.large: 4112 bytes are over the limit of 4096/);
    const resource = limited.buffers.createFloats('test.wide', 512);
    expect(() => limited.device.createBindGroup({ label: 'test.group', layout: {} as GPUBindGroupLayout, entries: [{ binding: 0, resource }] })).toThrow(/2048 bytes are over the limit of 1024/);
    limited.buffers.destroyAll();
  });
});
