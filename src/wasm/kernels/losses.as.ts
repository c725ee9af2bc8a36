// Next-token loss and distillation over rows of logits [rows, V], in place where there is a gradient. An item is a row; V may be any length. A target outside the vocabulary makes loss
// and gradient 0, whatever the row holds.
import { exp1, exp4, largestOf, log1, sumOf } from './lanes.as';

/** Largest of `length` floats; NaN if any is. */
function largestOfRow(row: usize, length: i32): f32 {
  let largests = f32x4.splat(-f32.MAX_VALUE);
  let i = 0;
  for (; i + 4 <= length; i += 4) largests = f32x4.max(largests, v128.load(row + (<usize>i << 2)));
  let largest = largestOf(largests);
  for (; i < length; i++) largest = max(largest, load<f32>(row + (<usize>i << 2)));
  return largest;
}

/** Sum of exp((row - offset) * factor). With `store` the exponentials take the row's place. */
// @ts-ignore: decorator
@inline
function sumOfExponentials(row: usize, length: i32, offset: f32, factor: f32, keep: bool): f32 {
  const offsets = f32x4.splat(offset), factors = f32x4.splat(factor);
  let even = f32x4.splat(0), odd = even;
  let i = 0;
  for (; i + 8 <= length; i += 8) {
    const at = row + (<usize>i << 2);
    const x = exp4(f32x4.mul(f32x4.sub(v128.load(at), offsets), factors));
    const y = exp4(f32x4.mul(f32x4.sub(v128.load(at, 16), offsets), factors));
    even = f32x4.add(even, x);
    odd = f32x4.add(odd, y);
    if (keep) {
      v128.store(at, x);
      v128.store(at, y, 16);
    }
  }
  let sum = sumOf(f32x4.add(even, odd));
  for (; i < length; i++) {
    const at = row + (<usize>i << 2);
    const x = exp1((load<f32>(at) - offset) * factor);
    sum += x;
    if (keep) store<f32>(at, x);
  }
  return sum;
}

/** losses[row] = log(sum exp(row)) - row[target], in nats. */
export function crossEntropyForward(first: i32, end: i32, scratch: usize, logits: usize, targets: usize, losses: usize, V: i32): void {
  for (let row = first; row < end; row++) {
    const token = load<u32>(targets + (row << 2));
    let loss: f32 = 0;
    if (token < <u32>V) {
      const at = logits + ((<usize>row * V) << 2);
      const largest = largestOfRow(at, V);
      loss = largest - load<f32>(at + (<usize>token << 2)) + log1(sumOfExponentials(at, V, largest, 1, false));
    }
    store<f32>(losses + (row << 2), loss);
  }
}

/** The losses, and logits <- (softmax - onehot(target)) * scalars[0]. */
export function crossEntropyForwardBackward(first: i32, end: i32, scratch: usize, logits: usize, targets: usize, losses: usize, scalars: usize, V: i32): void {
  const lossScale = load<f32>(scalars);
  for (let row = first; row < end; row++) {
    const token = load<u32>(targets + (row << 2));
    const at = logits + ((<usize>row * V) << 2);
    if (token >= <u32>V) {
      memory.fill(at, 0, <usize>V << 2);
      store<f32>(losses + (row << 2), 0);
      continue;
    }
    const target = at + (<usize>token << 2);
    const largest = largestOfRow(at, V);
    const targetLogit = load<f32>(target);
    const sum = sumOfExponentials(at, V, largest, 1, true);
    store<f32>(losses + (row << 2), largest - targetLogit + log1(sum));
    const factor = lossScale / sum;
    const factors = f32x4.splat(factor);
    let i = 0;
    for (; i + 4 <= V; i += 4) v128.store(at + (<usize>i << 2), f32x4.mul(v128.load(at + (<usize>i << 2)), factors));
    for (; i < V; i++) store<f32>(at + (<usize>i << 2), load<f32>(at + (<usize>i << 2)) * factor);
    store<f32>(target, load<f32>(target) - lossScale);
  }
}

/**
 * Distillation (https://arxiv.org/abs/1503.02531), with z the student's and t the teacher's logits and mix = [weight, tau]:
 * losses[row] = (1 - weight) * NLL(z, target) + weight * tau^2 * KL(softmax(t / tau) || softmax(z / tau)), and the student's logits <- its gradient times scalars[0].
 */
