// AssemblyScript (https://www.assemblyscript.org), not TypeScript: compiled to WebAssembly by ../compileKernels.mjs, outside tsconfig and eslint, which know neither v128 nor its
// arithmetic. What every kernel does on four float32 lanes at once. Lengths count floats, offsets and strides bytes.

/** sum + x * y; in one rounding where the build has relaxed SIMD and the processor fuses. */
// @ts-ignore: decorator
@inline
export function addProduct(sum: v128, x: v128, y: v128): v128 {
  if (isDefined(FUSED)) return f32x4.relaxed_madd(x, y, sum);
  return f32x4.add(sum, f32x4.mul(x, y));
}

/** The four lanes in a fixed order. */
// @ts-ignore: decorator
@inline
export function sumOf(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** NaN if any lane is. */
// @ts-ignore: decorator
@inline
export function largestOf(v: v128): f32 {
  return max(max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)));
}

/** Sum of the products of `length` floats (a multiple of 4) at x and y. */
export function dotOf(x: usize, y: usize, length: i32): f32 {
  let even = f32x4.splat(0);
  let odd = f32x4.splat(0);
  let i: i32 = 0;
  for (; i + 8 <= length; i += 8) {
    even = addProduct(even, v128.load(x), v128.load(y));
    odd = addProduct(odd, v128.load(x, 16), v128.load(y, 16));
    x += 32;
    y += 32;
  }
  if (i < length) even = addProduct(even, v128.load(x), v128.load(y));
  return sumOf(f32x4.add(even, odd));
}

/** dotOf with x of four rows at once, with the same bits: x is loaded once for all. */
// @ts-ignore: decorator
@inline
export function dotOf4(x: usize, row0: usize, row1: usize, row2: usize, row3: usize, length: i32): v128 {
  let even0 = f32x4.splat(0), even1 = f32x4.splat(0), even2 = f32x4.splat(0), even3 = f32x4.splat(0);
  let odd0 = f32x4.splat(0), odd1 = f32x4.splat(0), odd2 = f32x4.splat(0), odd3 = f32x4.splat(0);
  const end = <usize>length << 2;
  let i: usize = 0;
  for (; i + 32 <= end; i += 32) {
    const v = v128.load(x + i);
    even0 = addProduct(even0, v, v128.load(row0 + i));
    even1 = addProduct(even1, v, v128.load(row1 + i));
    even2 = addProduct(even2, v, v128.load(row2 + i));
    even3 = addProduct(even3, v, v128.load(row3 + i));
    const next = v128.load(x + i, 16);
    odd0 = addProduct(odd0, next, v128.load(row0 + i, 16));
    odd1 = addProduct(odd1, next, v128.load(row1 + i, 16));
    odd2 = addProduct(odd2, next, v128.load(row2 + i, 16));
    odd3 = addProduct(odd3, next, v128.load(row3 + i, 16));
  }
  if (i < end) {
    const v = v128.load(x + i);
    even0 = addProduct(even0, v, v128.load(row0 + i));
    even1 = addProduct(even1, v, v128.load(row1 + i));
    even2 = addProduct(even2, v, v128.load(row2 + i));
    even3 = addProduct(even3, v, v128.load(row3 + i));
  }
  return f32x4(sumOf(f32x4.add(even0, odd0)), sumOf(f32x4.add(even1, odd1)), sumOf(f32x4.add(even2, odd2)), sumOf(f32x4.add(even3, odd3)));
}

/**
 * e^x for x up to 88, within 2 units in the last place; 0 below -87.3 and NaN for NaN. 2^n * e^r with |r| <= ln(2) / 2, and e^r as Cephes' expf has it
 * (https://www.netlib.org/cephes/).
 */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const clamped = f32x4.max(f32x4.min(x, f32x4.splat(88)), f32x4.splat(-88));
  const n = f32x4.nearest(f32x4.mul(clamped, f32x4.splat(1.44269504088896341)));
  // ln(2) in two parts, the first with so few bits that n times it is exact.
  let r = f32x4.sub(clamped, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = addProduct(f32x4.splat(1.3981999507e-3), r, f32x4.splat(1.9875691500e-4));
  p = addProduct(f32x4.splat(8.3334519073e-3), r, p);
  p = addProduct(f32x4.splat(4.1665795894e-2), r, p);
  p = addProduct(f32x4.splat(1.6666665459e-1), r, p);
  p = addProduct(f32x4.splat(5.0000001201e-1), r, p);
  const y = f32x4.add(addProduct(r, f32x4.mul(r, r), p), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return v128.andnot(f32x4.mul(y, power), f32x4.lt(x, f32x4.splat(-87.3)));
}

/** exp4 of one number. */
// @ts-ignore: decorator
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** Natural logarithm, computed in float64. */
// @ts-ignore: decorator
@inline
export function log1(x: f32): f32 {
  return <f32>Math.log(<f64>x);
}
