// The inner loop of every matrix product: four rows (or six) by eight columns of C, kept in registers while k runs. And the packing of what it reads in columns.
import { addProduct } from './lanes.as';

/** Rows and columns of a tile, and rows of a tall one. */
export const TILE_ROWS: i32 = 4;
export const TILE_COLS: i32 = 8;
export const TALL_ROWS: i32 = 6;

/**
 * out[r][c] (= or, if `accumulate`, +=) sum over k < depth of A(r, k) * B(k, c), k ascending. A(r, k) at a + r * aRow + k * aStep; B(k, 0..8) at b + k * bStep; out's row r
 * at out + r * outRow.
 */
export function tile(depth: i32, a: usize, aRow: usize, aStep: usize, b: usize, bStep: usize, out: usize, outRow: usize, accumulate: bool): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  let a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
  for (let k = 0; k < depth; k++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    c00 = addProduct(c00, x, b0);
    c01 = addProduct(c01, x, b1);
    x = v128.load_splat<f32>(a1);
    c10 = addProduct(c10, x, b0);
    c11 = addProduct(c11, x, b1);
    x = v128.load_splat<f32>(a2);
    c20 = addProduct(c20, x, b0);
    c21 = addProduct(c21, x, b1);
    x = v128.load_splat<f32>(a3);
    c30 = addProduct(c30, x, b0);
    c31 = addProduct(c31, x, b1);
    a += aStep;
    a1 += aStep;
    a2 += aStep;
    a3 += aStep;
    b += bStep;
  }
  storeTile(out, outRow, accumulate, c00, c01, c10, c11, c20, c21, c30, c31);
}

/** As `tile`, six rows high: fewer loads for each product. Its twelve sums leave no register for a product of its own, so it pays only where products are fused. */
export function tallTile(depth: i32, a: usize, aRow: usize, aStep: usize, b: usize, bStep: usize, out: usize, outRow: usize, accumulate: bool): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
  let a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow;
  for (let k = 0; k < depth; k++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    c00 = addProduct(c00, x, b0);
    c01 = addProduct(c01, x, b1);
    x = v128.load_splat<f32>(a1);
    c10 = addProduct(c10, x, b0);
    c11 = addProduct(c11, x, b1);
    x = v128.load_splat<f32>(a2);
    c20 = addProduct(c20, x, b0);
    c21 = addProduct(c21, x, b1);
    x = v128.load_splat<f32>(a3);
    c30 = addProduct(c30, x, b0);
    c31 = addProduct(c31, x, b1);
    x = v128.load_splat<f32>(a4);
    c40 = addProduct(c40, x, b0);
    c41 = addProduct(c41, x, b1);
    x = v128.load_splat<f32>(a5);
    c50 = addProduct(c50, x, b0);
    c51 = addProduct(c51, x, b1);
    a += aStep;
    a1 += aStep;
    a2 += aStep;
    a3 += aStep;
    a4 += aStep;
    a5 += aStep;
    b += bStep;
  }
  storeTile(out, outRow, accumulate, c00, c01, c10, c11, c20, c21, c30, c31);
  storePair(out + 4 * outRow, outRow, accumulate, c40, c41, c50, c51);
}

/** As `tile`, with A packed [depth][4] and B packed [depth][8]. */
export function packedTile(depth: i32, a: usize, b: usize, out: usize, outRow: usize, accumulate: bool): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  const end = a + (<usize>depth << 4);
  while (a < end) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    c00 = addProduct(c00, x, b0);
    c01 = addProduct(c01, x, b1);
    x = v128.load_splat<f32>(a, 4);
    c10 = addProduct(c10, x, b0);
    c11 = addProduct(c11, x, b1);
    x = v128.load_splat<f32>(a, 8);
    c20 = addProduct(c20, x, b0);
    c21 = addProduct(c21, x, b1);
    x = v128.load_splat<f32>(a, 12);
    c30 = addProduct(c30, x, b0);
    c31 = addProduct(c31, x, b1);
    a += 16;
    b += 32;
  }
  storeTile(out, outRow, accumulate, c00, c01, c10, c11, c20, c21, c30, c31);
}

// Branches, not selections: with v128 selections V8 keeps the sums in memory, and the whole loop takes three times as long.
// @ts-ignore: decorator
@inline
function storeTile(out: usize, outRow: usize, accumulate: bool, c00: v128, c01: v128, c10: v128, c11: v128, c20: v128, c21: v128, c30: v128, c31: v128): void {
  storePair(out, outRow, accumulate, c00, c01, c10, c11);
  storePair(out + 2 * outRow, outRow, accumulate, c20, c21, c30, c31);
}

