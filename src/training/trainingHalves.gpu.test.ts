// A whole model that stores halves against the same model in f32: evaluation, gradients, a stretch of training, recomputation, memory; and what happens when gradients overflow.
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ModelConfig } from '../config/modelConfig.ts';
import type { Storage } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { savedBytes } from '../model/chooseStorage.ts';
import { createParameterTable, hostTensors } from '../model/parameters.ts';
import { SmallModel, type SmallModelOptions } from '../model/smallModel.ts';
import { expectSameBits } from '../testing/allclose.ts';
import { PAPER_SMALL_MODEL } from '../testing/paperModel.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { NotFiniteError, Stepper } from './stepper.ts';

const CONFIG: ModelConfig = { vocabSize: 40, hiddenSize: 32, intermediateSize: 48, numHiddenLayers: 2, numAttentionHeads: 2, headDim: 16, maxPositionEmbeddings: 32, rmsNormEps: 1e-5, ropeTheta: 1e4 };
/** Attention of 18 tokens wants no scratch. */
const SHAPE = { batchSize: 4, seqLen: 18 };
const ROWS = SHAPE.batchSize * SHAPE.seqLen;
const OPTIMIZER = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 };
const TABLE = createParameterTable(CONFIG);
/** Norms near 1, matrices as trained ones are. */
const WEIGHTS = randomFloats(TABLE.length, 3).map((value, i) => (i < TABLE.decayLength ? value * 0.2 : 1 + value * 0.2));

/** Sequences that count upwards in steps of their own: something to learn, and every token comes by. */
function fill(step: number, tokens: Uint32Array, targets: Uint32Array): void {
  for (let row = 0; row < ROWS; row++) {
    const window = Math.floor(row / SHAPE.seqLen);
    const token = step * 7 + window * 11 + (row % SHAPE.seqLen) * (1 + (window % 3));
    tokens[row] = token % CONFIG.vocabSize;
    targets[row] = (token + 1 + (window % 3)) % CONFIG.vocabSize;
  }
}

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});
afterEach(() => expect(gpu.buffers.bytes).toBe(0));

interface Trained {
  readonly model: SmallModel;
  readonly stepper: Stepper;
}

async function withModel<T>(options: Omit<SmallModelOptions, 'train'>, body: (trained: Trained) => Promise<T>, gradientAccumulation = 1): Promise<T> {
  return withoutGpuErrors(gpu, async () => {
    const model = await SmallModel.create(gpu, CONFIG, SHAPE, { train: true, ...options });
    const stepper = await Stepper.create(gpu, model, OPTIMIZER, gradientAccumulation);
    await model.loadWeights(WEIGHTS);
    try {
      return await body({ model, stepper });
    } finally {
      stepper.destroy();
      model.destroy();
    }
  });
}

const step = ({ stepper }: Trained, number: number, learningRate = 3e-3) => stepper.step(number, learningRate, (tokens, targets) => fill(number, tokens, targets));

/** The arena of step 1's gradients, without the scale that they carry. */
const gradients = (options: Omit<SmallModelOptions, 'train'>): Promise<Float32Array> => withModel(options, async (trained) => {
  await step(trained, 1, 0);
  const scale = trained.stepper.lossScaleState?.scale ?? 1;
  return (await trained.model.gradients.read(gpu)).map((value) => value / scale);
});

async function everything({ model, stepper }: Trained): Promise<Record<'weights' | 'first' | 'second', Float32Array>> {
  return { weights: await model.readWeights(), ...(await stepper.readMoments()) };
}

/** Weight by weight. @returns the largest relative error */
function expectCloseGradients(rounded: Float32Array, exact: Float32Array): number {
  const actualOf = hostTensors(TABLE, rounded);
  let largest = 0;
  for (const [name, { data: expected }] of hostTensors(TABLE, exact)) {
    const actual = actualOf.get(name)?.data ?? [];
    let [dot, square, squareActual, squareError] = [0, 0, 0, 0];
    for (let i = 0; i < expected.length; i++) {
      dot += actual[i] * expected[i];
      square += expected[i] ** 2;
      squareActual += actual[i] ** 2;
      squareError += (actual[i] - expected[i]) ** 2;
    }
    const error = Math.sqrt(squareError / square);
    // A value loses at most 2^-11 of itself each time it is stored, with either sign, and some thirty roundings lie on the way through two layers and back: 2^-11 * sqrt(30) = 2.7e-3.
    expect(error, name).toBeLessThan(5e-3);
    expect(dot / Math.sqrt(square * squareActual), name).toBeGreaterThan(1 - 5e-3 ** 2);
    largest = Math.max(largest, error);
  }
  return largest;
}

