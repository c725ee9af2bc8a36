import { describe, expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { decodeFloat16, encodeFloat16, float16ToFloat32, float32ToFloat16 } from './float16.ts';

describe('float16', () => {
  it('knows the landmarks of the format', () => {
    const landmarks: [number, number][] = [
      [0x0000, 0], [0x3c00, 1], [0xc000, -2], [0x7bff, 65504], [0x0400, 2 ** -14], [0x03ff, 1023 * 2 ** -24], [0x0001, 2 ** -24], [0x3555, 0.333251953125], [0x7c00, Infinity], [0xfc00, -Infinity],
    ];
    for (const [bits, value] of landmarks) {
      expect(float16ToFloat32(bits)).toBe(value);
      expect(float32ToFloat16(value)).toBe(bits);
    }
    expect(Object.is(float16ToFloat32(0x8000), -0)).toBe(true);
    expect(float32ToFloat16(-0)).toBe(0x8000);
    expect(float16ToFloat32(0x7e00)).toBeNaN();
    expect(float16ToFloat32(float32ToFloat16(NaN))).toBeNaN();
  });

  it('takes every half there and back', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = float16ToFloat32(bits);
      if (Number.isNaN(value)) continue;
      if (float32ToFloat16(value) !== bits) expect.fail(`half 0x${bits.toString(16)} comes back as 0x${float32ToFloat16(value).toString(16)}`);
    }
  });

  it('rounds to nearest, ties to even, between all neighbours', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const low = float16ToFloat32(bits);
      const high = float16ToFloat32(bits + 1);
      const middle = (low + high) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const quarter = (high - low) / 4;
      if (float32ToFloat16(middle) !== even || float32ToFloat16(middle - quarter) !== bits || float32ToFloat16(middle + quarter) !== bits + 1) expect.fail(`rounding is wrong above 0x${bits.toString(16)}`);
    }
  });

  it('overflows to infinity where rounding says so and vanishes below half the least subnormal', () => {
    expect(float32ToFloat16(65519.99)).toBe(0x7bff);
    expect(float32ToFloat16(65520)).toBe(0x7c00);
    expect(float32ToFloat16(3e38)).toBe(0x7c00);
    expect(float32ToFloat16(2 ** -25)).toBe(0);
    expect(float32ToFloat16(Math.fround(2 ** -25 * 1.0001))).toBe(1);
    expect(float32ToFloat16(1e-42)).toBe(0);
  });

  it('converts arrays', () => {
    const random = createRandom(3);
    const values = Float32Array.from({ length: 500 }, () => random.normal());
    const back = decodeFloat16(encodeFloat16(values));
    for (let i = 0; i < values.length; i++) expect(Math.abs(back[i] - values[i])).toBeLessThanOrEqual(Math.abs(values[i]) * 2 ** -11 + 2 ** -25);
  });
});
