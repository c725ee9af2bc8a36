// Causal attention over fused qkv [B*T, 3*NH*HS] without the T x T matrix, HS a multiple of 4. An item is four neighbouring rows of one head: queries, or keys in
// keyValueGradient. The other side is packed once per head as columns, so that scores come out of the same tiles as matrix products; what lies behind the causal mask is set to
// weight 0, and blocks of four rows that are wholly behind it are never read. Backward recomputes probabilities from lse: https://arxiv.org/abs/2205.14135.
import { addProduct, dotOf, exp4, largestOf, log1, sumOf } from './lanes.as';
import { packedTile, packRowsAsColumns, packTileRows, tile, TILE_ROWS } from './tiles.as';

const LOWEST: f32 = -1e30;

// @ts-ignore: decorator
@inline
function roundUp8(count: i32): i32 {
  return (count + 7) & ~7;
}

/** Rows [0, numRows) of a head, `rowBytes` apart, to panels [numRows / 8][HS][8]. */
function packPanels(to: usize, from: usize, rowBytes: usize, firstRow: i32, numRows: i32, HS: i32): void {
  for (let row = firstRow; row < numRows; row += 8) packRowsAsColumns(to + ((<usize>row * HS) << 2), from + <usize>row * rowBytes, rowBytes, numRows - row, HS);
}

/** scores[4][pitch] = four rows (packed [HS][4]) times panels [first / 8, end / 8). */
function multiplyPanels(rows: usize, panels: usize, HS: i32, first: i32, end: i32, scores: usize, pitch: i32): void {
  for (let column = first; column < end; column += 8) packedTile(HS, rows, panels + ((<usize>column * HS) << 2), scores + (column << 2), pitch << 2, false);
}

/** Multiplies `count` floats (a multiple of 4) in place. */
function scale(at: usize, count: i32, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (const end = at + (<usize>count << 2); at < end; at += 16) v128.store(at, f32x4.mul(v128.load(at), factors));
}

/**
 * Row r of out (HS floats, outRow bytes apart) = sum over i < depth of weights[r][i] * row i of `rows`, for `count` rows r, divided by divisors[r] if there are such. Reads up to
 * four floats past a head and leaves them unused.
 */
function combine(depth: i32, weights: usize, pitch: i32, rows: usize, rowBytes: usize, HS: i32, out: usize, outRow: usize, count: i32, divisors: usize, edge: usize): void {
  for (let d = 0; d < HS; d += 8) {
    tile(depth, weights, pitch << 2, 4, rows + (d << 2), rowBytes, edge, 32, false);
    for (let r = 0; r < count; r++) {
      const divisor = f32x4.splat(divisors == 0 ? 1 : load<f32>(divisors + (r << 2)));
      const from = edge + (r << 5);
      const to = out + <usize>r * outRow + (d << 2);
      v128.store(to, f32x4.div(v128.load(from), divisor));
      if (d + 8 <= HS) v128.store(to, f32x4.div(v128.load(from, 16), divisor), 16);
    }
  }
}

/** Scores of one query against keys [0, numValid) become exp(score - largest), those behind them up to `width` become 0. Leaves the sum at `total`. Returns the log of the sum of exponentials. */
function softmaxInPlace(scores: usize, numValid: i32, width: i32, total: usize): f32 {
  const end = scores + (<usize>width << 2);
  for (let at = scores + (<usize>numValid << 2); at < end; at += 4) store<f32>(at, LOWEST);
  let largests = f32x4.splat(LOWEST);
  for (let at = scores; at < end; at += 16) largests = f32x4.max(largests, v128.load(at));
  const largest = largestOf(largests);
  const offset = f32x4.splat(largest);
  let sums = f32x4.splat(0);
  for (let at = scores; at < end; at += 16) {
    const p = exp4(f32x4.sub(v128.load(at), offset));
    sums = f32x4.add(sums, p);
    v128.store(at, p);
  }
  const sum = sumOf(sums);
  store<f32>(total, sum);
  return largest + log1(sum);
}