export function distillationForwardBackward(first: i32, end: i32, scratch: usize, logits: usize, teacherLogits: usize, targets: usize, losses: usize, scalars: usize, mix: usize, V: i32): void {
  const lossScale = load<f32>(scalars);
  const weight = load<f32>(mix);
  const tau = load<f32>(mix, 4);
  const plainFactor = (<f32>1 - weight) * lossScale;
  const sharpness = <f32>1 / tau;
  const softFactor = weight * tau * lossScale;
  for (let row = first; row < end; row++) {
    const token = load<u32>(targets + (row << 2));
    const z = logits + ((<usize>row * V) << 2);
    if (token >= <u32>V) {
      memory.fill(z, 0, <usize>V << 2);
      store<f32>(losses + (row << 2), 0);
      continue;
    }
    const t = teacherLogits + ((<usize>row * V) << 2);
    const target = z + (<usize>token << 2);
    const targetLogit = load<f32>(target);
    const largestZ = largestOfRow(z, V);
    const largestT = largestOfRow(t, V);
    const plainSum = sumOfExponentials(z, V, largestZ, 1, false);
    // The divergence is magnified by tau^2, and its rounding with it: so its sums are kept in float64.
    const studentSum = preciseSumOfExponentials(z, V, largestZ, sharpness);
    const teacherSum = preciseSumOfExponentials(t, V, largestT, sharpness);
    const products = gradientInPlace(z, t, V, largestZ, largestT, sharpness, plainFactor / plainSum, <f32>studentSum, <f32>teacherSum, softFactor);
    store<f32>(target, load<f32>(target) - plainFactor);
    const soft = <f32>(products / teacherSum + Math.log(studentSum / teacherSum));
    store<f32>(losses + (row << 2), (<f32>1 - weight) * (largestZ - targetLogit + log1(plainSum)) + weight * tau * tau * soft);
  }
}

/** v's four lanes added to the two of `sums`, in float64. */
// @ts-ignore: decorator
@inline
function addPrecisely(sums: v128, v: v128): v128 {
  return f64x2.add(f64x2.add(sums, f64x2.promote_low_f32x4(v)), f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1)));
}

/** Sum of exp((row - offset) * factor), added up in float64. */
function preciseSumOfExponentials(row: usize, length: i32, offset: f32, factor: f32): f64 {
  let sums = f64x2.splat(0);
  let i = 0;
  for (; i + 4 <= length; i += 4) sums = addPrecisely(sums, exp4(f32x4.mul(f32x4.sub(v128.load(row + (<usize>i << 2)), f32x4.splat(offset)), f32x4.splat(factor))));
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (; i < length; i++) sum += <f64>exp1((load<f32>(row + (<usize>i << 2)) - offset) * factor);
  return sum;
}

/** z <- exp(z) * plainFactor + (student - teacher) * softFactor; returns the sum of exp(t) * (t - z) at the temperature. */
function gradientInPlace(z: usize, t: usize, V: i32, largestZ: f32, largestT: f32, factor: f32, plainFactor: f32, studentSum: f32, teacherSum: f32, softFactor: f32): f64 {
  let products = f64x2.splat(0);
  let rest: f64 = 0;
  let i = 0;
  for (; i + 4 <= V; i += 4) {
    const at = <usize>i << 2;
    const logit = f32x4.sub(v128.load(z + at), f32x4.splat(largestZ));
    const zSoft = f32x4.mul(logit, f32x4.splat(factor));
    const tSoft = f32x4.mul(f32x4.sub(v128.load(t + at), f32x4.splat(largestT)), f32x4.splat(factor));
    const student = f32x4.div(exp4(zSoft), f32x4.splat(studentSum));
    const exponentials = exp4(tSoft);
    const teacher = f32x4.div(exponentials, f32x4.splat(teacherSum));
    products = addPrecisely(products, f32x4.mul(exponentials, f32x4.sub(tSoft, zSoft)));
    v128.store(z + at, f32x4.add(f32x4.mul(exp4(logit), f32x4.splat(plainFactor)), f32x4.mul(f32x4.sub(student, teacher), f32x4.splat(softFactor))));
  }
  for (; i < V; i++) {
    const at = <usize>i << 2;
    const logit = load<f32>(z + at) - largestZ;
    const zSoft = logit * factor;
    const tSoft = (load<f32>(t + at) - largestT) * factor;
    const student = exp1(zSoft) / studentSum;
    const exponential = exp1(tSoft);
    const teacher = exponential / teacherSum;
    rest += <f64>(exponential * (tSoft - zSoft));
    store<f32>(z + at, exp1(logit) * plainFactor + (student - teacher) * softFactor);
  }
  return f64x2.extract_lane(products, 0) + f64x2.extract_lane(products, 1) + rest;
}
