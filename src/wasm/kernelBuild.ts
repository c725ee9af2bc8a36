// Which of the two builds of the kernels this browser runs, and that build, compiled. Each is a chunk of its own, fetched only when it is needed.
import { invariant, UserError } from '../core/invariant.ts';

export interface KernelBuild {
  readonly module: WebAssembly.Module;
  /** Multiplies and adds in one instruction: results differ from the other build's in the last digits. */
  readonly fused: boolean;
}

/** A function whose body is `instructions` that leave one v128, as a module's bytes. */
function moduleWith(instructions: readonly number[]): Uint8Array<ArrayBuffer> {
  const body = [0, ...instructions, 0x0b];
  return Uint8Array.of(
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    1, 5, 1, 0x60, 0, 1, 0x7b,
    3, 2, 1, 0,
    10, body.length + 2, 1, body.length, ...body,
  );
}

const ZERO = [0x41, 0, 0xfd, 0x0f]; // i32.const 0, i8x16.splat

/** Whether this browser has 128-bit SIMD. */
export function hasSimd(): boolean {
  return typeof WebAssembly === 'object' && WebAssembly.validate(moduleWith(ZERO));
}

/** Whether it has relaxed SIMD's f32x4.relaxed_madd. */
export function hasFusedMultiplyAdd(): boolean {
  return WebAssembly.validate(moduleWith([...ZERO, ...ZERO, ...ZERO, 0xfd, 0x85, 0x02]));
}

/** @throws UserError when this browser cannot run the kernels */
export async function loadKernels({ shared, fused = hasFusedMultiplyAdd() }: { readonly shared: boolean; readonly fused?: boolean }): Promise<KernelBuild> {
  if (!hasSimd()) throw new UserError('This browser is too old for the WebAssembly engine: it has no SIMD instructions.');
  const { default: text } = await (fused ? import('./kernels/index.as.ts?kernels&fused') : import('./kernels/index.as.ts?kernels'));
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  if (!shared) forUnsharedMemory(bytes);
  return { module: await WebAssembly.compile(bytes), fused };
}

/** Byte string "env", byte string "memory", kind memory: what precedes the limits of an imported memory. */
const MEMORY_IMPORT = [3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2];
/** Of limits: with a maximum; and shared. https://webassembly.github.io/threads/core/binary/types.html#limits */
const LIMITED = 1;
const LIMITED_AND_SHARED = 3;

/** The kernels themselves do not care whether threads share their memory; only its declaration tells. */
function forUnsharedMemory(bytes: Uint8Array): void {
  const at = bytes.findIndex((_, i) => MEMORY_IMPORT.every((byte, k) => bytes[i + k] === byte)) + MEMORY_IMPORT.length;
  invariant(bytes[at] === LIMITED_AND_SHARED, 'the kernels import one shared memory');
  bytes[at] = LIMITED;
}