/** out [B*T, NH*HS] and lse [B, NH, T]. Scratch, in floats, with T8 = T rounded up to 8: T8 * HS + 4 * HS + 4 * T8 + 36. */
export function attentionForward(first: i32, end: i32, scratch: usize, qkv: usize, out: usize, lse: usize, T: i32, NH: i32, HS: i32, factor: f32): void {
  const T8 = roundUp8(T);
  const width: usize = <usize>NH * HS << 2;
  const keys = scratch;
  const rows = keys + ((<usize>T8 * HS) << 2);
  const scores = rows + ((<usize>HS) << 4);
  const edge = scores + ((<usize>T8) << 4);
  const totals = edge + 128;
  const blocks = (T + TILE_ROWS - 1) / TILE_ROWS;
  let packed = -1;
  let numPacked = 0;
  for (let item = first; item < end; item++) {
    const head = item / blocks;
    const row0 = (item - head * blocks) * TILE_ROWS;
    const count = min(TILE_ROWS, T - row0);
    const numKeys = row0 + count;
    const sequence = head / NH;
    const query = qkv + <usize>sequence * T * 3 * width + <usize>(head - sequence * NH) * HS * 4;
    const value = query + 2 * width;
    if (packed != head) numPacked = 0;
    packed = head;
    packPanels(keys, query + width, 3 * width, numPacked, numKeys, HS);
    // A panel that is not full yet is packed again when the next rows come.
    numPacked = numKeys & ~7;
    packTileRows(rows, query + <usize>row0 * 3 * width, 3 * width, count, HS);
    scale(rows, HS << 2, factor);
    const columns = roundUp8(numKeys);
    multiplyPanels(rows, keys, HS, 0, columns, scores, T8);
    for (let r = 0; r < count; r++) {
      const total = softmaxInPlace(scores + ((<usize>r * T8) << 2), row0 + r + 1, columns, totals + (r << 2));
      store<f32>(lse + ((<usize>head * T + row0 + r) << 2), total);
    }
    combine(numKeys, scores, T8, value, 3 * width, HS, out + <usize>sequence * T * width + <usize>(head - sequence * NH) * HS * 4 + <usize>row0 * width, width, count, totals, edge);
  }
}

/** delta [B, NH, T] = sum of dOut * out over each head. An item is a row of all heads. */
export function attentionRowDelta(first: i32, end: i32, scratch: usize, out: usize, dOut: usize, delta: usize, T: i32, NH: i32, HS: i32, factor: f32): void {
  for (let row = first; row < end; row++) {
    const sequence = row / T;
    const at: usize = (<usize>row * NH * HS) << 2;
    for (let head = 0; head < NH; head++) {
      const start = at + ((<usize>head * HS) << 2);
      store<f32>(delta + ((<usize>(sequence * NH + head) * T + row - sequence * T) << 2), dotOf(out + start, dOut + start, HS));
    }
  }
}

