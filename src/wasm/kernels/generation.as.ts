// Generating one token: products with the RMSNorm before them and what follows them, and the choice of the next token. An item of a product is a set of four rows; each call norms x once into its scratch [K].
import { addProduct, dotOf4, exp4, sumOf } from './lanes.as';
import { sigmoid4 } from './layers.as';

/** scratch [K] = x * weight / rms(x). */
function normInto(scratch: usize, x: usize, weight: usize, K: i32, eps: f32): void {
  const bytes: usize = <usize>K << 2;
  let squares = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(x + i);
    squares = addProduct(squares, v, v);
  }
  const rstd = f32x4.splat(1 / sqrt<f32>(sumOf(squares) / <f32>K + eps));
  for (let i: usize = 0; i < bytes; i += 16) v128.store(scratch + i, f32x4.mul(f32x4.mul(v128.load(x + i), rstd), v128.load(weight + i)));
}

/** y [N] = w [N, K] . rmsnorm(x). */
export function vectorNormProduct(first: i32, end: i32, scratch: usize, x: usize, weight: usize, w: usize, y: usize, N: i32, K: i32, eps: f32): void {
  normInto(scratch, x, weight, K, eps);
  const rowBytes: usize = <usize>K << 2;
  for (let item = first; item < end; item++) {
    const row = item << 2;
    // Rows past the last are the last once more.
    const start = w + <usize>row * rowBytes;
    const left = N - row;
    const sums = dotOf4(scratch, start, start + (left > 1 ? rowBytes : 0), start + <usize>min(2, left - 1) * rowBytes, start + <usize>min(3, left - 1) * rowBytes, K);
    const to = y + (<usize>row << 2);
    if (left >= 4) {
      v128.store(to, sums);
      continue;
    }
    store<f32>(to, f32x4.extract_lane(sums, 0));
    if (left > 1) store<f32>(to, f32x4.extract_lane(sums, 1), 4);
    if (left > 2) store<f32>(to, f32x4.extract_lane(sums, 2), 8);
  }
}

/** query [NH * HS] and the caches' rows state[0] from w [3 * NH * HS, K] . rmsnorm(x); cosSin [position][HS / 2][2]. A set is two neighbouring pairs, each of a dimension and the one half a head further. */
export function vectorNormQkv(
  first: i32, end: i32, scratch: usize, x: usize, weight: usize, w: usize, cosSin: usize, state: usize, query: usize, keyCache: usize, valueCache: usize, NH: i32, HS: i32, K: i32, eps: f32,
): void {
  normInto(scratch, x, weight, K, eps);
  const rowBytes: usize = <usize>K << 2;
  const steps = HS >> 2;
  const perSection = NH * steps;
  const half = HS >> 1;
  const position = <usize>load<u32>(state);
  const cached = (position * NH * HS) << 2;
  for (let item = first; item < end; item++) {
    const section = item / perSection;
    const within = item - section * perSection;
    const head = within / steps;
    const step = within - head * steps;
    const column = head * HS + 2 * step;
    const start = w + (<usize>(section * NH * HS + column)) * rowBytes;
    const across = <usize>half * rowBytes;
    // Low pair, high pair.
    const sums = dotOf4(scratch, start, start + rowBytes, start + across, start + across + rowBytes, K);
    let result = sums;
    if (section < 2) {
      const angle = v128.load(cosSin + ((position * HS + 4 * step) << 2));
      const cosine = v128.shuffle<i32>(angle, angle, 0, 2, 0, 2);
      const sine = f32x4.mul(v128.shuffle<i32>(angle, angle, 1, 3, 1, 3), f32x4(-1, -1, 1, 1));
      result = f32x4.add(f32x4.mul(sums, cosine), f32x4.mul(v128.shuffle<i32>(sums, sums, 2, 3, 0, 1), sine));
    }
    const to = (section == 0 ? query : (section == 1 ? keyCache : valueCache) + cached) + (<usize>column << 2);
    v128.store64_lane(to, result, 0);
    v128.store64_lane(to + (<usize>half << 2), result, 1);
  }
}