describe('a model that stores halves', () => {
  it('evaluates as the same model in f32, to the bit, whatever it has trained before', async () => {
    const evaluated = (storage: Storage): Promise<Float32Array> => withModel({ storage }, async (trained) => {
      await step(trained, 1, 0);
      const [tokens, targets] = [new Uint32Array(ROWS), new Uint32Array(ROWS)];
      fill(2, tokens, targets);
      return trained.model.evaluate(tokens, targets);
    });
    expectSameBits('losses', await evaluated('f16'), await evaluated('f32'));
  });

  it('has the gradients of the same model in f32 but for rounding', async () => {
    const largest = expectCloseGradients(await gradients({ storage: 'f16' }), await gradients({ storage: 'f32' }));
    // And halves it is.
    expect(largest).toBeGreaterThan(1e-4);
    console.info(`gradients: at most ${largest.toExponential(1)} off`);
  });

  it('learns from a teacher, too, which stays f32', async () => {
    const model = await SmallModel.create(gpu, CONFIG, SHAPE, { train: false });
    await model.loadWeights(WEIGHTS.map((value, i) => (i < TABLE.decayLength ? -value : value)));
    const teacher = { model, weight: 0.5, temperature: 2 };
    expectCloseGradients(await gradients({ storage: 'f16', teacher }), await gradients({ storage: 'f32', teacher }));
    model.destroy();
  });

  it('learns as in f32 over twenty steps', async () => {
    const losses = (storage: Storage): Promise<number[]> => withModel({ storage }, async (trained) => {
      const all: number[] = [];
      for (let number = 1; number <= 20; number++) all.push((await step(trained, number)).loss);
      return all;
    });
    const [exact, rounded] = [await losses('f32'), await losses('f16')];
    expect(exact[19]).toBeLessThan(0.8 * exact[0]);
    const differences = exact.map((loss, i) => Math.abs(rounded[i] / loss - 1));
    console.info(`losses: at most ${Math.max(...differences).toExponential(1)} off`);
    // Gradients are off by about 2e-3, Adam's steps by as much, and with them what the loss has lost so far: some tenths of it.
    for (const [i, difference] of differences.entries()) expect(difference, `step ${i + 1}`).toBeLessThan(2e-3);
  });

  it('gives the same bits twice, and with recomputed activations', async () => {
    const trained = (recompute: boolean) => withModel({ storage: 'f16', recompute }, async (all) => {
      for (let number = 1; number <= 3; number++) await step(all, number);
      return everything(all);
    });
    const first = await trained(false);
    for (const recompute of [false, true]) {
      const again = await trained(recompute);
      for (const name of ['weights', 'first', 'second'] as const) expectSameBits(name, again[name], first[name]);
    }
  });

  it('accumulates micro-batches, whose weights are copied once', async () => {
    const norms: number[] = [];
    for (const count of [1, 2]) {
      await withModel({ storage: 'f16' }, async (trained) => norms.push((await step(trained, 1, 0)).gradientNorm), count);
    }
    // Another number of targets is another scale: other bits of the smallest halves.
    expect(Math.abs(norms[1] / norms[0] - 1)).toBeLessThan(1e-3);
  });

  it.each([false, true])('takes as much less memory as was computed, to the byte (recomputed activations: %s)', async (recompute) => {
    const bytes = (storage: Storage): Promise<number> => withModel({ storage, recompute }, async () => gpu.buffers.bytes);
    expect((await bytes('f32')) - (await bytes('f16'))).toBe(savedBytes(CONFIG, { ...SHAPE, recomputeActivations: recompute }));
  });

  it('takes less memory where tokens are many, and more where they are few, the layers recomputed', () => {
    const saved = (batchSize: number, recomputeActivations: boolean): number => savedBytes(PAPER_SMALL_MODEL, { batchSize, seqLen: 1024, recomputeActivations }) / 1e6;
    // 8 windows: 2 bytes of 147,456 numbers a token, less 4 bytes of 19,456 for evaluation, are 1,778 MB; 300 MB of them go to the copied weights.
    expect(saved(8, false)).toBeCloseTo(8 * 1024 * (2 * 147_456 - 4 * 19_456) / 1e6 - 2 * 150.2, 0);
    expect(saved(8, false)).toBeGreaterThan(1400);
    expect(saved(1, false)).toBeLessThan(0);
    expect(saved(8, true)).toBeLessThan(0);
  });

  it('is only for training', async () => {
    await expect(SmallModel.create(gpu, CONFIG, SHAPE, { train: false, storage: 'f16' })).rejects.toThrow(/stored as f32/);
  });
});

