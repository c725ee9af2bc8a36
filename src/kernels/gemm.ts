// Matrix multiplication in float32, C[M, N] (= | +=) A . B, in the three forms a linear layer needs; row-major, tightly packed. Each operand may be stored as halves, and
// what is added to is f32. Several variants compute the same product: which is fastest depends on the device and the shape, so gemmTuner.ts measures and this file only falls back on a rule.
import { ceilDivide } from '../core/tensor.ts';
import { invariant } from '../core/invariant.ts';
import { bytesPerElement, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { createDispatch, linearWorkgroups, type DispatchOp } from '../gpu/dispatch.ts';
import { WEBASSEMBLY_FEATURE } from '../gpu/pipelines.ts';
import plainWgsl from './gemmPlain.wgsl?raw';
import { blockFits, blockInvocations, blockMemoryBytes, blockShader, blockWorkgroups, type BlockTile } from './gemmBlockText.ts';
import { plainHalvesFit, plainHalvesShader } from './gemmPlainHalves.ts';
import { countTiles, REGISTER_WORKGROUP_SIZE, registerTileFits, registerTileShader, type GemmForm, type GemmShape, type GemmStorage, type RegisterTile } from './gemmTileText.ts';
import { rememberChoice, rememberedChoice } from './kernelChoices.ts';
import vectorWgsl from './gemmVector.wgsl?raw';
import workgroupWgsl from './gemmWorkgroup.wgsl?raw';

export type { GemmForm, GemmShape, GemmStorage } from './gemmTileText.ts';

/** NT: A[M, K], B[N, K] (y = x W^T). NN: A[M, K], B[K, N] (dx = dy W). TN: A[K, M], B[K, N] (dW += dy^T x). */
export interface GemmProblem extends GemmShape {
  readonly form: GemmForm;
  /** All f32 where it is absent. */
  readonly storage?: GemmStorage;
}

export type GemmVariant = string;

interface GemmBuffers {
  readonly a: BufferView;
  readonly b: BufferView;
  readonly c: BufferView;
}

type DispatchBuilder = (gpu: Gpu, label: string, buffers: GemmBuffers, problem: GemmProblem, accumulate: boolean) => Promise<DispatchOp>;

export interface GemmVariantInfo {
  readonly name: GemmVariant;
  /** A device feature the shader enables, if any. */
  readonly requires?: string;
  /** Waits at workgroup barriers: a hundred times slower than the others where a CPU plays the GPU. */
  readonly hasBarriers: boolean;
  /** Whether it takes halves; then `supports` is asked about them, too. */
  readonly takesHalves?: true;
  supports(form: GemmForm, shape: GemmShape, storage: GemmStorage): boolean;
  /** Whether a device with these limits can run it; all can where it is absent. */
  readonly fits?: (limits: GPUSupportedLimits) => boolean;
  readonly build: DispatchBuilder;
}

const hasHalves = ({ storage = {} }: GemmProblem): boolean => Object.values(storage).includes('f16');

/** How elements of A and B are addressed: A at row * A_ROW + k * A_K, B at k * B_K + col * B_COL. */
function strides({ form, M, N, K }: GemmProblem): Record<string, number> {
  const [A_ROW, A_K] = form === 'TN' ? [1, M] : [K, 1];
  const [B_K, B_COL] = form === 'NT' ? [1, K] : [N, 1];
  return { M, N, K, A_ROW, A_K, B_K, B_COL };
}

const plain: GemmVariantInfo = {
  name: 'plain',
  hasBarriers: false,
  takesHalves: true,
  supports: (_form, shape, storage) => plainHalvesFit(shape, storage),
  build: (gpu, label, { a, b, c }, problem, accumulate) => {
    if (hasHalves(problem)) {
      const source = { label, wgsl: plainHalvesShader(problem.storage ?? {}), constants: { ...strides(problem), ACCUMULATE: Number(accumulate) } };
      return createDispatch(gpu, source, [a, b, c], linearWorkgroups(problem.M * ceilDivide(problem.N, 4), 64));
    }
    return createDispatch(
      gpu,
      {
        label, wgsl: plainWgsl, constants: { ...strides(problem), ACCUMULATE: Number(accumulate) },
        software: { kernel: 'gemmPlain', items: problem.M * problem.N, args: [...Object.values(strides(problem)).slice(1), Number(accumulate)] },
      },
      [a, b, c],
      linearWorkgroups(problem.M * problem.N, 64),
    );
  },
};

function registerVariant(name: string, tile: RegisterTile): GemmVariantInfo {
  return {
    name,
    requires: tile.lanes === 4 ? 'subgroups' : undefined,
    hasBarriers: false,
    supports: (form, shape) => registerTileFits(tile, form, shape),
    build: (gpu, label, { a, b, c }, problem, accumulate) =>
      createDispatch(
        gpu,
        { label, wgsl: registerTileShader(tile, problem.form, problem, accumulate) },
        [a, b, c],
        linearWorkgroups(countTiles(tile, problem) * tile.lanes, REGISTER_WORKGROUP_SIZE),
      ),
  };
}

/** `threads` x `threads` invocations, a block of C of four times that width and height. */
function workgroupVariant(threads: number): GemmVariantInfo {
  const tile = 4 * threads;
  return {
    name: `workgroup-${tile}x${tile}`,
    hasBarriers: true,
    // Blocks are numbered in two dimensions, each at most 65,535.
    supports: (_form, { M, N }) => ceilDivide(M, tile) <= 65_535 && ceilDivide(N, tile) <= 65_535,
    build: (gpu, label, { a, b, c }, problem, accumulate) =>
      createDispatch(
        gpu,
        { label, wgsl: workgroupWgsl, constants: { ...strides(problem), ACCUMULATE: Number(accumulate), THREADS: threads, TILE: tile } },
        [a, b, c],
        [ceilDivide(problem.N, tile), ceilDivide(problem.M, tile)],
      ),
  };
}

/** The fast ones on hardware, by common experience; which of them, only a measurement on the adapter tells. */
function blockVariant(tile: BlockTile): GemmVariantInfo {
  return {
    name: `block-${tile.rows}x${tile.cols}`,
    hasBarriers: true,
    takesHalves: true,
    supports: (form, shape) => blockFits(form, shape) && blockWorkgroups(tile, shape).every((count) => count <= 65_535),
    fits: ({ maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup }) =>
      blockMemoryBytes(tile) <= maxComputeWorkgroupStorageSize && blockInvocations(tile) <= maxComputeInvocationsPerWorkgroup,
    build: (gpu, label, { a, b, c }, problem, accumulate) =>
      createDispatch(gpu, { label, wgsl: blockShader(tile, problem.form, problem, accumulate, problem.storage) }, [a, b, c], blockWorkgroups(tile, problem)),
  };
}

function vectorVariant(name: string, entryPoint: 'rows' | 'sharedRow'): GemmVariantInfo {
  return {
    name,
    hasBarriers: entryPoint === 'sharedRow',
    supports: (form, { M, K }) => form === 'NT' && M === 1 && K % 4 === 0,
    build: (gpu, label, { a, b, c }, { N, K }, accumulate) =>
      createDispatch(
        gpu,
        {
          label,
          wgsl: `${vectorWgsl}\nconst X_VECTORS = ${K / 4}u;\nconst W_VECTORS = ${(N * K) / 4}u;\n`,
          entryPoint,
          constants: { N, K, ACCUMULATE: Number(accumulate) },
        },
        [a, b, c],
        entryPoint === 'rows' ? linearWorkgroups(ceilDivide(N, 4), 16) : linearWorkgroups(N, 1),
      ),
  };
}

/** Blocks of the WebAssembly kernels: so many columns of B are packed at once; rows only divide the work. */
const PACKED_ROWS = 16;
const PACKED_COLS = 64;
/** As gemm.as.ts says: a block of B, a panel of A, a tile. */
const PACKED_SCRATCH_FLOATS = 256 * (PACKED_COLS + 4) + 32;

/** What runs where there are no shaders: panels packed for register tiles, or rows of B as they lie for a single row of A. */
const packed: GemmVariantInfo = {
  name: 'packed',
  requires: WEBASSEMBLY_FEATURE,
  hasBarriers: false,
  supports: () => true,
  build: (gpu, label, { a, b, c }, { form, M, N, K }, accumulate) => {
    const software = form === 'NT' && M === 1 && K % 4 === 0
      ? { kernel: 'gemmVector', items: N, args: [K, Number(accumulate)] }
      : {
        kernel: `gemm${form}`, items: ceilDivide(M, PACKED_ROWS) * ceilDivide(N, PACKED_COLS),
        args: [M, N, K, Number(accumulate), PACKED_ROWS, PACKED_COLS], scratchFloats: PACKED_SCRATCH_FLOATS,
      };
    return createDispatch(gpu, { label, wgsl: plainWgsl, software }, [a, b, c], [1]);
  },
};

/** Every variant, the numerics baseline first. */
export const GEMM_VARIANTS: readonly GemmVariantInfo[] = [
  plain,
  packed,
  ...[[4, 4], [8, 4], [4, 8], [8, 8]].map(([tileRows, tileCols]) =>
    registerVariant(`register-${tileRows}x${tileCols}`, { lanes: 1, tileRows, tileCols })),
  ...[[8, 16], [12, 16], [16, 12], [16, 16]].map(([tileRows, tileCols]) =>
    registerVariant(`quad-${tileRows}x${tileCols}`, { lanes: 4, tileRows, tileCols })),
  workgroupVariant(8),
  workgroupVariant(16),
  blockVariant({ rows: 32, cols: 32, depth: 16, rowsEach: 4, colsEach: 4 }),
  blockVariant({ rows: 64, cols: 64, depth: 16, rowsEach: 8, colsEach: 4 }),
  blockVariant({ rows: 64, cols: 128, depth: 16, rowsEach: 8, colsEach: 8 }),
  blockVariant({ rows: 128, cols: 128, depth: 8, rowsEach: 8, colsEach: 8 }),
  vectorVariant('vector-rows', 'rows'),
  vectorVariant('vector-shared', 'sharedRow'),
];

/** The variants that this device runs, whatever the problem. */
export function variantsOf(gpu: Gpu): GemmVariantInfo[] {
  const { features, limits } = gpu.device;
  if (features.has(WEBASSEMBLY_FEATURE)) return [plain, packed];
  return GEMM_VARIANTS.filter(({ requires, hasBarriers, fits }) =>
    (!requires || features.has(requires)) && !(hasBarriers && gpu.without.has('workgroupMemory')) && (fits?.(limits) ?? true));
}

/** The variants that can compute this problem on this device. */
export function supportedVariants(gpu: Gpu, problem: GemmProblem): GemmVariantInfo[] {
  const { form, storage = {}, ...shape } = problem;
  const all = variantsOf(gpu);
  if (!hasHalves(problem)) return all.filter(({ supports }) => supports(form, shape, storage));
  if (gpu.device.features.has(WEBASSEMBLY_FEATURE)) return [];
  return all.filter(({ takesHalves, supports }) => takesHalves && supports(form, shape, storage));
}

/** What to try without measurements, best first: measured on SwiftShader (bench/LOG.md); the hardware lists are a rule of thumb, not yet measured. */
const SOFTWARE_PREFERENCE: Record<GemmForm, readonly GemmVariant[]> = {
  NT: ['packed', 'vector-rows', 'quad-16x12', 'register-4x4'],
  NN: ['packed', 'quad-12x16', 'register-4x4'],
  TN: ['packed', 'quad-16x16', 'register-8x8'],
};
const HARDWARE_PREFERENCE: readonly GemmVariant[] = ['vector-shared', 'block-64x64', 'workgroup-64x64'];
const HARDWARE_PREFERENCE_FEW_BLOCKS: readonly GemmVariant[] = ['vector-shared', 'block-32x32', 'workgroup-32x32'];
/** Fewer 64 x 64 blocks than this leave most of a GPU's cores idle. */
const FEW_BLOCKS = 64;

function defaultVariant(gpu: Gpu, problem: GemmProblem): GemmVariant {
  const supported = new Set(supportedVariants(gpu, problem).map(({ name }) => name));
  const fewBlocks = ceilDivide(problem.M, 64) * ceilDivide(problem.N, 64) < FEW_BLOCKS;
  const preference = gpu.adapter.isFallback
    ? SOFTWARE_PREFERENCE[problem.form]
    : fewBlocks ? HARDWARE_PREFERENCE_FEW_BLOCKS : HARDWARE_PREFERENCE;
  return preference.find((name) => supported.has(name)) ?? plain.name;
}

/** Of a product over halves it ends in the storages of A, B and C. */
function problemKey(problem: GemmProblem): string {
  const { form, M, N, K, storage = {} } = problem;
  const { a = 'f32', b = 'f32', c = 'f32' } = storage;
  return `gemm ${form} ${M} ${N} ${K}${hasHalves(problem) ? ` ${a} ${b} ${c}` : ''}`;
}

/** Remembers the variant to use for this problem on this device (what the tuner found). */
export function rememberVariant(gpu: Gpu, problem: GemmProblem, variant: GemmVariant): void {
  rememberChoice(gpu, problemKey(problem), variant);
}

/** Whether this problem's variant was chosen by measurement on this device. */
export const isTuned = (gpu: Gpu, problem: GemmProblem): boolean => tunedVariant(gpu, problem) !== undefined;

/** The variant `gemm` uses when none is named: the tuned one, else a rule by adapter and form. */
export const chosenVariant = (gpu: Gpu, problem: GemmProblem): GemmVariant => tunedVariant(gpu, problem) ?? defaultVariant(gpu, problem);

/** What was measured, perhaps by another version of this page or under other limits: it counts if it can still be used. */
function tunedVariant(gpu: Gpu, problem: GemmProblem): GemmVariant | undefined {
  const remembered = rememberedChoice(gpu, problemKey(problem));
  return supportedVariants(gpu, problem).find(({ name }) => name === remembered)?.name;
}

/**
 * Plans C[M, N] = A . B, or += with `accumulate`. Views hold at least M*K, N*K and M*N numbers, each as its view says; C must not overlap A or B.
 * @throws when the named variant does not support the form, shape, storage or device, a size is not a positive integer, or halves would be added to
 */
export function gemm(
  gpu: Gpu,
  buffers: GemmBuffers,
  options: Omit<GemmProblem, 'storage'> & { readonly accumulate: boolean; readonly variant?: GemmVariant },
): Promise<DispatchOp> {
  const { form, M, N, K, accumulate } = options;
  const { a, b, c } = buffers;
  const problem: GemmProblem = { form, M, N, K, storage: { a: a.storage, b: b.storage, c: c.storage } };
  const what = problemKey(problem);
  invariant([M, N, K].every((size) => Number.isInteger(size) && size > 0), `${what}: sizes must be positive integers`);
  const holds = (view: BufferView, count: number): boolean => view.size >= bytesPerElement(view) * count;
  invariant(holds(a, M * K) && holds(b, N * K) && holds(c, M * N), `${what}: a view is too small`);
  invariant(!(accumulate && c.storage), `${what}: what is added to is f32`);
  const name = options.variant ?? chosenVariant(gpu, problem);
  const variant = supportedVariants(gpu, problem).find((candidate) => candidate.name === name);
  invariant(variant, `${what}: variant ${name} does not support it on this device`);
  return variant.build(gpu, `gemm.${form}.${M}x${N}x${K}.${name}`, buffers, problem, accumulate);
}
