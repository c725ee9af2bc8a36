// C[M, N] (= | +=) A . B in float32, row-major and tightly packed. NT: A[M, K], B[N, K]. NN: A[M, K], B[K, N]. TN: A[K, M], B[K, N]. An item is a block of
// blockRows x blockCols of C, numbered down the columns of blocks; each output adds its products by ascending k in the same groups of DEPTH whoever computes it.
import { dotOf, dotOf4 } from './lanes.as';
import { packColumns, packedTile, packRowsAsColumns, packTileColumns, packTileRows, storeEdge, TALL_ROWS, tallTile, tile, TILE_COLS, TILE_ROWS } from './tiles.as';

/** Depth of what is packed at once: a panel of B [DEPTH][8] and one of A [DEPTH][4] stay in the first cache. */
const DEPTH: i32 = 256;

const NT: i32 = 0;
const NN: i32 = 1;
const TN: i32 = 2;

export function gemmNT(first: i32, end: i32, scratch: usize, a: usize, b: usize, c: usize, M: i32, N: i32, K: i32, accumulate: bool, blockRows: i32, blockCols: i32): void {
  blocks<NTForm>(first, end, scratch, a, b, c, M, N, K, accumulate, blockRows, blockCols);
}

export function gemmNN(first: i32, end: i32, scratch: usize, a: usize, b: usize, c: usize, M: i32, N: i32, K: i32, accumulate: bool, blockRows: i32, blockCols: i32): void {
  blocks<NNForm>(first, end, scratch, a, b, c, M, N, K, accumulate, blockRows, blockCols);
}

export function gemmTN(first: i32, end: i32, scratch: usize, a: usize, b: usize, c: usize, M: i32, N: i32, K: i32, accumulate: bool, blockRows: i32, blockCols: i32): void {
  blocks<TNForm>(first, end, scratch, a, b, c, M, N, K, accumulate, blockRows, blockCols);
}

// Types stand for the three forms, so that each is compiled apart.
class NTForm {}
class NNForm {}
class TNForm {}

// @ts-ignore: decorator
@inline
function formOf<Form>(): i32 {
  if (idof<Form>() == idof<NTForm>()) return NT;
  return idof<Form>() == idof<NNForm>() ? NN : TN;
}

/** Floats of scratch: a block of B [blockCols / 8][DEPTH][8], a panel of A [DEPTH][4], a tile [4][8]. */
function blocks<Form>(first: i32, end: i32, scratch: usize, a: usize, b: usize, c: usize, M: i32, N: i32, K: i32, accumulate: bool, blockRows: i32, blockCols: i32): void {
  const blocksDown = (M + blockRows - 1) / blockRows;
  while (first < end) {
    // Blocks of one column that follow each other share what is packed of B.
    const column = first / blocksDown;
    const last = min(end, (column + 1) * blocksDown);
    const row0 = (first - column * blocksDown) * blockRows;
    const row1 = min(M, (last - column * blocksDown) * blockRows);
    const col0 = column * blockCols;
    const col1 = min(N, col0 + blockCols);
    for (let k0 = 0; k0 < K; k0 += DEPTH) stripe<Form>(scratch, a, b, c, M, N, K, row0, row1, col0, col1, blockCols, k0, min(DEPTH, K - k0), accumulate || k0 > 0);
    first = last;
  }
}

