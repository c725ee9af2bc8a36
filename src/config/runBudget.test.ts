import { describe, expect, it } from 'vitest';
import { DEFAULT_CHOICES, METHOD_NAMES } from './method.ts';
import type { ModelConfig } from './modelConfig.ts';
import { invalidBudget, plannedForBudget, usedShare, type RunBudget } from './runBudget.ts';
import { DEFAULT_RUN_CONFIG } from './runConfig.ts';
import { trainingFlopsPerToken } from './trainingFlops.ts';

const small: ModelConfig = { vocabSize: 4096, hiddenSize: 128, intermediateSize: 384, numHiddenLayers: 4, numAttentionHeads: 4, headDim: 32, maxPositionEmbeddings: 256, rmsNormEps: 1e-5, ropeTheta: 1e4 };
const large: ModelConfig = { ...small, hiddenSize: 256, intermediateSize: 768, headDim: 64 };
const settings = { ...DEFAULT_RUN_CONFIG, batchSize: 4, seqLen: 128 };

/** Tokens and operations that a plan trains with at most. */
function costOf(method: (typeof METHOD_NAMES)[number], budget: RunBudget): { tokens: number; flops: number; seconds: number } {
  const plan = plannedForBudget(DEFAULT_CHOICES[method], settings, budget, { small, large });
  const perStep = 4 * 128;
  const [s, l] = [trainingFlopsPerToken(small, 128), trainingFlopsPerToken(large, 128)];
  const first = plan.method.method === 'SLM-is' ? [plan.method.pretrainingSteps, s] : plan.method.method === 'SLM-d' ? [plan.method.teacherSteps, l] : [0, 0];
  const main = method === 'LLM' ? l : method === 'SLM-d' ? s + l / 3 : s;
  return { tokens: (first[0] + plan.settings.steps) * perStep, flops: (first[0] * first[1] + plan.settings.steps * main) * perStep, seconds: 0 };
}

describe('a budget', () => {
  it.each(METHOD_NAMES)('in tokens or operations pays for all that %s trains, and is used up to the last steps', (method) => {
    for (const budget of [{ unit: 'tokens', amount: 1e6 }, { unit: 'flops', amount: 1e13 }] as const) {
      const used = usedShare(budget, costOf(method, budget));
      expect(used).toBeLessThanOrEqual(1);
      expect(used).toBeGreaterThan(0.99);
    }
  });

  it('in minutes leaves the steps open and the rate constant', () => {
    const { settings: planned } = plannedForBudget({ method: 'SLM' }, settings, { unit: 'minutes', amount: 2 }, { small });
    expect(planned.schedule).toBe('constant');
    expect(planned.steps).toBe(100_000);
    expect(usedShare({ unit: 'minutes', amount: 2 }, { tokens: 1e9, flops: 1e18, seconds: 90 })).toBe(0.75);
  });

  it('too small for a step is one step, validated and without a warm-up longer than itself', () => {
    const { settings: planned } = plannedForBudget({ method: 'SLM' }, settings, { unit: 'tokens', amount: 1 }, { small });
    expect(planned).toMatchObject({ steps: 1, evaluateEvery: 1, warmupSteps: 0 });
  });

  it('that is no amount is refused', () => {
    for (const amount of [0, -1, NaN, Infinity]) expect(invalidBudget({ unit: 'flops', amount })).toContain('operations above zero');
    expect(invalidBudget({ unit: 'minutes', amount: 0.5 })).toBeUndefined();
  });
});