// @ts-ignore: decorator
@inline
function storePair(out: usize, outRow: usize, accumulate: bool, c00: v128, c01: v128, c10: v128, c11: v128): void {
  const out1 = out + outRow;
  if (accumulate) {
    v128.store(out, f32x4.add(v128.load(out), c00));
    v128.store(out, f32x4.add(v128.load(out, 16), c01), 16);
    v128.store(out1, f32x4.add(v128.load(out1), c10));
    v128.store(out1, f32x4.add(v128.load(out1, 16), c11), 16);
  } else {
    v128.store(out, c00);
    v128.store(out, c01, 16);
    v128.store(out1, c10);
    v128.store(out1, c11, 16);
  }
}

/** Adds to or assigns the top left [rows, cols] of C at c (rows cRow apart) from a tile [4][8] at `from`. */
export function storeEdge(from: usize, c: usize, cRow: usize, rows: i32, cols: i32, accumulate: bool): void {
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < cols; j++) {
      const at = c + <usize>r * cRow + (j << 2);
      const value = load<f32>(from + (r << 5) + (j << 2));
      store<f32>(at, accumulate ? load<f32>(at) + value : value);
    }
  }
}

/** Eight rows of `depth` floats, `rowBytes` apart, as columns: to [depth][8]. Rows from `numRows` on become zeros. */
export function packRowsAsColumns(to: usize, from: usize, rowBytes: usize, numRows: i32, depth: i32): void {
  if (numRows >= TILE_COLS) {
    packFourRows(to, from, rowBytes, depth, 32);
    packFourRows(to + 16, from + 4 * rowBytes, rowBytes, depth, 32);
    return;
  }
  packSomeRows(to, from, rowBytes, numRows, depth, TILE_COLS);
}

/** Four rows of `depth` floats as columns: to [depth][4]. Rows from `numRows` on become zeros. */
export function packTileRows(to: usize, from: usize, rowBytes: usize, numRows: i32, depth: i32): void {
  if (numRows >= TILE_ROWS) packFourRows(to, from, rowBytes, depth, 16);
  else packSomeRows(to, from, rowBytes, numRows, depth, TILE_ROWS);
}

function packSomeRows(to: usize, from: usize, rowBytes: usize, numRows: i32, depth: i32, width: i32): void {
  for (let k = 0; k < depth; k++) {
    for (let r = 0; r < width; r++) {
      store<f32>(to + ((k * width + r) << 2), r < numRows ? load<f32>(from + <usize>r * rowBytes + (k << 2)) : 0);
    }
  }
}

/** Column k of the four rows goes to to + k * step. */
// @ts-ignore: decorator
@inline
function packFourRows(to: usize, from: usize, rowBytes: usize, depth: i32, step: usize): void {
  let x0 = from, x1 = x0 + rowBytes, x2 = x1 + rowBytes, x3 = x2 + rowBytes;
  let k = 0;
  for (; k + 4 <= depth; k += 4) {
    const r0 = v128.load(x0), r1 = v128.load(x1), r2 = v128.load(x2), r3 = v128.load(x3);
    const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5), low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7), high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
    v128.store(to + step, v128.shuffle<i64>(low01, low23, 1, 3));
    v128.store(to + 2 * step, v128.shuffle<i64>(high01, high23, 0, 2));
    v128.store(to + 3 * step, v128.shuffle<i64>(high01, high23, 1, 3));
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    to += 4 * step;
  }
  for (; k < depth; k++) {
    store<f32>(to, load<f32>(x0));
    store<f32>(to, load<f32>(x1), 4);
    store<f32>(to, load<f32>(x2), 8);
    store<f32>(to, load<f32>(x3), 12);
    x0 += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
    to += step;
  }
}

/** `depth` rows, `rowBytes` apart, of `numCols` floats (at most 8): to [depth][8], the rest zeros. */
export function packColumns(to: usize, from: usize, rowBytes: usize, numCols: i32, depth: i32): void {
  if (numCols >= TILE_COLS) {
    for (let k = 0; k < depth; k++) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      from += rowBytes;
      to += 32;
    }
    return;
  }
  for (let k = 0; k < depth; k++) {
    for (let j = 0; j < TILE_COLS; j++) store<f32>(to + (j << 2), j < numCols ? load<f32>(from + (j << 2)) : 0);
    from += rowBytes;
    to += 32;
  }
}

/** `depth` rows, `rowBytes` apart, of `numRows` floats (at most 4): to [depth][4], the rest zeros. */
export function packTileColumns(to: usize, from: usize, rowBytes: usize, numRows: i32, depth: i32): void {
  if (numRows >= TILE_ROWS) {
    for (let k = 0; k < depth; k++) {
      v128.store(to, v128.load(from));
      from += rowBytes;
      to += 16;
    }
    return;
  }
  for (let k = 0; k < depth; k++) {
    for (let r = 0; r < TILE_ROWS; r++) store<f32>(to + (r << 2), r < numRows ? load<f32>(from + (r << 2)) : 0);
    from += rowBytes;
    to += 16;
  }
}
