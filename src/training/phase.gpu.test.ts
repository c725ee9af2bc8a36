// A phase put down and taken up again ends with the same bits as one that went through; the best weights are those of the best validation.
import { describe, expect, it } from 'vitest';
import type { ModelConfig } from '../config/modelConfig.ts';
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../config/runConfig.ts';
import { WEBASSEMBLY_FEATURE } from '../gpu/pipelines.ts';
import type { EvaluationText, EvaluationWindow } from '../data/windows.ts';
import { rememberStorage } from '../model/chooseStorage.ts';
import { createParameterTable } from '../model/parameters.ts';
import { asHardware, randomFloats, testGpu } from '../testing/testGpu.ts';
import { Phase, type PhasePlan, type WindowSource } from './phase.ts';

const MODEL: ModelConfig = { vocabSize: 24, hiddenSize: 16, intermediateSize: 24, numHiddenLayers: 1, numAttentionHeads: 2, headDim: 8, maxPositionEmbeddings: 8, rmsNormEps: 1e-5, ropeTheta: 1e4 };
const SETTINGS: RunConfig = { ...DEFAULT_RUN_CONFIG, batchSize: 2, seqLen: 8, steps: 6, evaluateEvery: 2, warmupSteps: 2, learningRate: 1e-2, gradientAccumulation: 2, patience: 3 };
const WEIGHTS = randomFloats(createParameterTable(MODEL).length, 3).map((value) => value * 0.2);

/** Counts upwards, so that the next token can be learnt and every window is another. */
function countingWindows(): WindowSource {
  return {
    windowsConsumed: 0,
    seek(windowsConsumed) {
      Object.assign(this, { windowsConsumed });
    },
    next(batchSize, tokens, targets) {
      for (let row = 0; row < batchSize; row++) {
        const first = (this.windowsConsumed + row) * 5;
        for (let t = 0; t < SETTINGS.seqLen; t++) {
          tokens[row * SETTINGS.seqLen + t] = (first + t) % MODEL.vocabSize;
          targets[row * SETTINGS.seqLen + t] = (first + t + 1) % MODEL.vocabSize;
        }
      }
      Object.assign(this, { windowsConsumed: this.windowsConsumed + batchSize });
    },
  };
}

/** One window whose next tokens are `ahead` further on: 1 is what training teaches, anything else gets worse with it. */
function heldOut(ahead: number): EvaluationText {
  const tokens = Uint32Array.from({ length: SETTINGS.seqLen }, (_, t) => t);
  const window: EvaluationWindow = { tokens, targets: tokens.map((token) => (token + ahead) % MODEL.vocabSize), documents: new Uint32Array(SETTINGS.seqLen) };
  return { windows: [window], numDocuments: 1, numTokens: SETTINGS.seqLen, numBytes: SETTINGS.seqLen };
}

const planOf = (change: Partial<PhasePlan> = {}): PhasePlan => ({ model: MODEL, weights: WEIGHTS, windows: countingWindows(), validation: heldOut(1), settings: SETTINGS, judged: true, ...change });

async function goOn(phase: Phase, untilStep = Infinity): Promise<number[]> {
  const losses: number[] = [];
  for (;;) {
    if (phase.isEvaluationDue) await phase.evaluate();
    if (phase.isOver || phase.stepsTaken >= untilStep) return losses;
    losses.push((await phase.step()).loss);
  }
}

describe('Phase', () => {
  // Of more layers and windows: a plan in halves must not take more memory, or it is not chosen.
  it.each(['f32', 'f16'] as const)('goes on from a checkpoint to the bit where %s is chosen', async (storage) => {
    const gpu = asHardware(await testGpu());
    const model = { ...MODEL, numHiddenLayers: 3 };
    const settings = { ...SETTINGS, batchSize: 4 };
    const plan = (): PhasePlan => planOf({ model, settings, weights: randomFloats(createParameterTable(model).length, 3).map((value) => value * 0.2) });
    rememberStorage(gpu, model, settings, storage);
    const whole = await Phase.create(gpu, plan());
    const stored = gpu.device.features.has(WEBASSEMBLY_FEATURE) ? 'f32' : storage;
    expect(whole.model.storage).toBe(stored);
    const losses = await goOn(whole);
    expect(losses).toHaveLength(6);
    expect(losses[5]).toBeLessThan(losses[0]);

    const first = await Phase.create(gpu, plan());
    const begun = await goOn(first, 3);
    const checkpoint = structuredClone(await first.checkpoint());
    first.destroy();
    expect(checkpoint.lossScale).toEqual(stored === 'f16' ? { scale: 64, goodSteps: 3 } : undefined);
    const second = await Phase.create(gpu, plan(), checkpoint);
    expect([...begun, ...(await goOn(second))]).toEqual(losses);
    expect(await second.model.readWeights()).toEqual(await whole.model.readWeights());
    expect((await second.checkpoint()).lossScale).toEqual(stored === 'f16' ? { scale: 64, goodSteps: 6 } : undefined);
    expect(second.bestStep).toBe(6);
    expect(second.bestWeights).toEqual(whole.bestWeights);
    whole.destroy();
    second.destroy();
  });

  it('takes steps ahead to the same bits, never over a validation or the end, and settles', async () => {
    const gpu = await testGpu();
    const plain = await Phase.create(gpu, planOf());
    const losses = await goOn(plain);
    const phase = await Phase.create(gpu, planOf());
    const ahead: number[] = [];
    while (!phase.isOver) {
      if (phase.isEvaluationDue) await phase.evaluate();
      ahead.push((await phase.step({ ahead: true })).loss);
      expect(ahead).toHaveLength(phase.stepsTaken);
    }
    await phase.evaluate();
    expect(phase.settle()).toBeUndefined();
    expect(ahead).toEqual(losses);
    expect(await phase.model.readWeights()).toEqual(await plain.model.readWeights());
    expect(phase.plan.windows.windowsConsumed).toBe(plain.plan.windows.windowsConsumed);
    plain.destroy();
    phase.destroy();

    const stopped = await Phase.create(gpu, planOf({ settings: { ...SETTINGS, evaluateEvery: 100 } }));
    await stopped.evaluate();
    await stopped.step({ ahead: true });
    await expect(stopped.checkpoint()).rejects.toThrow(/settled/);
    expect((await stopped.settle())?.step).toBe(2);
    expect(stopped.stepsTaken).toBe(2);
    expect((await stopped.checkpoint()).windowsConsumed).toBe(2 * SETTINGS.batchSize * SETTINGS.gradientAccumulation);
    stopped.destroy();
  });

  it('stops when validation gets no better, and keeps the best weights', async () => {
    const gpu = await testGpu();
    const phase = await Phase.create(gpu, planOf({ validation: heldOut(5), settings: { ...SETTINGS, steps: 40, patience: 2 } }));
    await goOn(phase);
    expect(phase.stopsEarly).toBe(true);
    expect(phase.stepsTaken).toBeLessThan(40);
    expect(phase.bestStep).toBe(phase.stepsTaken - 2 * SETTINGS.evaluateEvery);
    phase.destroy();
  });

  it('keeps the last weights of a phase that is not judged', async () => {
    const gpu = await testGpu();
    const phase = await Phase.create(gpu, planOf({ judged: false, validation: heldOut(5) }));
    await goOn(phase);
    expect(phase.stepsTaken).toBe(6);
    expect(phase.bestWeights).toBe(WEIGHTS);
    await phase.keepLast();
    expect(phase.bestWeights).toEqual(await phase.model.readWeights());
    expect(phase.bestStep).toBe(6);
    phase.destroy();
  });
});
