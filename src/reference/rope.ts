// CPU twin of rotary position embedding as Hugging Face lays it out (rotate_half): dimension i of a head turns with i + HS/2 by the
// angle position * theta^(-2i/HS). Works on fused qkv [N, 3 * NH * HS]; v passes through. Rotations are orthogonal, so the backward
// turns the other way.

export interface RopeShape {
  readonly B: number;
  readonly T: number;
  readonly NH: number;
  readonly HS: number;
  readonly theta: number;
}

/** qkv [B*T, 3*NH*HS] -> the same with q and k rotated by their row's position (row mod T). */
export function ropeForward(qkv: ArrayLike<number>, shape: RopeShape): Float64Array {
  return rotate(qkv, shape, 1);
}

/** dQkv [B*T, 3*NH*HS] of the rotated qkv -> gradient of the qkv before rotation. */
export function ropeBackward(dQkv: ArrayLike<number>, shape: RopeShape): Float64Array {
  return rotate(dQkv, shape, -1);
}

function rotate(qkv: ArrayLike<number>, { B, T, NH, HS, theta }: RopeShape, direction: 1 | -1): Float64Array {
  const turned = Float64Array.from(qkv);
  const half = HS / 2;
  const rowSize = 3 * NH * HS;
  for (let row = 0; row < B * T; row++) {
    const position = row % T;
    // Columns [0, NH*HS) are q's heads, [NH*HS, 2*NH*HS) are k's.
    for (let head = 0; head < 2 * NH; head++) {
      for (let i = 0; i < half; i++) {
        const angle = direction * position * theta ** ((-2 * i) / HS);
        const cos = Math.cos(angle);
        const sin = Math.sin(angle);
        const low = row * rowSize + head * HS + i;
        const high = low + half;
        turned[low] = qkv[low] * cos - qkv[high] * sin;
        turned[high] = qkv[high] * cos + qkv[low] * sin;
      }
    }
  }
  return turned;
}