/** dq of dQkv. Scratch, in floats: 2 * T8 * HS + 8 * HS + 8 * T8 + 36; the same for keyValueGradient. */
export function attentionQueryGradient(first: i32, end: i32, scratch: usize, qkv: usize, dOut: usize, lse: usize, delta: usize, dQkv: usize, T: i32, NH: i32, HS: i32, factor: f32): void {
  const T8 = roundUp8(T);
  const width: usize = <usize>NH * HS << 2;
  const keys = scratch;
  const values = keys + ((<usize>T8 * HS) << 2);
  const rows = values + ((<usize>T8 * HS) << 2);
  const upstream = rows + ((<usize>HS) << 4);
  const scores = upstream + ((<usize>HS) << 4);
  const products = scores + ((<usize>T8) << 4);
  const edge = products + ((<usize>T8) << 4);
  const blocks = (T + TILE_ROWS - 1) / TILE_ROWS;
  let packed = -1;
  let numPacked = 0;
  for (let item = first; item < end; item++) {
    const head = item / blocks;
    const row0 = (item - head * blocks) * TILE_ROWS;
    const count = min(TILE_ROWS, T - row0);
    const numKeys = row0 + count;
    const sequence = head / NH;
    const query = qkv + <usize>sequence * T * 3 * width + <usize>(head - sequence * NH) * HS * 4;
    const dRows = dOut + <usize>sequence * T * width + <usize>(head - sequence * NH) * HS * 4;
    if (packed != head) numPacked = 0;
    packed = head;
    packPanels(keys, query + width, 3 * width, numPacked, numKeys, HS);
    packPanels(values, query + 2 * width, 3 * width, numPacked, numKeys, HS);
    numPacked = numKeys & ~7;
    packTileRows(rows, query + <usize>row0 * 3 * width, 3 * width, count, HS);
    scale(rows, HS << 2, factor);
    packTileRows(upstream, dRows + <usize>row0 * width, width, count, HS);
    const columns = roundUp8(numKeys);
    multiplyPanels(rows, keys, HS, 0, columns, scores, T8);
    multiplyPanels(upstream, values, HS, 0, columns, products, T8);
    for (let r = 0; r < count; r++) {
      const at = (<usize>head * T + row0 + r) << 2;
      scoreGradients(scores + ((<usize>r * T8) << 2), products + ((<usize>r * T8) << 2), row0 + r + 1, columns, load<f32>(lse + at), load<f32>(delta + at), factor);
    }
    combine(numKeys, scores, T8, query + width, 3 * width, HS, dQkv + (query - qkv) + <usize>row0 * 3 * width, 3 * width, count, 0, edge);
  }
}

/** scores become p * (dp - delta) * factor with p = exp(score - lse) for the first numValid, 0 for those behind them up to `width`. */
function scoreGradients(scores: usize, products: usize, numValid: i32, width: i32, lse: f32, delta: f32, factor: f32): void {
  const lses = f32x4.splat(lse), deltas = f32x4.splat(delta), factors = f32x4.splat(factor);
  const whole = numValid & ~3;
  for (let i = 0; i < whole; i += 4) {
    const at = scores + (i << 2);
    const p = exp4(f32x4.sub(v128.load(at), lses));
    v128.store(at, f32x4.mul(f32x4.mul(p, f32x4.sub(v128.load(products + (i << 2)), deltas)), factors));
  }
  for (let i = whole; i < width; i += 4) {
    const at = scores + (i << 2);
    const mask = i32x4.lt_s(i32x4.add(i32x4(0, 1, 2, 3), i32x4.splat(i)), i32x4.splat(numValid));
    const p = exp4(f32x4.sub(v128.load(at), lses));
    v128.store(at, v128.and(f32x4.mul(f32x4.mul(p, f32x4.sub(v128.load(products + (i << 2)), deltas)), factors), mask));
  }
}

