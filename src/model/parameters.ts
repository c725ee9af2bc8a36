// Where every weight lives: one arena per kind of number (weights, gradients, moments), all with the same layout; on the CPU an array, on the GPU one buffer or several
// (arena.ts). Offsets are in float32 elements. Weights that one matmul reads together (q, k, v; gate, up) form a group without gaps; groups start at the binding alignment.
import { modelWeights, type ModelConfig } from '../config/modelConfig.ts';
import { invariant } from '../core/invariant.ts';
import { numElements, roundUp, type HostTensor, type HostTensors } from '../core/tensor.ts';
import { BINDING_ALIGNMENT_FLOATS } from '../gpu/buffers.ts';

export interface WeightSlot {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

/** Weights without gaps between them that are bound as one. */
export interface WeightGroup {
  /** Of its first weight. */
  readonly name: string;
  readonly offset: number;
}

export interface ParameterTable {
  readonly slots: ReadonlyMap<string, WeightSlot>;
  /** In order; each ends, but for padding, where the next begins. */
  readonly groups: readonly WeightGroup[];
  /** Elements of an arena, padding included (padding stays zero). */
  readonly length: number;
  /** Elements [0, decayLength) hold matrices, the rest norms: only matrices take weight decay. */
  readonly decayLength: number;
}

/** Weights that stand directly behind their predecessor so that both are read as one matrix. */
const CONTINUES_GROUP = /\.(k_proj|v_proj|up_proj)\.weight$/;

export function createParameterTable(config: ModelConfig): ParameterTable {
  const slots = new Map<string, WeightSlot>();
  const groups: WeightGroup[] = [];
  let end = 0;
  let decayLength: number | undefined;
  for (const { name, shape, decays } of modelWeights(config)) {
    const continues = CONTINUES_GROUP.test(name);
    const offset = continues ? end : roundUp(end, BINDING_ALIGNMENT_FLOATS);
    if (!continues) groups.push({ name, offset });
    if (!decays) decayLength ??= offset;
    slots.set(name, { name, shape, offset, length: numElements(shape) });
    end = offset + numElements(shape);
  }
  const length = roundUp(end, BINDING_ALIGNMENT_FLOATS);
  return { slots, groups, length, decayLength: decayLength ?? length };
}

export function slotOf(table: ParameterTable, name: string): WeightSlot {
  const slot = table.slots.get(name);
  invariant(slot, `no weight named ${name}`);
  return slot;
}

/** Views into a CPU copy of an arena, by weight name; no copies are made. */
export function hostTensors(table: ParameterTable, arena: Float32Array): HostTensors {
  return new Map(
    [...table.slots.values()].map(({ name, shape, offset, length }): [string, HostTensor] => [name, { shape, data: arena.subarray(offset, offset + length) }]),
  );
}

/** Lays named tensors out as an arena. @throws when a weight is missing or has another number of elements */
export function packArena(table: ParameterTable, weights: ReadonlyMap<string, { readonly data: ArrayLike<number> }>): Float32Array {
  const arena = new Float32Array(table.length);
  for (const { name, offset, length } of table.slots.values()) {
    const data = weights.get(name)?.data;
    if (!data) throw new Error(`Weight ${name} is missing`);
    if (data.length !== length) throw new Error(`Weight ${name} has ${data.length} elements, not ${length}`);
    arena.set(data, offset);
  }
  return arena;
}
