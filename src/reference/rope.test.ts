import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { dot, expectGradient, randomNormals } from '../testing/gradcheck.ts';
import { ropeBackward, ropeForward, type RopeShape } from './rope.ts';

const SHAPES: RopeShape[] = [
  { B: 2, T: 5, NH: 3, HS: 4, theta: 10000 },
  { B: 1, T: 1, NH: 1, HS: 2, theta: 10000 },
  { B: 3, T: 7, NH: 1, HS: 6, theta: 100 },
];
const numValues = ({ B, T, NH, HS }: RopeShape): number => B * T * 3 * NH * HS;

describe('rope', () => {
  it('turns pair (i, i + HS/2) by position * theta^(-2i/HS), worked by hand', () => {
    // One head of 4, position 1, theta 16: pair (0, 2) turns by 1, pair (1, 3) by 16^(-1/2) = 1/4.
    const rowOne = [1, 1, 0, 0, 0, 0, 1, 1, 5, 6, 7, 8];
    const turned = ropeForward([...rowOne, ...rowOne], { B: 1, T: 2, NH: 1, HS: 4, theta: 16 });
    expectClose('position 0 stays', turned.slice(0, 12), rowOne, 0);
    const [c1, s1, c4, s4] = [Math.cos(1), Math.sin(1), Math.cos(0.25), Math.sin(0.25)];
    expectClose('position 1', turned.slice(12), [c1, c4, s1, s4, -s1, -s4, c1, c4, 5, 6, 7, 8], 1e-15);
  });

  it('makes a dot product of q and k depend on their distance alone', () => {
    const shape = { B: 1, T: 9, NH: 1, HS: 6, theta: 100 };
    const row = randomNormals(18, 1);
    const turned = ropeForward(Float64Array.from({ length: 9 * 18 }, (_, i) => row[i % 18]), shape);
    const score = (query: number, key: number): number => dot(turned.slice(query * 18, query * 18 + 6), turned.slice(key * 18 + 6, key * 18 + 12));
    expectClose('scores', [score(5, 2), score(8, 5)], [score(3, 0), score(3, 0)], 1e-13);
    expect(Math.abs(score(5, 2) - score(5, 3))).toBeGreaterThan(1e-3);
  });

  it.each(SHAPES)('backward equals finite differences at B $B, T $T, NH $NH, HS $HS', (shape) => {
    const qkv = randomNormals(numValues(shape), 2);
    const dOut = randomNormals(numValues(shape), 3);
    expectGradient({ what: 'dQkv', loss: () => dot(ropeForward(qkv, shape), dOut), values: qkv, gradient: ropeBackward(dOut, shape) });
  });

  it('starts positions anew with every sequence of the batch', () => {
    const shape = { B: 2, T: 3, NH: 2, HS: 4, theta: 10000 };
    const sequence = randomNormals(3 * 24, 4);
    const turned = ropeForward([...sequence, ...sequence], shape);
    expectClose('second sequence', turned.slice(72), turned.slice(0, 72), 0);
  });
});
