// Numbers that lie in memory as halves and are computed with in f32. A shader is written once against an alias per operand, for the numbers that it loads or stores
// at a time: itself a vector of f32, or packed words. WGSL's core pack2x16float and unpack2x16float are used and not the feature shader-f16: every adapter has them, software
// ones too, so that what runs on real GPUs can be tested on any machine; and nothing is computed in f16, which is all that the feature would add.
import type { BufferView } from '../gpu/buffers.ts';

/**
 * A number too large for a half becomes infinity's bits, so that the overflow reaches the gradient norm, and NaN stays NaN: pack2x16float of either is anything at all. Decided
 * on integers, because compilers may assume that floats are finite.
 */
const PACKING = `
fn packedPair(values: vec2f) -> u32 {
  let bits = bitcast<vec2u>(values);
  let magnitude = bits & vec2u(0x7fffffffu);
  let finite = pack2x16float(values);
  let special = ((bits >> vec2u(16u)) & vec2u(0x8000u)) | select(vec2u(0x7c00u), vec2u(0x7e00u), magnitude > vec2u(0x7f800000u));
  // 0x477fe000 is 65504, the largest half.
  let halves = select(vec2u(finite & 0xffffu, finite >> 16u), special, magnitude > vec2u(0x477fe000u));
  return halves.x | (halves.y << 16u);
}
`;

/** Numbers per access: four, or two where neighbours in fours are not what the kernel wants. */
const ACCESSES = {
  4: {
    values: 'vec4f', halves: 'vec2u',
    load: 'vec4f(unpack2x16float(stored.x), unpack2x16float(stored.y))', store: 'vec2u(packedPair(values.xy), packedPair(values.zw))',
  },
  2: { values: 'vec2f', halves: 'u32', load: 'unpack2x16float(stored)', store: 'packedPair(values)' },
} as const;

type Stored = Pick<BufferView, 'storage'>;

/**
 * Declares for each operand its alias (array<Act>), and loadAct and storeAct between what lies in memory and vec4f, or vec2f where `width` is 2. Appended to a shader.
 * @param operands by capitalized names; undefined for those that only other entry points of the shader bind
 */
export function storageWgsl(operands: Readonly<Record<string, Stored | undefined>>, width: 4 | 2 = 4): string {
  const { values, halves, load, store } = ACCESSES[width];
  const declarations = Object.entries(operands).map(([name, operand]) => {
    const isHalf = operand?.storage === 'f16';
    return [
      `alias ${name} = ${isHalf ? halves : values};`,
      `fn load${name}(stored: ${name}) -> ${values} { return ${isHalf ? load : 'stored'}; }`,
      `fn store${name}(values: ${values}) -> ${name} { return ${isHalf ? store : 'values'}; }`,
    ].join('\n');
  });
  return `\n${declarations.join('\n')}\n${holdsHalves(Object.values(operands)) ? PACKING : ''}`;
}

/** Whether any is stored as halves: such a kernel has no twin for devices without shaders, which know f32 alone. */
export const holdsHalves = (operands: readonly (Stored | undefined)[]): boolean => operands.some((operand) => operand?.storage === 'f16');
