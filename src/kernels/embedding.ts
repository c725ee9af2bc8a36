// Token embedding over table [V, C], and its gradient, which is added to dTable (the tied head adds to the same). C is a multiple of 4. The caller
// has checked that tokens are below V.
import { invariant } from '../core/invariant.ts';
import { ceilDivide } from '../core/tensor.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import wgsl from './embedding.wgsl?raw';

const WORKGROUP_SIZE = 64;

export interface EmbeddingShape {
  readonly rows: number;
  readonly C: number;
  readonly V: number;
}

/** tokens (u32 [rows]), table [V, C] -> x [rows, C], assigned. @throws Error when C is not a multiple of 4 or the table is not [V, C] */
export function embeddingForward(
  gpu: Gpu,
  { tokens, table, x }: { readonly tokens: BufferView; readonly table: BufferView; readonly x: BufferView },
  shape: EmbeddingShape,
): Promise<DispatchOp> {
  return dispatch(gpu, 'forward', [tokens, table, x], table, shape);
}

/** x [C] = the row of table [V, C] for tokens[state[0]] (u32 both), assigned. @throws Error as embeddingForward */
export async function embeddingDecode(
  gpu: Gpu,
  { tokens, table, x, state }: { readonly tokens: BufferView; readonly table: BufferView; readonly x: BufferView; readonly state: BufferView },
  { C, V }: Omit<EmbeddingShape, 'rows'>,
): Promise<DispatchOp> {
  requireTable(table, C, V);
  const software = { kernel: 'embeddingDecode', items: 1, args: [C] };
  return createDispatch(gpu, { label: 'embedding.decode', wgsl, entryPoint: 'decode', constants: { ROW_VECS: C / 4 }, software }, [tokens, table, x, state], [ceilDivide(C / 4, WORKGROUP_SIZE)]);
}

/**
 * dx [rows, C], with `order` and `starts` from sortRowsByToken -> dTable [V, C], added to.
 * The dispatch is sized for rows that are all distinct tokens; the excess returns at once.
 * @throws Error when C is not a multiple of 4 or dTable is not [V, C]
 */
export function embeddingBackward(
  gpu: Gpu,
  { dx, order, starts, dTable }: { readonly dx: BufferView; readonly order: BufferView; readonly starts: BufferView; readonly dTable: BufferView },
  shape: EmbeddingShape,
): Promise<DispatchOp> {
  return dispatch(gpu, 'backward', [dx, order, starts, dTable], dTable, shape);
}

async function dispatch(gpu: Gpu, entryPoint: 'forward' | 'backward', bindings: BufferView[], table: BufferView, { rows, C, V }: EmbeddingShape): Promise<DispatchOp> {
  requireTable(table, C, V);
  const source = {
    label: `embedding.${entryPoint}`, wgsl, entryPoint, constants: { ROWS: rows, ROW_VECS: C / 4 },
    software: { kernel: entryPoint === 'forward' ? 'embeddingForward' : 'embeddingBackward', items: rows, args: [rows, C] },
  };
  return createDispatch(gpu, source, bindings, linearWorkgroups((rows * C) / 4, WORKGROUP_SIZE));
}

function requireTable(table: BufferView, C: number, V: number): void {
  invariant(C % 4 === 0, `embedding needs a width that is a multiple of 4, not ${C}`);
  invariant(table.size === V * C * 4, `embedding table of ${table.size} bytes is not [${V}, ${C}]`);
}

/** Length of `starts` for this many rows. */
export function sortedStartsLength(rows: number): number {
  return 2 * (rows + 1);
}

const DIGIT_BITS = 8;
const DIGIT_MASK = (1 << DIGIT_BITS) - 1;
const digitOffsets = new Uint32Array(1 << DIGIT_BITS);

/**
 * Groups row numbers by token, rows of one token in ascending order; stable radix sort, allocates nothing.
 * `order` [rows] receives the row numbers. `starts` [2 * (rows + 1)] receives pairs: pair 0 is (number of distinct tokens, 0), pair 1 + i
 * is (i-th smallest distinct token, its first index in `order`); its last is before the next pair's first, or at the end. Pairs past the
 * last distinct token hold rubbish (they serve the sort as scratch).
 * @throws Error when the arrays' lengths do not belong together
 */
export function sortRowsByToken(tokens: Uint32Array, order: Uint32Array, starts: Uint32Array): void {
  const rows = tokens.length;
  invariant(order.length === rows && starts.length === sortedStartsLength(rows), `sortRowsByToken: ${rows} tokens, order of ${order.length}, starts of ${starts.length}`);
  let largest = 0;
  for (let row = 0; row < rows; row++) {
    order[row] = row;
    if (tokens[row] > largest) largest = tokens[row];
  }
  // An even number of passes, so that the result lies in `order`.
  const numPasses = largest >>> (2 * DIGIT_BITS) === 0 ? 2 : 4;
  for (let pass = 0; pass < numPasses; pass++) {
    if (pass % 2 === 0) sortByDigit(tokens, order, starts, pass * DIGIT_BITS);
    else sortByDigit(tokens, starts, order, pass * DIGIT_BITS);
  }
  let numDistinct = 0;
  for (let i = 0; i < rows; i++) {
    const token = tokens[order[i]];
    if (i > 0 && token === tokens[order[i - 1]]) continue;
    numDistinct++;
    starts[2 * numDistinct] = token;
    starts[2 * numDistinct + 1] = i;
  }
  starts[0] = numDistinct;
  starts[1] = 0;
}

/** Moves row numbers from `source` to `target`, ordered by one digit of their tokens, otherwise as they came. */
function sortByDigit(tokens: Uint32Array, source: Uint32Array, target: Uint32Array, shift: number): void {
  const rows = tokens.length;
  digitOffsets.fill(0);
  for (let row = 0; row < rows; row++) digitOffsets[(tokens[row] >>> shift) & DIGIT_MASK]++;
  let offset = 0;
  for (let digit = 0; digit <= DIGIT_MASK; digit++) {
    const count = digitOffsets[digit];
    digitOffsets[digit] = offset;
    offset += count;
  }
  for (let i = 0; i < rows; i++) {
    const row = source[i];
    target[digitOffsets[(tokens[row] >>> shift) & DIGIT_MASK]++] = row;
  }
}
