// Writes the WGSL of a matrix multiplication whose tile of C lives in registers, without workgroup memory or barriers (both are slow on software
// adapters). Text is generated because every accumulator must be a variable of its own: an array indexed by a loop would live in memory.
//
// An invocation, or with `lanes` = 4 a quad of invocations, owns tileRows x tileCols of C. Operands are read as vec4f along their contiguous
// dimension: along k (A of NT and NN, B of NT) or across the output (A of TN, B of NN and TN). A "row vector" below is the value
// one output row (per lane) has at the current k. In a quad each lane reads a different row and a different column; exchanging rows by
// lane XOR 0..3 (quadSwapX/Y/Diagonal, one shuffle each) gives all 4 x 4 products from two loads.
import { ceilDivide } from '../core/tensor.ts';

export type GemmForm = 'NT' | 'NN' | 'TN';

export interface GemmShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** Which operands are stored as halves; the others as f32. Sums are always f32. */
export interface GemmStorage {
  readonly a?: 'f16';
  readonly b?: 'f16';
  readonly c?: 'f16';
}

export interface RegisterTile {
  readonly lanes: 1 | 4;
  readonly tileRows: number;
  readonly tileCols: number;
}

/** Where a matrix lies in its binding; a tightly packed one alone in it unless said otherwise. Everything in floats, in multiples of 4. */
export interface OperandLayout {
  /** From one row of the matrix as it is stored to the next. */
  readonly pitch: number;
  /** WGSL expression of the first element's place; may use `batch`. */
  readonly base: string;
  /** Of the whole binding. */
  readonly floats: number;
}

/** A product with more to it than C (= | +=) A . B. */
export interface TileExtras {
  readonly layout: { readonly a: OperandLayout; readonly b: OperandLayout; readonly c: OperandLayout };
  /** Only tiles of C that touch or lie below its diagonal. */
  readonly lowerOnly?: boolean;
  /** The k that count for a tile: those up to its last row, or from its first row on; all unless given. */
  readonly kRange?: 'toLastRow' | 'fromFirstRow';
}

export const REGISTER_WORKGROUP_SIZE = 16;

const SWAP_BY_XOR = ['', 'quadSwapX', 'quadSwapY', 'quadSwapDiagonal'];

/** One of the two inputs as the tile reads it. Vectors are numbered 0 .. tile/lanes - 1. */
class Operand {
  readonly vectors: number;
  private readonly groups: number;

  constructor(
    readonly name: 'a' | 'b',
    /** Output rows (of A) or columns (of B) in the whole matrix, and in a tile. */
    private readonly extent: number,
    tile: number,
    private readonly alongK: boolean,
    private readonly lanes: number,
    private readonly layout: OperandLayout,
  ) {
    this.vectors = tile / lanes;
    this.groups = alongK ? this.vectors : this.vectors / 4;
  }

  /** Start indices (in vec4f) that stay fixed over k. Past the edge the last valid place is read; what it gives is never stored. */
  offsets(base: string): string[] {
    const places = Array.from({ length: this.groups }, (_, group) =>
      this.alongK
        ? `let ${this.name}At${group} = ${this.name}Base + min(${base} + ${this.lanes * group}u + lane, ${this.extent - 1}u) * ${this.layout.pitch / 4}u;`
        : `let ${this.name}At${group} = ${this.name}Base + min(${base} / 4u + ${this.lanes * group}u + lane, ${this.extent / 4 - 1}u);`,
    );
    return [`let ${this.name}Base = (${this.layout.base}) / 4u;`, ...places];
  }

  /** Loads made once per step of the k loop. */
  loadsPerPass(kStep: number): string[] {
    if (!this.alongK) return [`let ${this.name}Row = step * ${(kStep * this.layout.pitch) / 4}u;`];
    return Array.from({ length: this.groups }, (_, group) => `let ${this.name}Load${group} = ${this.name}[${this.name}At${group} + step];`);
  }

  /** Loads made for each k of a step. */
  loadsPerK(k: number): string[] {
    if (this.alongK) return [];
    return Array.from(
      { length: this.groups },
      (_, group) => `let ${this.name}Load${group}k${k} = ${this.name}[${this.name}At${group} + ${this.name}Row + ${(k * this.layout.pitch) / 4}u];`,
    );
  }