/** dk and dv of dQkv. */
export function attentionKeyValueGradient(first: i32, end: i32, scratch: usize, qkv: usize, dOut: usize, lse: usize, delta: usize, dQkv: usize, T: i32, NH: i32, HS: i32, factor: f32): void {
  const T8 = roundUp8(T);
  const width: usize = <usize>NH * HS << 2;
  const queries = scratch;
  const upstream = queries + ((<usize>T8 * HS) << 2);
  const keyRows = upstream + ((<usize>T8 * HS) << 2);
  const valueRows = keyRows + ((<usize>HS) << 4);
  const scores = valueRows + ((<usize>HS) << 4);
  const products = scores + ((<usize>T8) << 4);
  const edge = products + ((<usize>T8) << 4);
  const blocks = (T + TILE_ROWS - 1) / TILE_ROWS;
  let packed = -1;
  for (let item = first; item < end; item++) {
    const head = item / blocks;
    const row0 = (item - head * blocks) * TILE_ROWS;
    const count = min(TILE_ROWS, T - row0);
    const sequence = head / NH;
    const query = qkv + <usize>sequence * T * 3 * width + <usize>(head - sequence * NH) * HS * 4;
    const dRows = dOut + <usize>sequence * T * width + <usize>(head - sequence * NH) * HS * 4;
    // Panels hold eight rows and blocks four: the first panel may hold four rows before the block, whose products are not used.
    const firstColumn = row0 & ~7;
    if (packed != head) {
      packPanels(queries, query, 3 * width, firstColumn, T, HS);
      packPanels(upstream, dRows, width, firstColumn, T, HS);
    }
    packed = head;
    packTileRows(keyRows, query + width + <usize>row0 * 3 * width, 3 * width, count, HS);
    scale(keyRows, HS << 2, factor);
    packTileRows(valueRows, query + 2 * width + <usize>row0 * 3 * width, 3 * width, count, HS);
    multiplyPanels(keyRows, queries, HS, firstColumn, T8, scores, T8);
    multiplyPanels(valueRows, upstream, HS, firstColumn, T8, products, T8);
    const at = (<usize>head * T) << 2;
    for (let r = 0; r < count; r++) transposedGradients(scores + ((<usize>r * T8) << 2), products + ((<usize>r * T8) << 2), row0 + r, row0, T, lse + at, delta + at, factor);
    const from = <usize>row0 << 2;
    const key = dQkv + (query - qkv) + width + <usize>row0 * 3 * width;
    combine(T - row0, scores + from, T8, query + <usize>row0 * 3 * width, 3 * width, HS, key, 3 * width, count, 0, edge);
    combine(T - row0, products + from, T8, dRows + <usize>row0 * width, width, HS, key + width, 3 * width, count, 0, edge);
  }
}

/** Of one key against queries [start, T), of which those from numSkipped on see it: scores become p * (dp - delta) * factor, products p; 0 where the query does not see the key. */
function transposedGradients(scores: usize, products: usize, numSkipped: i32, start: i32, T: i32, lse: usize, delta: usize, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (let i = start; i < T; i += 4) {
    const at = <usize>i << 2;
    const p = exp4(f32x4.sub(v128.load(scores + at), v128.load(lse + at)));
    const ds = f32x4.mul(f32x4.mul(p, f32x4.sub(v128.load(products + at), v128.load(delta + at))), factors);
    const mask = i32x4.ge_s(i32x4.add(i32x4(0, 1, 2, 3), i32x4.splat(i)), i32x4.splat(numSkipped));
    v128.store(scores + at, v128.and(ds, mask));
    v128.store(products + at, v128.and(p, mask));
  }
}

/** out [NH*HS] = attention of query [NH*HS] over cached rows 0..state[0]. An item is a head. Scratch, in floats: the caches' rows, and 4. */
export function attentionAttend(first: i32, end: i32, scratch: usize, query: usize, state: usize, keyCache: usize, valueCache: usize, out: usize, NH: i32, HS: i32, factor: f32): void {
  const width: usize = <usize>NH * HS << 2;
  const numKeys = <i32>load<u32>(state) + 1;
  const whole = (numKeys + 3) & ~3;
  const totals = scratch + (<usize>whole << 2);
  for (let head = first; head < end; head++) {
    const start = (<usize>head * HS) << 2;
    for (let key = 0; key < numKeys; key++) store<f32>(scratch + (<usize>key << 2), factor * dotOf(query + start, keyCache + <usize>key * width + start, HS));
    softmaxInPlace(scratch, numKeys, whole, totals);
    const total = f32x4.splat(load<f32>(totals));
    for (let d = 0; d < HS; d += 4) {
      let sum = f32x4.splat(0);
      let value = valueCache + start + (d << 2);
      for (let key = 0; key < numKeys; key++) {
        sum = addProduct(sum, v128.load_splat<f32>(scratch + (<usize>key << 2)), v128.load(value));
        value += width;
      }
      v128.store(out + start + (d << 2), f32x4.div(sum, total));
    }
  }
}
