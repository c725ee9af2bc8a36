// IEEE 754 half precision <-> single precision, subnormals, infinities and NaN included; narrowing rounds to nearest, ties to even.
// Halves travel as their 16 bits (Float16Array is not in every browser yet).

const scratch = new DataView(new ArrayBuffer(4));

/** Value of a half given by its bits (0..65535). Exact: every half is a float32. */
export function float16ToFloat32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 0x1f) return mantissa ? NaN : sign * Infinity;
  return sign * (mantissa + 0x400) * 2 ** (exponent - 25);
}

/** Bits of the half nearest to `value` (taken as float32), ties to even; beyond 65,520 infinity, NaN stays NaN. */
export function float32ToFloat16(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  // Rebias the exponent (127 -> 15). A carry out of the mantissa runs into the exponent, which is what rounding up needs.
  if (magnitude >= 0x38800000) {
    const rebiased = magnitude - 0x38000000;
    const rounded = roundShift(rebiased, 13);
    return sign | Math.min(rounded, 0x7c00);
  }
  // Subnormal half: the value counted in units of 2^-24.
  const exponent = magnitude >>> 23;
  const shift = 126 - exponent;
  if (shift > 24) return sign;
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, shift);
}

/** `value >> shift`, rounded to nearest, ties to even. */
function roundShift(value: number, shift: number): number {
  const quotient = value >>> shift;
  const remainder = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return remainder > half || (remainder === half && (quotient & 1) === 1) ? quotient + 1 : quotient;
}

let halfTable: Float32Array | undefined;

/**
 * Float32 values of an array of halves; through a table of all 65,536 of them, built once.
 * @param memory for the values, where there is some already; at least as long
 */
export function decodeFloat16(halves: Uint16Array, memory = new Float32Array(halves.length)): Float32Array<ArrayBuffer> {
  halfTable ??= Float32Array.from({ length: 0x10000 }, (_, bits) => float16ToFloat32(bits));
  const values = memory.subarray(0, halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = halfTable[halves[i]];
  return values;
}

/** Halves nearest to an array of float32 values. */
export function encodeFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = float32ToFloat16(values[i]);
  return halves;
}
