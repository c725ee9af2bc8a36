import { describe, expect, it } from 'vitest';
import { MAX_CURVE_POINTS, type RunCurvePoint } from '../config/runRecord.ts';
import { appendCurvePoint } from './boundedCurve.ts';

const point = (step: number, losses: Partial<RunCurvePoint> = {}): RunCurvePoint => ({ step, tokens: step * 512, seconds: step / 4, flops: step * 1e9, ...losses });
const grown = (points: readonly RunCurvePoint[], capacity?: number): readonly RunCurvePoint[] =>
  points.reduce<readonly RunCurvePoint[]>((curve, next) => appendCurvePoint(curve, next, capacity), []);

/** Sum of training loss over all steps, which dropping points must not change. */
const lossSum = (curve: readonly RunCurvePoint[]): number => curve.reduce((sum, { step, trainLoss }, i) => sum + (i > 0 ? trainLoss! * (step - curve[i - 1].step) : 0), 0);

describe('a bounded curve', () => {
  it('keeps every point while there is room', () => {
    const points = Array.from({ length: MAX_CURVE_POINTS }, (_, step) => point(step, { trainLoss: 5 - step / 1000 }));
    expect(grown(points)).toEqual(points);
  });

  it('keeps ends and best validation, thins evenly, and loses nothing of the mean training loss', () => {
    const best = 137;
    const points = Array.from({ length: 5000 }, (_, step) => point(step, {
      ...(step > 0 ? { trainLoss: 3 + Math.sin(step) } : {}), ...(step % 10 === 7 ? { validationLoss: 4 + Math.abs(step - best) / 5000 } : {}),
    }));
    const curve = grown(points, 100);
    expect(curve).toHaveLength(100);
    expect(curve[0]).toEqual(points[0]);
    expect(curve.at(-1)!.step).toBe(4999);
    expect(curve.find(({ step }) => step === best)?.validationLoss).toBe(4);
    const gaps = curve.slice(1).map(({ step }, i) => step - curve[i].step);
    expect(Math.min(...gaps)).toBeGreaterThan(0);
    // Ideal is 50 steps between points.
    expect(Math.max(...gaps)).toBeLessThanOrEqual(110);
    expect(Math.abs(lossSum(curve) - lossSum(points))).toBeLessThan(1e-6);
    expect(curve.slice(1, -1).every(({ validationLoss }) => validationLoss !== undefined)).toBe(true);
  });

  it('joins what is told of one step', () => {
    expect(grown([point(0), point(5, { trainLoss: 3 }), point(5, { trainLoss: undefined, validationLoss: 2 })])).toEqual([point(0), point(5, { trainLoss: 3, validationLoss: 2 })]);
  });

  it('leaves out a loss that is not finite', () => {
    expect(grown([point(0), point(1, { trainLoss: NaN, validationLoss: 2 }), point(2, { trainLoss: 4, validationLoss: Infinity })])).toEqual([point(0), point(1, { validationLoss: 2 }), point(2, { trainLoss: 4 })]);
  });
});
