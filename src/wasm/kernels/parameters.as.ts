// What runs over all parameters: gradient norm, AdamW, projection from slices; and moving bytes.
import { addProduct, sumOf } from './lanes.as';

/** Smaller numbers are set to 0 in AdamW's memory: moments of a token that is not seen any more would decay into denormal numbers, on which processors are a hundred times slower, and stay there. */
const TINY: f32 = 1e-36;

/** partials[item] = sum of squares of floats [item * perItem, (item + 1) * perItem) of `numFloats`. */
export function gradientSquares(first: i32, end: i32, scratch: usize, gradients: usize, partials: usize, numFloats: i32, perItem: i32): void {
  for (let item = first; item < end; item++) {
    let i = item * perItem;
    const last = min(numFloats, i + perItem);
    let even = f32x4.splat(0), odd = even;
    for (; i + 8 <= last; i += 8) {
      const x = v128.load(gradients + (<usize>i << 2)), y = v128.load(gradients + (<usize>i << 2), 16);
      even = addProduct(even, x, x);
      odd = addProduct(odd, y, y);
    }
    let sum = sumOf(f32x4.add(even, odd));
    for (; i < last; i++) {
      const x = load<f32>(gradients + (<usize>i << 2));
      sum += x * x;
    }
    store<f32>(partials + (<usize>item << 2), sum);
  }
}

/** norm = [the root of the partials' sum times scalars[11], min(1, scalars[1] / that) * scalars[11]]. One item; in float64. */
export function gradientFinish(first: i32, end: i32, scratch: usize, partials: usize, scalars: usize, norm: usize, numPartials: i32): void {
  if (first >= end) return;
  let sum: f64 = 0;
  for (let i = 0; i < numPartials; i++) sum += <f64>load<f32>(partials + (<usize>i << 2));
  const inverseScale = load<f32>(scalars, 44);
  const root = <f32>Math.sqrt(sum) * inverseScale;
  store<f32>(norm, root);
  store<f32>(norm, min<f32>(1, load<f32>(scalars, 4) / max<f32>(root, 1e-30)) * inverseScale, 4);
}

/** scalars: as STEP_SCALARS of kernels/stepScalars.ts. An item is `perItem` floats, a multiple of 4. Where norm[0] is not finite nothing changes. */
export function adamw(first: i32, end: i32, scratch: usize, weights: usize, gradients: usize, m: usize, v: usize, scalars: usize, norm: usize, numFloats: i32, decays: bool, perItem: i32): void {
  if (!isFinite<f32>(load<f32>(norm))) return;
  const clip = load<f32>(norm, 4);
  const rate = load<f32>(scalars, 8), beta1 = load<f32>(scalars, 12), beta2 = load<f32>(scalars, 16), epsilon = load<f32>(scalars, 20);
  const decay: f32 = decays ? load<f32>(scalars, 24) : 0;
  const correction1 = load<f32>(scalars, 28), correction2 = load<f32>(scalars, 32), rest1 = load<f32>(scalars, 36), rest2 = load<f32>(scalars, 40);
  const last = min(numFloats, end * perItem);
  let i = first * perItem;
  for (; i + 4 <= last; i += 4) {
    const at = <usize>i << 2;
    const weight = v128.load(weights + at);
    const gradient = f32x4.mul(v128.load(gradients + at), f32x4.splat(clip));
    let mean = f32x4.add(f32x4.mul(v128.load(m + at), f32x4.splat(beta1)), f32x4.mul(gradient, f32x4.splat(rest1)));
    let square = f32x4.add(f32x4.mul(v128.load(v + at), f32x4.splat(beta2)), f32x4.mul(f32x4.mul(f32x4.splat(rest2), gradient), gradient));
    mean = v128.andnot(mean, f32x4.lt(f32x4.abs(mean), f32x4.splat(TINY)));
    square = v128.andnot(square, f32x4.lt(square, f32x4.splat(TINY)));
    let change = f32x4.div(f32x4.div(mean, f32x4.splat(correction1)), f32x4.add(f32x4.sqrt(f32x4.div(square, f32x4.splat(correction2))), f32x4.splat(epsilon)));
    if (decays) change = f32x4.add(change, f32x4.mul(f32x4.splat(decay), weight));
    v128.store(m + at, mean);
    v128.store(v + at, square);
    v128.store(weights + at, f32x4.sub(weight, f32x4.mul(f32x4.splat(rate), change)));
  }
  for (; i < last; i++) {
    const at = <usize>i << 2;
    const weight = load<f32>(weights + at);
    const gradient = load<f32>(gradients + at) * clip;
    let mean = load<f32>(m + at) * beta1 + gradient * rest1;
    let square = load<f32>(v + at) * beta2 + rest2 * gradient * gradient;
    if (abs(mean) < TINY) mean = 0;
    if (square < TINY) square = 0;
    const change = mean / correction1 / (sqrt<f32>(square / correction2) + epsilon) + decay * weight;
    store<f32>(m + at, mean);
    store<f32>(v + at, square);
    store<f32>(weights + at, weight - rate * change);
  }
}

