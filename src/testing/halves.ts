// Comparing what kernels store as halves (kernels/storageWgsl.ts) with twins that know nothing of them: the twin gets inputs that are halves already, and its outputs are
// rounded by the kernel alone.
import { decodeFloat16, encodeFloat16 } from '../core/float16.ts';

/** Each value as the nearest half. */
export const roundedToHalves = (values: Float32Array): Float32Array => decodeFloat16(encodeFloat16(values));

/** WGSL may round to either neighbour: one unit in the last of 11 bits, of the smallest halves 2^-24. */
const ULP = 2 ** -10;
const SMALLEST = 2 ** -24;
/** Below it a device may take any half for zero. */
const SMALLEST_NORMAL = 2 ** -14;

/**
 * For halves that should be those of `expected`, computed in f32 up to `tolerance` times the largest.
 * @throws Error naming `what`, the first index that differs by more than rounding and both values; NaN always does
 */
export function expectCloseHalves(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  if (actual.length !== expected.length) throw new Error(`${what}: ${actual.length} numbers, not ${expected.length}`);
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    const size = Math.abs(expected[i]);
    const rounding = size < SMALLEST_NORMAL ? size + SMALLEST : ULP * size;
    const difference = Math.abs(actual[i] - expected[i]);
    if (!(difference <= rounding + tolerance * scale)) throw new Error(`${what}: number ${i} is ${actual[i]}, not ${expected[i]} within ${rounding + tolerance * scale}`);
  }
}
