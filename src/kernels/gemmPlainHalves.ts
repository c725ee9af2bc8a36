// The text of the plain matrix multiplication over operands of which some are stored as halves.
import shader from './gemmPlainHalves.wgsl?raw';
import type { GemmShape, GemmStorage } from './gemmTileText.ts';
import { storageWgsl } from './storageWgsl.ts';

/** Declares the operand's alias and the reading of its element `at`; halves lie two to a word. */
function elements(operand: 'a' | 'b', isHalf: boolean): string {
  const alias = operand.toUpperCase();
  return isHalf
    ? `alias ${alias} = u32;\nfn ${operand}At(at: u32) -> f32 { return unpack2x16float(${operand}[at / 2u])[at % 2u]; }\n`
    : `alias ${alias} = f32;\nfn ${operand}At(at: u32) -> f32 { return ${operand}[at]; }\n`;
}

const STORE_FLOATS = `
alias C = f32;
fn storeFour(row: u32, col: u32, sums: vec4f) {
  for (var lane = 0u; lane < 4u && col + lane < N; lane++) {
    let at = row * N + col + lane;
    if (ACCUMULATE != 0u) { c[at] += sums[lane]; } else { c[at] = sums[lane]; }
  }
}
`;

const STORE_HALVES = `${storageWgsl({ C: { storage: 'f16' } })}
fn storeFour(row: u32, col: u32, sums: vec4f) { c[(row * N + col) / 4u] = storeC(sums); }
`;

/** Whether halves lie as this kernel reads and writes them: whole words, and of C whole fours a row. */
export const plainHalvesFit = ({ M, N, K }: GemmShape, { a, b, c }: GemmStorage): boolean =>
  !(a && (M * K) % 4 !== 0) && !(b && (N * K) % 4 !== 0) && !(c && N % 4 !== 0);

/** Bindings: 0 A, 1 B, 2 C. Invocations: M * ceil(N / 4), in workgroups of 64. */
export const plainHalvesShader = ({ a, b, c }: GemmStorage): string =>
  `${shader}\n${elements('a', a === 'f16')}${elements('b', b === 'f16')}${c === 'f16' ? STORE_HALVES : STORE_FLOATS}`;