  value(vector: number, k: number): string {
    return this.alongK ? `${this.name}Load${vector}[${k}]` : `${this.name}Load${vector >> 2}k${k}[${vector & 3}]`;
  }

  /** The output row or column that `vector` belongs to in lane `lane`. */
  place(base: string, vector: number, lane: string): string {
    return this.alongK
      ? `${base} + ${this.lanes * vector}u + ${lane}`
      : `${base} + ${4 * this.lanes * (vector >> 2) + (vector & 3)}u + 4u * ${lane}`;
  }
}

/** True when the tile divides into whole vec4f loads of this form and shape. */
export function registerTileFits({ lanes, tileRows, tileCols }: RegisterTile, form: GemmForm, { M, N, K }: GemmShape): boolean {
  const fits = (alongK: boolean, extent: number, tile: number): boolean =>
    alongK ? K % 4 === 0 && tile % lanes === 0 : extent % 4 === 0 && tile % (4 * lanes) === 0;
  return fits(form !== 'TN', M, tileRows) && fits(form === 'NT', N, tileCols);
}

/** Tiles (one per invocation or quad) that cover C. */
export function countTiles({ tileRows, tileCols }: RegisterTile, { M, N }: GemmShape): number {
  return ceilDivide(M, tileRows) * ceilDivide(N, tileCols);
}

/** Tightly packed matrices, one a binding. */
function tightLayout(form: GemmForm, { M, N, K }: GemmShape): TileExtras['layout'] {
  const alone = (rows: number, pitch: number): OperandLayout => ({ pitch, base: '0u', floats: rows * pitch });
  return { a: form === 'TN' ? alone(K, M) : alone(M, K), b: form === 'NT' ? alone(N, K) : alone(K, N), c: alone(M, N) };
}

/**
 * The shader. Bindings: 0 A, 1 B (array<vec4f>), 2 C (array<vec4f> where columns come in fours, else array<f32>). The dispatch's z counts batches.
 * Array sizes are written as numbers: a runtime-sized array costs a division by the stride at every access on SwiftShader.
 */