describe('a loss scale that is too large', () => {
  const HUGE = 2 ** 40;

  it('costs steps that change nothing, and is halved until gradients fit', async () => {
    await withModel({ storage: 'f16' }, async (trained) => {
      const { stepper } = trained;
      await step(trained, 1);
      const before = await everything(trained);
      stepper.restoreLossScale({ scale: HUGE, goodSteps: 0 });
      const skipped = await step(trained, 2);
      expect(skipped.loss).toBeGreaterThan(0);
      expect(Number.isFinite(skipped.gradientNorm)).toBe(false);
      expect(stepper.lossScaleState).toEqual({ scale: HUGE / 2, goodSteps: 0 });
      let number = 3;
      let figures = await step(trained, number);
      while (!Number.isFinite(figures.gradientNorm)) {
        const after = await everything(trained);
        for (const name of ['weights', 'first', 'second'] as const) expectSameBits(name, after[name], before[name]);
        figures = await step(trained, ++number);
      }
      expect(number).toBeGreaterThan(5);
      expect(figures.gradientNorm).toBeGreaterThan(0);
      expect(figures.gradientNorm).toBeLessThan(100);
      expect(stepper.lossScaleState).toEqual({ scale: HUGE / 2 ** (number - 2), goodSteps: 1 });
      expect((await everything(trained)).weights).not.toEqual(before.weights);
    });
  });

  it('is halved once for two steps in flight', async () => {
    await withModel({ storage: 'f16' }, async (trained) => {
      const { stepper } = trained;
      stepper.restoreLossScale({ scale: HUGE, goodSteps: 0 });
      for (const number of [1, 2]) stepper.submit(number, 3e-3, (tokens, targets) => fill(number, tokens, targets));
      for (const figures of [await stepper.receive(), await stepper.receive()]) expect(Number.isFinite(figures.gradientNorm)).toBe(false);
      expect(stepper.lossScaleState).toEqual({ scale: HUGE / 2, goodSteps: 0 });
      expectSameBits('weights', await trained.model.readWeights(), WEIGHTS);
    });
  });

  it('ends the run where gradients as they are do not fit, and where the loss is no number', async () => {
    await withModel({ storage: 'f16' }, async ({ model, stepper }) => {
      const first = (embedding: number): Promise<unknown> => {
        const arena = WEIGHTS.slice();
        arena.fill(0, 0, CONFIG.vocabSize * CONFIG.hiddenSize);
        // Token 1 wins by far; the target is token 0: the gradient of the only target is the difference of their rows.
        for (let i = 0; i < CONFIG.hiddenSize; i++) {
          arena[CONFIG.hiddenSize + i] = embedding;
          arena[i] = -embedding;
        }
        return model.loadWeights(arena).then(() => stepper.step(1, 1e-3, (tokens, targets) => {
          tokens.fill(1);
          targets.fill(0xffffffff);
          targets[0] = 0;
        }));
      };
      await expect(first(60_000)).rejects.toThrow(new NotFiniteError('At step 1 the gradients are too large to be stored in 16 bits (?without=halfStorage stores 32).'));
      await expect(first(70_000)).rejects.toThrow(/the loss is no longer a finite number \(stored in 16 bits/);
    });
  });
});
