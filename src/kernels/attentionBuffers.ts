// Shape and operands of attention in training, as every variant takes them. Those of [B*T, ...] may be stored as halves.
import type { BufferView } from '../gpu/buffers.ts';

export interface AttentionShape {
  readonly B: number;
  readonly T: number;
  readonly NH: number;
  readonly HS: number;
}

export interface AttentionForwardBuffers {
  /** [B*T, 3*NH*HS]: q, k, v side by side, positions already applied. */
  readonly qkv: BufferView;
  /** [B*T, NH*HS] */
  readonly out: BufferView;
  /** [B, NH, T]: log of each query's sum of exponentials of scaled scores, kept for the backward. */
  readonly lse: BufferView;
  /** Where the variant wants any: attentionScratchFloats. */
  readonly scratch?: BufferView;
}

export interface AttentionBackwardBuffers extends AttentionForwardBuffers {
  /** [B*T, NH*HS] */
  readonly dOut: BufferView;
  /** Scratch, [B, NH, T]. */
  readonly delta: BufferView;
  /** [B*T, 3*NH*HS], every element assigned. */
  readonly dQkv: BufferView;
  /** A second one beside `scratch`. */
  readonly gradientScratch?: BufferView;
}