export function registerTileShader(tile: RegisterTile, form: GemmForm, shape: GemmShape, accumulate: boolean, extras: TileExtras = { layout: tightLayout(form, shape) }): string {
  const { lanes, tileRows, tileCols } = tile;
  const { M, N, K } = shape;
  const { layout, lowerOnly = false, kRange } = extras;
  const bAlongK = form === 'NT';
  const rows = new Operand('a', M, tileRows, form !== 'TN', lanes, layout.a);
  const cols = new Operand('b', N, tileCols, bAlongK, lanes, layout.b);
  // Two k per step where nothing runs along k: with four, the loop outgrows a 32 KB instruction cache on SwiftShader.
  const kStep = form !== 'TN' ? 4 : K % 2 === 0 ? 2 : 1;
  const swapRows = rows.vectors <= cols.vectors;
  const swapped = swapRows ? rows : cols;
  const each = (visit: (row: number, col: number, xor: number) => string): string[] =>
    Array.from({ length: rows.vectors * cols.vectors * lanes }, (_, i) => {
      const pair = Math.floor(i / lanes);
      return visit(Math.floor(pair / cols.vectors), pair % cols.vectors, i % lanes);
    });

  const products = (k: number): string[] => {
    const lines: string[] = [...rows.loadsPerK(k), ...cols.loadsPerK(k)];
    for (const operand of [rows, cols]) {
      for (let vector = 0; vector < operand.vectors; vector++) lines.push(`let ${operand.name}${vector}x0k${k} = ${operand.value(vector, k)};`);
    }
    for (let xor = 0; xor < lanes; xor++) {
      for (let vector = 0; vector < swapped.vectors && xor > 0; vector++) {
        lines.push(`let ${swapped.name}${vector}x${xor}k${k} = ${SWAP_BY_XOR[xor]}(${swapped.name}${vector}x0k${k});`);
      }
      for (let row = 0; row < rows.vectors; row++) {
        for (let col = 0; col < cols.vectors; col++) {
          lines.push(`sum${row}_${col}_${xor} += a${row}x${swapRows ? xor : 0}k${k} * b${col}x${swapRows ? 0 : xor}k${k};`);
        }
      }
    }
    return lines;
  };

  const assign = accumulate ? '+=' : '=';
  const cPlace = (rowPlace: string, colPlace: string): string => `cBase + (${rowPlace}) * ${layout.c.pitch}u + ${colPlace}`;
  const stores = each((row, col, xor) => {
    const rowPlace = rows.place('row0', row, swapRows ? `(lane ^ ${xor}u)` : 'lane');
    const colPlace = cols.place('col0', col, swapRows ? 'lane' : `(lane ^ ${xor}u)`);
    const inside: string[] = [];
    if (M % tileRows !== 0 || N % tileCols !== 0) inside.push(`${colPlace} < ${N}u`);
    // The last workgroup may hold more tiles than are left: their rows lie past M.
    inside.push(`${rowPlace} < ${M}u`);
    const guard = `if (${inside.join(' && ')})`;
    if (bAlongK) return `${guard} { c[${cPlace(rowPlace, colPlace)}] ${assign} sum${row}_${col}_${xor}; }`;
    if (col % 4 !== 0) return '';
    const four = [0, 1, 2, 3].map((e) => `sum${row}_${col + e}_${xor}`).join(', ');
    return `${guard} { c[(${cPlace(rowPlace, colPlace)}) / 4u] ${assign} vec4f(${four}); }`;
  });
  const numSteps = K / kStep;
  // Rounded down and up to whole steps: what that adds must be zero in A.
  const firstStep = kRange === 'fromFirstRow' ? `row0 / ${kStep}u` : '0u';
  let endStep = kRange === 'toLastRow' ? `min(${numSteps}u, (row0 + ${tileRows + kStep - 1}u) / ${kStep}u)` : `${numSteps}u`;
  if (lowerOnly) endStep = `select(${endStep}, 0u, isAbove)`;

  return [
    ...(lanes === 4 ? ['enable subgroups;'] : []),
    // A quad stays together, whatever the others of its workgroup do.
    ...(lanes === 4 && (lowerOnly || kRange) ? ['diagnostic(off, subgroup_uniformity);'] : []),
    `@group(0) @binding(0) var<storage, read> a: array<vec4f, ${layout.a.floats / 4}>;`,
    `@group(0) @binding(1) var<storage, read> b: array<vec4f, ${layout.b.floats / 4}>;`,
    `@group(0) @binding(2) var<storage, read_write> c: ${bAlongK ? `array<f32, ${layout.c.floats}>` : `array<vec4f, ${layout.c.floats / 4}>`};`,
    `@compute @workgroup_size(${REGISTER_WORKGROUP_SIZE})`,
    'fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {',
    'let batch = group.z;',
    `let invocation = (group.x + group.y * groups.x) * ${REGISTER_WORKGROUP_SIZE}u + local;`,
    `let lane = ${lanes === 4 ? 'local & 3u' : '0u'};`,
    `let tile = invocation / ${lanes}u;`,
    `let row0 = tile / ${ceilDivide(N, tileCols)}u * ${tileRows}u;`,
    `let col0 = tile % ${ceilDivide(N, tileCols)}u * ${tileCols}u;`,
    `let cBase = ${layout.c.base};`,
    ...(lowerOnly ? [`let isAbove = col0 > row0 + ${tileRows - 1}u;`] : []),
    ...rows.offsets('row0'),
    ...cols.offsets('col0'),
    ...each((row, col, xor) => `var sum${row}_${col}_${xor} = 0.0;`),
    `for (var step = ${firstStep}; step < ${endStep}; step++) {`,
    ...rows.loadsPerPass(kStep),
    ...cols.loadsPerPass(kStep),
    ...Array.from({ length: kStep }, (_, k) => products(k)).flat(),
    '}',
    ...(lowerOnly ? ['if (isAbove) { return; }'] : []),
    ...stores.filter(Boolean),
    '}',
  ].join('\n');
}
