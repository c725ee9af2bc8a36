// Writes the WGSL of a matrix multiplication for real GPUs: a workgroup stages blocks of A and B in its memory, k by k as vec4f, and each invocation keeps a tile of C
// in registers. Operands are read as 4 x 4 pieces of whole vec4f; where they lie along k a piece is transposed on its way, so that the inner loop is the
// same for all forms. Halves are widened on that way, and C narrowed when it is stored; what is in between is the same. Text is generated because every sum must be a variable of its own. The classic scheme: https://siboehm.com/articles/22/CUDA-MMM
import { ceilDivide } from '../core/tensor.ts';
import type { GemmForm, GemmShape, GemmStorage } from './gemmTileText.ts';
import { holdsHalves, storageWgsl } from './storageWgsl.ts';

/** Rows and columns are multiples of 4 times the invocations along them. */
export interface BlockTile {
  /** Of C, by one workgroup. */
  readonly rows: number;
  readonly cols: number;
  /** k staged at once; a multiple of 4. */
  readonly depth: number;
  /** Of C, by one invocation: 4 or 8 each way. */
  readonly rowsEach: 4 | 8;
  readonly colsEach: 4 | 8;
}

/** A vec4f of padding per k: neighbours that write neighbouring k keep out of each other's memory bank. */
const PADDING = 1;

export const blockInvocations = ({ rows, cols, rowsEach, colsEach }: BlockTile): number => (rows / rowsEach) * (cols / colsEach);

export const blockMemoryBytes = ({ rows, cols, depth }: BlockTile): number => 16 * depth * (rows / 4 + cols / 4 + 2 * PADDING);

/** Whether all operands of this form and shape come in whole vec4f. */
export const blockFits = (form: GemmForm, { M, N, K }: GemmShape): boolean =>
  N % 4 === 0 && (form === 'TN' ? M % 4 === 0 : K % 4 === 0);

interface Side {
  readonly name: 'a' | 'b';
  readonly staged: 'stagedA' | 'stagedB';
  readonly isHalf: boolean;
  /** Of the operand, and of a block. */
  readonly extent: number;
  readonly block: number;
  readonly alongK: boolean;
  /** First row (of A) or column (of B) of the workgroup. */
  readonly origin: string;
}

/** Invocations share out the block's 4 x 4 pieces. Past the edge the last valid row is read, and never stored; past K zeros are staged. */
function staging({ name, staged, isHalf, extent, block, alongK, origin }: Side, { depth }: BlockTile, K: number, invocations: number): string {
  const pieces = (block / 4) * (depth / 4);
  const pitch = block / 4 + PADDING;
  // Neighbours read neighbouring vec4f of memory: next along k, or next across the output.
  const [across, along] = alongK ? [`piece / ${depth / 4}u`, `piece % ${depth / 4}u`] : [`piece % ${block / 4}u`, `piece / ${block / 4}u`];
  const four = (at: string): string => (isHalf ? `load${name.toUpperCase()}(${name}[${at}])` : `${name}[${at}]`);
  const read = [0, 1, 2, 3].map((i) =>
    four(alongK
      ? `min(${origin} + 4u * across + ${i}u, ${extent - 1}u) * ${K / 4}u + min(k0 / 4u + along, ${K / 4 - 1}u)`
      : `min(k0 + 4u * along + ${i}u, ${K - 1}u) * ${extent / 4}u + min(${origin} / 4u + across, ${extent / 4 - 1}u)`));
  const matrix = `mat4x4f(${read.join(', ')})`;
  const whole = K % depth === 0;
  const store = [0, 1, 2, 3].map((i) => {
    const value = whole ? `read[${i}]` : `select(vec4f(0.0), read[${i}], k0 + 4u * along + ${i}u < ${K}u)`;
    return `${staged}[(4u * along + ${i}u) * ${pitch}u + across] = ${value};`;
  });
  return [
    `for (var piece = index; piece < ${pieces}u; piece += ${invocations}u) {`,
    `let across = ${across};`,
    `let along = ${along};`,
    `let read = ${alongK ? `transpose(${matrix})` : matrix};`,
    ...store,
    '}',
  ].join('\n');
}