/** Rows [row0, row1) by columns [col0, col1), with the products of k in [k0, k0 + depth). */
function stripe<Form>(scratch: usize, a: usize, b: usize, c: usize, M: i32, N: i32, K: i32, row0: i32, row1: i32, col0: i32, col1: i32, blockCols: i32, k0: i32, depth: i32, accumulate: bool): void {
  const panelBytes: usize = <usize>depth << 5;
  const panelA = scratch + (<usize>blockCols << 2) * DEPTH;
  const edge = panelA + (DEPTH << 4);
  for (let col = col0; col < col1; col += TILE_COLS) {
    const to = scratch + <usize>((col - col0) >> 3) * panelBytes;
    if (formOf<Form>() == NT) packRowsAsColumns(to, b + ((<usize>col * K + k0) << 2), <usize>K << 2, col1 - col, depth);
    else packColumns(to, b + ((<usize>k0 * N + col) << 2), <usize>N << 2, N - col, depth);
  }
  const cRow: usize = <usize>N << 2;
  let row = row0;
  if (isDefined(FUSED) && formOf<Form>() != TN && (col1 - col0) % TILE_COLS == 0) {
    for (; row + TALL_ROWS <= row1; row += TALL_ROWS) {
      for (let col = col0; col < col1; col += TILE_COLS) {
        const panelB = scratch + <usize>((col - col0) >> 3) * panelBytes;
        tallTile(depth, a + ((<usize>row * K + k0) << 2), <usize>K << 2, 4, panelB, 32, c + ((<usize>row * N + col) << 2), cRow, accumulate);
      }
    }
  }
  for (; row < row1; row += TILE_ROWS) {
    const rows = min(TILE_ROWS, row1 - row);
    // Four whole rows of A are read as they lie; columns of A and fewer rows are packed.
    const rowsOfA = a + ((<usize>row * K + k0) << 2);
    const packs = formOf<Form>() == TN || rows < TILE_ROWS;
    if (formOf<Form>() == TN) packTileColumns(panelA, a + ((<usize>k0 * M + row) << 2), <usize>M << 2, rows, depth);
    else if (packs) packTileRows(panelA, rowsOfA, <usize>K << 2, rows, depth);
    for (let col = col0; col < col1; col += TILE_COLS) {
      const panelB = scratch + <usize>((col - col0) >> 3) * panelBytes;
      const at = c + ((<usize>row * N + col) << 2);
      const cols = min(TILE_COLS, N - col);
      const whole = rows == TILE_ROWS && cols == TILE_COLS;
      const to = whole ? at : edge;
      const toRow: usize = whole ? cRow : 32;
      if (packs) packedTile(depth, panelA, panelB, to, toRow, whole && accumulate);
      else tile(depth, rowsOfA, <usize>K << 2, 4, panelB, 32, to, toRow, whole && accumulate);
      if (!whole) storeEdge(edge, at, cRow, rows, cols, accumulate);
    }
  }
}

/** y[N] (= | +=) W[N, K] . x[K]: the product of generating one token. An item is an output; K is a multiple of 4. */
export function gemmVector(first: i32, end: i32, scratch: usize, x: usize, w: usize, y: usize, K: i32, accumulate: bool): void {
  let row = first;
  const rowBytes: usize = <usize>K << 2;
  for (; row + 4 <= end; row += 4) {
    const start = w + <usize>row * rowBytes;
    const at = y + (<usize>row << 2);
    const sums = dotOf4(x, start, start + rowBytes, start + 2 * rowBytes, start + 3 * rowBytes, K);
    v128.store(at, accumulate ? f32x4.add(v128.load(at), sums) : sums);
  }
  for (; row < end; row++) {
    const at = y + (row << 2);
    const sum = dotOf(x, w + ((<usize>row * K) << 2), K);
    store<f32>(at, accumulate ? load<f32>(at) + sum : sum);
  }
}

/** C = A . B one output an item, k ascending: the baseline of numbers. Element (row, k) of A at row * aRow + k * aK floats; (k, col) of B at k * bK + col * bCol. */
export function gemmPlain(first: i32, end: i32, scratch: usize, a: usize, b: usize, c: usize, N: i32, K: i32, aRow: i32, aK: i32, bK: i32, bCol: i32, accumulate: bool): void {
  for (let item = first; item < end; item++) {
    const row = item / N;
    const col = item - row * N;
    let sum: f32 = 0;
    for (let k = 0; k < K; k++) sum += load<f32>(a + ((<usize>row * aRow + <usize>k * aK) << 2)) * load<f32>(b + ((<usize>k * bK + <usize>col * bCol) << 2));
    const at = c + (<usize>item << 2);
    store<f32>(at, accumulate ? load<f32>(at) + sum : sum);
  }
}