/** Four float16 in the low halves of four words, as float32; infinities and NaN stay such. */
// @ts-ignore: decorator
@inline
function fromHalves(words: v128): v128 {
  const sign = i32x4.shl(v128.and(words, i32x4.splat(0x8000)), 16);
  const magnitude = i32x4.shl(v128.and(words, i32x4.splat(0x7fff)), 13);
  // The exponent's bias differs by 112, and multiplying makes denormals right, too.
  const finite = f32x4.mul(magnitude, f32x4.splat(reinterpret<f32>(239 << 23)));
  const special = v128.or(magnitude, i32x4.splat(0x7f800000));
  return v128.or(sign, v128.bitselect(special, finite, i32x4.ge_s(magnitude, i32x4.splat(0x0f800000))));
}

/** Floats i .. i + 3 of a slice. */
// @ts-ignore: decorator
@inline
function slice4(slice: usize, i: i32, isHalf: bool): v128 {
  if (isHalf) return fromHalves(v128.load_ext<u16>(slice + (<usize>i << 1)));
  return v128.load(slice + (<usize>i << 2));
}

// @ts-ignore: decorator
@inline
function slice1(slice: usize, i: i32, isHalf: bool): f32 {
  if (isHalf) return f32x4.extract_lane(fromHalves(i32x4.splat(load<u16>(slice + (<usize>i << 1)))), 0);
  return load<f32>(slice + (<usize>i << 2));
}

/** weight[size] (= | +=) sum over r < h of coefficients[firstSlice + r] * T[r], T [h, size] in float16 or float32. An item is `perItem` floats of weight, a multiple of 4. */
export function projectionForward(first: i32, end: i32, scratch: usize, slices: usize, coefficients: usize, weight: usize, h: i32, size: i32, firstSlice: i32, isHalf: bool, accumulate: bool, perItem: i32): void {
  const begin = first * perItem;
  const last = min(size, end * perItem);
  const factors = coefficients + (firstSlice << 2);
  const sliceBytes: usize = <usize>size << (isHalf ? 1 : 2);
  let i = begin;
  for (; i + 4 <= last; i += 4) {
    const at = weight + (<usize>i << 2);
    let sum = accumulate ? v128.load(at) : f32x4.splat(0);
    for (let r = 0; r < h; r++) sum = addProduct(sum, v128.load_splat<f32>(factors + (r << 2)), slice4(slices + <usize>r * sliceBytes, i, isHalf));
    v128.store(at, sum);
  }
  for (; i < last; i++) {
    const at = weight + (<usize>i << 2);
    let sum: f32 = accumulate ? load<f32>(at) : 0;
    for (let r = 0; r < h; r++) sum += load<f32>(factors + (r << 2)) * slice1(slices + <usize>r * sliceBytes, i, isHalf);
    store<f32>(at, sum);
  }
}

/** partials[r][p] = dot of dWeight and T[r] over part p of size floats. An item is (r, p), r slowest. */
export function projectionProducts(first: i32, end: i32, scratch: usize, slices: usize, dWeight: usize, partials: usize, size: i32, isHalf: bool, numPartials: i32): void {
  const perPart = ((size + numPartials - 1) / numPartials + 3) & ~3;
  const sliceBytes: usize = <usize>size << (isHalf ? 1 : 2);
  for (let item = first; item < end; item++) {
    const r = item / numPartials;
    const slice = slices + <usize>r * sliceBytes;
    let i = (item - r * numPartials) * perPart;
    const last = min(size, i + perPart);
    let sums = f32x4.splat(0);
    for (; i + 4 <= last; i += 4) sums = addProduct(sums, v128.load(dWeight + (<usize>i << 2)), slice4(slice, i, isHalf));
    let sum = sumOf(sums);
    for (; i < last; i++) sum += load<f32>(dWeight + (<usize>i << 2)) * slice1(slice, i, isHalf);
    store<f32>(partials + (<usize>item << 2), sum);
  }
}

/** dCoefficients[firstSlice + r] = the sum of partials[r]; in float64. An item is r. */
export function projectionFinish(first: i32, end: i32, scratch: usize, partials: usize, dCoefficients: usize, numPartials: i32, firstSlice: i32): void {
  for (let r = first; r < end; r++) {
    let sum: f64 = 0;
    for (let p = 0; p < numPartials; p++) sum += <f64>load<f32>(partials + (<usize>(r * numPartials + p) << 2));
    store<f32>(dCoefficients + (<usize>(firstSlice + r) << 2), <f32>sum);
  }
}

/** An item is `perItem` bytes of `numBytes`. */
export function copyBytes(first: i32, end: i32, scratch: usize, source: usize, target: usize, numBytes: u32, perItem: u32): void {
  const begin = <usize>first * perItem;
  memory.copy(target + begin, source + begin, min<usize>(numBytes, <usize>end * perItem) - begin);
}

/** As copyBytes, with zeros. */
export function clearBytes(first: i32, end: i32, scratch: usize, target: usize, numBytes: u32, perItem: u32): void {
  const begin = <usize>first * perItem;
  memory.fill(target + begin, 0, min<usize>(numBytes, <usize>end * perItem) - begin);
}
