import { describe, expect, it } from 'vitest';
import { expectClose } from '../testing/allclose.ts';
import { dot, expectGradient, randomNormals } from '../testing/gradcheck.ts';
import { swigluBackward, swigluForward } from './swiglu.ts';

const SHAPES = [{ rows: 4, F: 5 }, { rows: 1, F: 9 }, { rows: 7, F: 1 }, { rows: 1, F: 1 }];

describe('swiglu', () => {
  it('gates up by gate * sigmoid(gate), gate first in a row', () => {
    const gate = Math.log(3); // sigmoid = 3/4
    expectClose('act', swigluForward([gate, 0, 2, 7], { rows: 1, F: 2 }), [1.5 * gate, 0], 1e-15);
  });

  it.each(SHAPES)('backward equals finite differences at $rows x $F', (shape) => {
    const gateUp = randomNormals(shape.rows * 2 * shape.F, 1);
    const dAct = randomNormals(shape.rows * shape.F, 2);
    expectGradient({
      what: 'dGateUp',
      loss: () => dot(swigluForward(gateUp, shape), dAct),
      values: gateUp,
      gradient: swigluBackward(dAct, gateUp, shape),
    });
  });

  it('stays finite far out on both sides', () => {
    const gateUp = [-800, 800, 1, 1];
    expect([...swigluForward(gateUp, { rows: 1, F: 2 })]).toEqual([-0, 800]);
    expect([...swigluBackward([1, 1], gateUp, { rows: 1, F: 2 })].every(Number.isFinite)).toBe(true);
  });
});
