import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { randomNormals } from '../testing/gradcheck.ts';
import { adamwStep } from './adamw.ts';

const OPTIONS = { learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, step: 1, gradientScale: 1 };

const stateOf = (weights: number[], gradients: number[]) => ({
  weights: Float64Array.from(weights),
  gradients: Float64Array.from(gradients),
  m: new Float64Array(weights.length),
  v: new Float64Array(weights.length),
});

describe('adamwStep', () => {
  it('moves by the learning rate against the gradient on step 1, whatever the size of the gradient', () => {
    const state = stateOf([1, 1, 1], [3, -0.001, 0]);
    adamwStep(state, OPTIONS);
    expectClose('weights', state.weights, [0.99, 1.01, 1], 1e-6);
  });

  it('equals the sums that define it, over five steps', () => {
    // Independent of the recursion: m_t = (1 - b1) sum_s b1^(t-s) g_s, likewise v.
    const gradients = [1, 2, 3, 4, 5].map((seed) => randomNormals(3, seed));
    const state = stateOf([0.5, -1, 2], [0, 0, 0]);
    const expected = state.weights.slice();
    const options = { ...OPTIONS, weightDecay: 0.1, gradientScale: 0.25 };
    for (let step = 1; step <= 5; step++) {
      state.gradients.set(gradients[step - 1]);
      adamwStep(state, { ...options, step });
      for (let i = 0; i < 3; i++) {
        let m = 0;
        let v = 0;
        for (let s = 1; s <= step; s++) {
          m += (0.1 * 0.9 ** (step - s) * 0.25 * gradients[s - 1][i]) / (1 - 0.9 ** step);
          v += (0.05 * 0.95 ** (step - s) * (0.25 * gradients[s - 1][i]) ** 2) / (1 - 0.95 ** step);
        }
        expected[i] -= 0.01 * 0.1 * expected[i] + (0.01 * m) / (Math.sqrt(v) + 1e-8);
      }
    }
    expectClose('weights', state.weights, expected, 1e-13);
  });

  it('decays weights even where the gradient is zero', () => {
    const state = stateOf([2], [0]);
    adamwStep(state, { ...OPTIONS, weightDecay: 0.5 });
    expectClose('weights', state.weights, [2 * (1 - 0.01 * 0.5)], 1e-15);
  });

  it('lets a NaN gradient show in the weight', () => {
    const state = stateOf([1, 1], [NaN, 1]);
    adamwStep(state, OPTIONS);
    expect([...state.weights].map(Number.isNaN)).toEqual([true, false]);
  });
});
