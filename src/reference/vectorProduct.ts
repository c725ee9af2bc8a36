// CPU twins of the fused products of one token: each is the twins of its parts, one after the other.
import { matmul } from './matmul.ts';
import { rmsnormForward } from './rmsnorm.ts';
import { ropeForward } from './rope.ts';
import { swigluForward } from './swiglu.ts';

interface NormedVector {
  /** [K] */
  readonly x: ArrayLike<number>;
  /** [K] */
  readonly normWeight: ArrayLike<number>;
  /** [N, K] */
  readonly w: ArrayLike<number>;
}

/** [N] = w . rmsnorm(x). */
export function normProduct({ x, normWeight, w }: NormedVector, { N, K, eps }: { readonly N: number; readonly K: number; readonly eps: number }): Float64Array {
  return matmul('NT', rmsnormForward(x, normWeight, { rows: 1, C: K, eps }).y, w, { M: 1, N, K });
}

/** q, k and v, [NH * HS] each, of w [3 * NH * HS, K]; q and k turned by `position`. */
export function normQkv(
  vector: NormedVector,
  { NH, HS, K, eps, theta, position }: { readonly NH: number; readonly HS: number; readonly K: number; readonly eps: number; readonly theta: number; readonly position: number },
): { query: Float64Array; key: Float64Array; value: Float64Array } {
  const C = NH * HS;
  const rows = new Float64Array((position + 1) * 3 * C);
  rows.set(normProduct(vector, { N: 3 * C, K, eps }), position * 3 * C);
  const [query, key, value] = [0, 1, 2].map((section) => ropeForward(rows, { B: 1, T: position + 1, NH, HS, theta }).slice(position * 3 * C + section * C, position * 3 * C + (section + 1) * C));
  return { query, key, value };
}

/** [F] = silu(gate) * up of w [2F, K], gate first. */
export function normSwiglu(vector: NormedVector, { F, K, eps }: { readonly F: number; readonly K: number; readonly eps: number }): Float64Array {
  return swigluForward(normProduct(vector, { N: 2 * F, K, eps }), { rows: 1, F });
}