/** activation [F] = silu(gate) * up of w [2F, K] . rmsnorm(x), gate first. A set is two rows of gate and the two of up. */
export function vectorNormSwiglu(first: i32, end: i32, scratch: usize, x: usize, weight: usize, w: usize, activation: usize, F: i32, K: i32, eps: f32): void {
  normInto(scratch, x, weight, K, eps);
  const rowBytes: usize = <usize>K << 2;
  for (let item = first; item < end; item++) {
    const gate = w + (<usize>item << 1) * rowBytes;
    const up = gate + <usize>F * rowBytes;
    const sums = dotOf4(scratch, gate, gate + rowBytes, up, up + rowBytes, K);
    const result = f32x4.mul(f32x4.mul(sums, sigmoid4(sums)), v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
    v128.store64_lane(activation + (<usize>item << 3), result, 0);
  }
}

/** x [C] = row tokens[state[0]] of table [V, C]. One item. */
export function embeddingDecode(first: i32, end: i32, scratch: usize, tokens: usize, table: usize, x: usize, state: usize, C: i32): void {
  if (first >= end) return;
  const bytes: usize = <usize>C << 2;
  memory.copy(x, table + <usize>load<u32>(tokens + (<usize>load<u32>(state) << 2)) * bytes, bytes);
}

/** state[0] += 1. One item. */
export function advance(first: i32, end: i32, scratch: usize, state: usize): void {
  if (first < end) store<u32>(state, load<u32>(state) + 1);
}

/** Sum of the weights whose bits are at least `least`. Bits of positive floats order as the floats do. */
function massFrom(weights: usize, count: i32, least: i32): f32 {
  const bound = i32x4.splat(least);
  let even = f32x4.splat(0);
  let odd = f32x4.splat(0);
  const end = weights + (<usize>count << 2);
  let at = weights;
  for (; at + 32 <= end; at += 32) {
    const v = v128.load(at), next = v128.load(at, 16);
    even = f32x4.add(even, v128.and(v, i32x4.ge_s(v, bound)));
    odd = f32x4.add(odd, v128.and(next, i32x4.ge_s(next, bound)));
  }
  if (at < end) {
    const v = v128.load(at);
    even = f32x4.add(even, v128.and(v, i32x4.ge_s(v, bound)));
  }
  return sumOf(f32x4.add(even, odd));
}

/** How many weights have bits of at least `least`. */
function countFrom(weights: usize, count: i32, least: i32): i32 {
  const bound = i32x4.splat(least);
  let counts = i32x4.splat(0);
  const end = weights + (<usize>count << 2);
  // A comparison that holds is -1.
  for (let at = weights; at < end; at += 16) counts = i32x4.sub(counts, i32x4.ge_s(v128.load(at), bound));
  return i32x4.extract_lane(counts, 0) + i32x4.extract_lane(counts, 1) + i32x4.extract_lane(counts, 2) + i32x4.extract_lane(counts, 3);
}

/** The largest bits from which on the weights sum to at least `wanted`, or are at least `wanted` many. */
function leastFor(weights: usize, count: i32, wanted: f32, counting: bool): i32 {
  let least = 0;
  for (let step = 1 << 29; step > 0; step >>= 1) {
    if ((counting ? <f32>countFrom(weights, count, least + step) : massFrom(weights, count, least + step)) >= wanted) least += step;
  }
  return least;
}

const NOT_FINITE: i32 = 0x7f800000;

/** The token of position state[0] + 1 from `count` logits (a multiple of 4, padded), as ../../kernels/sampling.wgsl says. One item. */
export function chooseToken(first: i32, end: i32, scratch: usize, logits: usize, options: usize, draws: usize, weights: usize, tokens: usize, state: usize, count: i32): void {
  if (first >= end) return;
  const position = load<u32>(state);
  const bytes = <usize>count << 2;
  store<u32>(state, position + 1);
  const to = tokens + (<usize>(position + 1) << 2);
  let largests = v128.load(logits);
  let broken = i32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(logits + i);
    broken = v128.or(broken, i32x4.eq(v128.and(v, i32x4.splat(NOT_FINITE)), i32x4.splat(NOT_FINITE)));
    largests = f32x4.max(largests, v);
  }
  if (v128.any_true(broken)) {
    store<u32>(to, 0);
    if (load<u32>(state, 4) == 0) store<u32>(state, position + 1, 4);
    return;
  }
  const largest = max(max(f32x4.extract_lane(largests, 0), f32x4.extract_lane(largests, 1)), max(f32x4.extract_lane(largests, 2), f32x4.extract_lane(largests, 3)));
  let best = 0;
  while (load<f32>(logits + (<usize>best << 2)) != largest) best++;
  store<u32>(to, best);
  const temperature = load<f32>(options);
  if (!(temperature > 0)) return;

  const offset = f32x4.splat(largest), divisor = f32x4.splat(temperature);
  for (let i: usize = 0; i < bytes; i += 16) v128.store(weights + i, exp4(f32x4.div(f32x4.sub(v128.load(logits + i), offset), divisor)));
  let least = 0;
  let numLeast = count;
  let mass = massFrom(weights, count, 0);
  const topP = load<f32>(options, 4);
  const topK = <i32>load<f32>(options, 8);
  if (topK > 0 && topK < count) {
    least = leastFor(weights, count, <f32>topK, true);
    numLeast = topK - countFrom(weights, count, least + 1);
    mass = massFrom(weights, count, least + 1) + <f32>numLeast * reinterpret<f32>(least);
  }
  if (topP < 1) {
    const wanted = topP * mass;
    const found = max(least, leastFor(weights, count, wanted, false));
    const above = massFrom(weights, count, found + 1);
    const needed = <i32>min(<f32>count, max(<f32>1, ceil<f32>((wanted - above) / max(reinterpret<f32>(found), <f32>1e-38))));
    numLeast = found == least ? min(numLeast, needed) : needed;
    least = found;
    mass = above + <f32>numLeast * reinterpret<f32>(least);
  }
  let left = load<f32>(draws + (<usize>position << 2)) * mass;
  for (let id = 0; id < count; id++) {
    const weight = load<f32>(weights + (<usize>id << 2));
    const bits = reinterpret<i32>(weight);
    if (bits < least || weight == 0 || (bits == least && numLeast-- <= 0)) continue;
    // The last that is kept, should rounding leave something.
    store<u32>(to, id);
    left -= weight;
    if (left < 0) return;
  }
}

/** keyCache, valueCache [item, C] from qkv [item, 3C]. An item is a token. */
export function cacheRows(first: i32, end: i32, scratch: usize, qkv: usize, keyCache: usize, valueCache: usize, C: i32): void {
  const rowBytes: usize = <usize>C << 2;
  for (let row: usize = first; row < <usize>end; row++) {
    const keys = qkv + (3 * row + 1) * rowBytes;
    memory.copy(keyCache + row * rowBytes, keys, rowBytes);
    memory.copy(valueCache + row * rowBytes, keys + rowBytes, rowBytes);
  }
}
