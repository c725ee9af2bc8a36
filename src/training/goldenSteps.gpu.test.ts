// The whole model on the GPU equals PyTorch: logit-derived losses, every gradient, ten AdamW steps (golden run written by pretrain/).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../gpu/device.ts';
import { hostTensors, packArena } from '../model/parameters.ts';
import { SmallModel } from '../model/smallModel.ts';
import { expectClose } from '../testing/allclose.ts';
import { loadGolden, type Golden } from '../testing/golden.ts';
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
      const { loss, gradientNorm } = await stepper.step(index + 1, golden.optimizer.learningRate, (tokens, targets) => {
        tokens.set(golden.tokens[index]);
        targets.set(golden.targets[index]);
      });
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
        await stepper.step(index + 1, golden.optimizer.learningRate, (tokens, targets) => {
          tokens.set(golden.tokens[index]);
          targets.set(golden.targets[index]);
        });
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
