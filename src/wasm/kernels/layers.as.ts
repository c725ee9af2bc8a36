// What lies between the matrix products of a layer: embedding, RMSNorm, rotary positions, SwiGLU. An item is a row unless it says otherwise; widths are multiples of 4.
import { addProduct, exp4, sumOf } from './lanes.as';

/** tokens (u32 [rows]), table [V, C] -> x [rows, C]. */
export function embeddingForward(first: i32, end: i32, scratch: usize, tokens: usize, table: usize, x: usize, rows: i32, C: i32): void {
  const bytes: usize = <usize>C << 2;
  for (let row = first; row < end; row++) memory.copy(x + <usize>row * bytes, table + <usize>load<u32>(tokens + (row << 2)) * bytes, bytes);
}

/** dTable [V, C] += the rows of dx by token. An item is a distinct token (there are starts[0] of them, at most as many as rows); rows of one are added in order. */
export function embeddingBackward(first: i32, end: i32, scratch: usize, dx: usize, order: usize, starts: usize, dTable: usize, rows: i32, C: i32): void {
  const bytes: usize = <usize>C << 2;
  const numDistinct = <i32>load<u32>(starts);
  for (let i = first; i < min(end, numDistinct); i++) {
    const group = starts + (<usize>(1 + i) << 3);
    const from = <i32>load<u32>(group, 4);
    const to = i + 1 < numDistinct ? <i32>load<u32>(group, 12) : rows;
    const target = dTable + <usize>load<u32>(group) * bytes;
    for (let column: usize = 0; column < bytes; column += 16) {
      let total = f32x4.splat(0);
      for (let row = from; row < to; row++) total = f32x4.add(total, v128.load(dx + <usize>load<u32>(order + (row << 2)) * bytes + column));
      v128.store(target + column, f32x4.add(v128.load(target + column), total));
    }
  }
}

// @ts-ignore: decorator
@inline
function rstdOf(sumOfSquares: f32, C: i32, eps: f32): f32 {
  return 1 / sqrt<f32>(sumOfSquares / <f32>C + eps);
}

/** y = x * rstd * weight, rstd [rows] = 1 / sqrt(mean(x^2) + eps). */
export function rmsnormForward(first: i32, end: i32, scratch: usize, x: usize, weight: usize, y: usize, rstd: usize, C: i32, eps: f32): void {
  const bytes: usize = <usize>C << 2;
  for (let row = first; row < end; row++) {
    const at = <usize>row * bytes;
    let squares = f32x4.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) {
      const v = v128.load(x + at + i);
      squares = addProduct(squares, v, v);
    }
    const r = rstdOf(sumOf(squares), C, eps);
    const rs = f32x4.splat(r);
    for (let i: usize = 0; i < bytes; i += 16) v128.store(y + at + i, f32x4.mul(f32x4.mul(v128.load(x + at + i), rs), v128.load(weight + i)));
    store<f32>(rstd + (row << 2), r);
  }
}

/** The norm of sum = x + addend. */
export function rmsnormForwardAdded(first: i32, end: i32, scratch: usize, x: usize, weight: usize, y: usize, rstd: usize, addend: usize, sum: usize, C: i32, eps: f32): void {
  const bytes: usize = <usize>C << 2;
  for (let row = first; row < end; row++) {
    const at = <usize>row * bytes;
    let squares = f32x4.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) {
      const v = f32x4.add(v128.load(x + at + i), v128.load(addend + at + i));
      v128.store(sum + at + i, v);
      squares = addProduct(squares, v, v);
    }
    const r = rstdOf(sumOf(squares), C, eps);
    const rs = f32x4.splat(r);
    for (let i: usize = 0; i < bytes; i += 16) v128.store(y + at + i, f32x4.mul(f32x4.mul(v128.load(sum + at + i), rs), v128.load(weight + i)));
    store<f32>(rstd + (row << 2), r);
  }
}

/** With n = x * rstd and dn = dy * weight: dx (= | +=) rstd * (dn - n * mean(dn * n)). */
export function rmsnormInputGradient(first: i32, end: i32, scratch: usize, x: usize, weight: usize, rstd: usize, dy: usize, dx: usize, C: i32, accumulate: bool): void {
  const bytes: usize = <usize>C << 2;
  for (let row = first; row < end; row++) {
    const at = <usize>row * bytes;
    const r = f32x4.splat(load<f32>(rstd + (row << 2)));
    let shares = f32x4.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) {
      shares = addProduct(shares, f32x4.mul(v128.load(dy + at + i), v128.load(weight + i)), f32x4.mul(v128.load(x + at + i), r));
    }
    const mean = f32x4.splat(sumOf(shares) / <f32>C);
    for (let i: usize = 0; i < bytes; i += 16) {
      const dn = f32x4.mul(v128.load(dy + at + i), v128.load(weight + i));
      const n = f32x4.mul(v128.load(x + at + i), r);
      const gradient = f32x4.mul(f32x4.sub(dn, f32x4.mul(n, mean)), r);
      v128.store(dx + at + i, accumulate ? f32x4.add(v128.load(dx + at + i), gradient) : gradient);
    }
  }
}

