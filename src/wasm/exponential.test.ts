// The polynomial behind every softmax and sigmoid, element by element against float64: through SwiGLU, whose sigmoid is e^-|g| and one division.
import { expect, it } from 'vitest';
import { createDispatch, submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { createRandom } from '../core/random.ts';
import { openWasm } from './openWasm.ts';

/** Of the sigmoid, relative: two units in the last place of the exponential, one each for the sum, the quotient and the product. */
const TOLERANCE = 5 * 2 ** -24;

it('has small errors from -87 to 87, and ends in 0, NaN and infinity as it should', async () => {
  const gpu = await openWasm();
  const random = createRandom(1);
  const gates = Float32Array.from({ length: 40_000 }, (_, i) => (i % 2 ? 1 : -1) * 87 * random.next() ** 3);
  gates.set([0, -0, -86.9, -88, -200, -Infinity, NaN, 1e-30]);
  const sigmoids = await silusOf(gates);
  for (let i = 8; i < gates.length; i++) {
    const expected = gates[i] / (1 + Math.exp(-gates[i]));
    expect(Math.abs(sigmoids[i] / expected - 1)).toBeLessThan(TOLERANCE);
  }
  const [zero, minusZero, small, none, stillNone, infinite, notANumber, tiny] = sigmoids;
  expect([zero, minusZero, none, stillNone].map(Math.abs)).toEqual([0, 0, 0, 0]);
  expect(Math.abs(small / (-86.9 * Math.exp(-86.9)) - 1)).toBeLessThan(1e-4);
  // -Infinity * 0, as in WGSL.
  expect([infinite, notANumber]).toEqual([NaN, NaN]);
  expect(tiny).toBeCloseTo(5e-31, 36);

  async function silusOf(values: Float32Array): Promise<Float32Array> {
    const F = values.length;
    const gateUp = new Float32Array(2 * F).fill(1);
    gateUp.set(values);
    const [input, act] = [gpu.buffers.upload('test.gateUp', gateUp), gpu.buffers.createFloats('test.act', F)];
    submitOps(gpu, 'test', [await createDispatch(gpu, { label: 'test', wgsl: '', software: { kernel: 'swigluForward', items: 1, args: [F] } }, [input, act], [1])]);
    return readFloats(gpu, act);
  }
});
