import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { dot, expectGradient, randomNormals } from '../testing/gradcheck.ts';
import { attentionBackward, attentionForward, type AttentionShape } from './attention.ts';

const SHAPES: AttentionShape[] = [
  { B: 2, T: 5, NH: 3, HS: 4 },
  { B: 1, T: 1, NH: 2, HS: 3 },
  { B: 3, T: 7, NH: 1, HS: 1 },
  { B: 1, T: 11, NH: 2, HS: 5 },
];
const numQkv = ({ B, T, NH, HS }: AttentionShape): number => B * T * 3 * NH * HS;

describe('attention', () => {
  it('weighs values by the softmax of scaled scores, worked by hand', () => {
    // HS 4, so scores are halved: query 1 sees scores 0 and log 3, probabilities 1/4 and 3/4.
    const row0 = [0, 0, 0, 0, /* k */ 0, 0, 0, 0, /* v */ 1, 0, 0, 8];
    const row1 = [2 * Math.log(3), 0, 0, 0, /* k */ 1, 0, 0, 0, /* v */ 0, 1, 0, 4];
    const { out, lse } = attentionForward([...row0, ...row1], { B: 1, T: 2, NH: 1, HS: 4 });
    expectClose('out', out, [1, 0, 0, 8, 0.25, 0.75, 0, 5], 1e-15);
    expectClose('lse', lse, [0, Math.log(4)], 1e-15);
  });

  it.each(SHAPES)('backward equals finite differences at B $B, T $T, NH $NH, HS $HS', (shape) => {
    const qkv = randomNormals(numQkv(shape), 1);
    const dOut = randomNormals(numQkv(shape) / 3, 2);
    expectGradient({
      what: 'dQkv',
      loss: () => dot(attentionForward(qkv, shape).out, dOut),
      values: qkv,
      gradient: attentionBackward(dOut, qkv, shape),
    });
  });

  it('lets no later position and no other sequence change an earlier output', () => {
    const shape = { B: 2, T: 6, NH: 2, HS: 3 };
    const qkv = randomNormals(numQkv(shape), 3);
    const before = attentionForward(qkv, shape);
    qkv.fill(NaN, 4 * 18, 6 * 18);
    const after = attentionForward(qkv, shape);
    expectClose('rows 0-3', after.out.slice(0, 24), before.out.slice(0, 24), 0);
    expectClose('second sequence', after.out.slice(36), before.out.slice(36), 0);
    expect(after.out.slice(24, 36).every(Number.isNaN)).toBe(true);
  });

  it('does not overflow on huge scores', () => {
    const { out } = attentionForward([1000, 1000, 1, 1000, 2000, 2], { B: 1, T: 2, NH: 1, HS: 1 });
    expectClose('out', out, [1, 2], 0);
  });
});