/** partials[chunk][C] = sum over the chunk's rows of dy * x * rstd. An item is a chunk of rowsPerChunk rows. */
export function rmsnormWeightPartials(first: i32, end: i32, scratch: usize, x: usize, rstd: usize, dy: usize, partials: usize, rows: i32, C: i32, rowsPerChunk: i32): void {
  const bytes: usize = <usize>C << 2;
  for (let chunk = first; chunk < end; chunk++) {
    const to = partials + <usize>chunk * bytes;
    memory.fill(to, 0, bytes);
    const last = min(rows, (chunk + 1) * rowsPerChunk);
    for (let row = chunk * rowsPerChunk; row < last; row++) {
      const at = <usize>row * bytes;
      const r = f32x4.splat(load<f32>(rstd + (row << 2)));
      for (let i: usize = 0; i < bytes; i += 16) {
        v128.store(to + i, addProduct(v128.load(to + i), f32x4.mul(v128.load(dy + at + i), v128.load(x + at + i)), r));
      }
    }
  }
}

/** dWeight [C] += the sum of the chunks' partials. An item is four columns. */
export function rmsnormWeightGradient(first: i32, end: i32, scratch: usize, partials: usize, dWeight: usize, C: i32, numChunks: i32): void {
  for (let four = first; four < end; four++) {
    const column = <usize>four << 4;
    let total = f32x4.splat(0);
    for (let chunk = 0; chunk < numChunks; chunk++) total = f32x4.add(total, v128.load(partials + ((<usize>chunk * C) << 2) + column));
    v128.store(dWeight + column, f32x4.add(v128.load(dWeight + column), total));
  }
}

/** Turns q and k of one row; cosSin [position][HS / 2][2]. */
function turn(qkv: usize, cosSin: usize, NH: i32, HS: i32, direction: f32): void {
  const half: usize = <usize>(HS / 2) << 2;
  const signs = f32x4.splat(direction);
  for (let head = 0; head < 2 * NH; head++) {
    const low = qkv + ((<usize>head * HS) << 2);
    let i: usize = 0;
    for (; i + 16 <= half; i += 16) {
      const left = v128.load(cosSin + 2 * i), right = v128.load(cosSin + 2 * i, 16);
      const cosine = v128.shuffle<i32>(left, right, 0, 2, 4, 6);
      const sine = f32x4.mul(v128.shuffle<i32>(left, right, 1, 3, 5, 7), signs);
      const a = v128.load(low + i), b = v128.load(low + half + i);
      v128.store(low + i, f32x4.sub(f32x4.mul(a, cosine), f32x4.mul(b, sine)));
      v128.store(low + half + i, f32x4.add(f32x4.mul(b, cosine), f32x4.mul(a, sine)));
    }
    for (; i < half; i += 4) {
      const cosine = load<f32>(cosSin + 2 * i);
      const sine = load<f32>(cosSin + 2 * i, 4) * direction;
      const a = load<f32>(low + i), b = load<f32>(low + half + i);
      store<f32>(low + i, a * cosine - b * sine);
      store<f32>(low + half + i, b * cosine + a * sine);
    }
  }
}

/** In place on q and k of qkv [rows, 3*NH*HS]; row r is at position r mod T, direction -1 turns back. */
export function ropeRotate(first: i32, end: i32, scratch: usize, qkv: usize, cosSin: usize, T: i32, NH: i32, HS: i32, direction: f32): void {
  for (let row = first; row < end; row++) turn(qkv + ((<usize>row * 3 * NH * HS) << 2), cosSin + ((<usize>(row % T) * HS) << 2), NH, HS, direction);
}

/** Through exp(-|g|), which cannot overflow. */
// @ts-ignore: decorator
@inline
export function sigmoid4(g: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(g)));
  const one = f32x4.splat(1);
  return f32x4.div(v128.bitselect(one, e, f32x4.ge(g, f32x4.splat(0))), f32x4.add(one, e));
}

/** act [rows, F] = silu(gate) * up of gateUp [rows, 2F], gate first. */
export function swigluForward(first: i32, end: i32, scratch: usize, gateUp: usize, act: usize, F: i32): void {
  const bytes: usize = <usize>F << 2;
  for (let row = first; row < end; row++) {
    const gates = gateUp + <usize>row * 2 * bytes;
    const to = act + <usize>row * bytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      const gate = v128.load(gates + i);
      v128.store(to + i, f32x4.mul(f32x4.mul(gate, sigmoid4(gate)), v128.load(gates + bytes + i)));
    }
  }
}

/** dGateUp [rows, 2F]; silu'(g) = s + silu * (1 - s). */
export function swigluBackward(first: i32, end: i32, scratch: usize, gateUp: usize, dAct: usize, dGateUp: usize, F: i32): void {
  const bytes: usize = <usize>F << 2;
  for (let row = first; row < end; row++) {
    const at = <usize>row * 2 * bytes;
    const upstream = dAct + <usize>row * bytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      const gate = v128.load(gateUp + at + i);
      const s = sigmoid4(gate);
      const silu = f32x4.mul(gate, s);
      const d = v128.load(upstream + i);
      const slope = f32x4.add(s, f32x4.mul(silu, f32x4.sub(f32x4.splat(1), s)));
      v128.store(dGateUp + at + i, f32x4.mul(f32x4.mul(d, v128.load(gateUp + at + bytes + i)), slope));
      v128.store(dGateUp + at + bytes + i, f32x4.mul(d, silu));
    }
  }
}