/** The shader. Bindings: 0 A, 1 B, 2 C, all in fours: vec4f, or vec2u of halves. One workgroup a block: x along columns, y along rows. */
export function blockShader(tile: BlockTile, form: GemmForm, shape: GemmShape, accumulate: boolean, storage: GemmStorage = {}): string {
  const { rows, cols, depth, rowsEach, colsEach } = tile;
  const { M, N, K } = shape;
  const invocations = blockInvocations(tile);
  const acrossCols = cols / colsEach;
  const sides: Side[] = [
    { name: 'a', staged: 'stagedA', isHalf: storage.a === 'f16', extent: M, block: rows, alongK: form !== 'TN', origin: 'row0' },
    { name: 'b', staged: 'stagedB', isHalf: storage.b === 'f16', extent: N, block: cols, alongK: form === 'NT', origin: 'col0' },
  ];
  const rowFours = Array.from({ length: rowsEach / 4 }, (_, i) => i);
  const colFours = Array.from({ length: colsEach / 4 }, (_, i) => i);
  // An invocation's fours lie half a block apart: neighbours then read neighbouring vec4f of workgroup memory.
  const rowFourAt = (i: number): string => `threadRow + ${(i * rows) / rowsEach}u`;
  const colFourAt = (i: number): string => `threadCol + ${(i * cols) / colsEach}u`;
  const sums = rowFours.flatMap((r) => [0, 1, 2, 3].flatMap((e) => colFours.map((c) => ({ name: `sum${r}_${e}_${c}`, r, e, c }))));
  const guard = [
    ...(M % rows === 0 ? [] : [`row < ${M}u`]),
    ...(N % cols === 0 ? [] : [`col < ${N / 4}u`]),
  ].join(' && ') || 'true';
  const views = { A: { storage: storage.a }, B: { storage: storage.b }, C: { storage: storage.c } };
  const four = (operand: keyof GemmStorage): string => (storage[operand] ? operand.toUpperCase() : 'vec4f');
  const stored = (sum: string): string => (storage.c ? `storeC(${sum})` : sum);
  return [
    `@group(0) @binding(0) var<storage, read> a: array<${four('a')}, ${(M * K) / 4}>;`,
    `@group(0) @binding(1) var<storage, read> b: array<${four('b')}, ${(N * K) / 4}>;`,
    `@group(0) @binding(2) var<storage, read_write> c: array<${four('c')}, ${(M * N) / 4}>;`,
    `var<workgroup> stagedA: array<vec4f, ${depth * (rows / 4 + PADDING)}>;`,
    `var<workgroup> stagedB: array<vec4f, ${depth * (cols / 4 + PADDING)}>;`,
    `@compute @workgroup_size(${invocations})`,
    'fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {',
    `let row0 = group.y * ${rows}u;`,
    `let col0 = group.x * ${cols}u;`,
    `let threadRow = index / ${acrossCols}u;`,
    `let threadCol = index % ${acrossCols}u;`,
    ...sums.map(({ name }) => `var ${name} = vec4f(0.0);`),
    `for (var k0 = 0u; k0 < ${K}u; k0 += ${depth}u) {`,
    ...sides.map((side) => staging(side, tile, K, invocations)),
    'workgroupBarrier();',
    `for (var k = 0u; k < ${depth}u; k++) {`,
    ...rowFours.map((r) => `let a${r} = stagedA[k * ${rows / 4 + PADDING}u + ${rowFourAt(r)}];`),
    ...colFours.map((c) => `let b${c} = stagedB[k * ${cols / 4 + PADDING}u + ${colFourAt(c)}];`),
    ...sums.map(({ name, r, e, c }) => `${name} += a${r}[${e}] * b${c};`),
    '}',
    'workgroupBarrier();',
    '}',
    ...sums.map(({ name, r, e, c }) =>
      `{ let row = row0 + 4u * (${rowFourAt(r)}) + ${e}u; let col = col0 / 4u + ${colFourAt(c)}; if (${guard}) { c[row * ${N / 4}u + col] ${accumulate ? '+=' : '='} ${stored(name)}; } }`),
    '}',
    ...(holdsHalves(Object.values(views)) ? [storageWgsl(views)] : []),
  ].join('\n');
}

/** Workgroups [x, y] that cover C. */
export const blockWorkgroups = ({ rows, cols }: BlockTile, { M, N }: GemmShape): readonly [number, number] => [ceilDivide(N, cols), ceilDivide(M, rows)];
