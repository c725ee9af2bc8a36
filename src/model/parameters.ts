// Where every weight lives: one arena (a single GPU buffer) per kind of number (weights, gradients, moments), all with the same layout. Offsets are in float32
// elements. Weights that one matmul reads together (q, k, v; gate, up) form a group without gaps; groups start at the binding alignment.
import { EMBEDDING_WEIGHT, FINAL_NORM_WEIGHT, layerWeight, modelWeights, type ModelConfig } from '../config/modelConfig.ts';
import { invariant } from '../core/invariant.ts';
import { numElements, roundUp, type HostTensor, type HostTensors } from '../core/tensor.ts';
import { BINDING_ALIGNMENT_FLOATS, subview, type BufferView } from '../gpu/buffers.ts';

export interface WeightSlot {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

export interface ParameterTable {
  readonly slots: ReadonlyMap<string, WeightSlot>;
  /** Elements of an arena, padding included (padding stays zero). */
  readonly length: number;
  /** Elements [0, decayLength) hold matrices, the rest norms: only matrices take weight decay. */
  readonly decayLength: number;
}

/** Weights that stand directly behind their predecessor so that both are read as one matrix. */
const CONTINUES_GROUP = /\.(k_proj|v_proj|up_proj)\.weight$/;

export function createParameterTable(config: ModelConfig): ParameterTable {
  const slots = new Map<string, WeightSlot>();
  let end = 0;
  let decayLength: number | undefined;
  for (const { name, shape, decays } of modelWeights(config)) {
    const offset = CONTINUES_GROUP.test(name) ? end : roundUp(end, BINDING_ALIGNMENT_FLOATS);
    if (!decays) decayLength ??= offset;
    slots.set(name, { name, shape, offset, length: numElements(shape) });
    end = offset + numElements(shape);
  }
  const length = roundUp(end, BINDING_ALIGNMENT_FLOATS);
  return { slots, length, decayLength: decayLength ?? length };
}

export function slotOf(table: ParameterTable, name: string): WeightSlot {
  const slot = table.slots.get(name);
  invariant(slot, `no weight named ${name}`);
  return slot;
}

/** The views of one layer that kernels bind. */
export interface LayerViews {
  readonly inputNorm: BufferView;
  readonly qkv: BufferView;
  readonly output: BufferView;
  readonly postAttentionNorm: BufferView;
  readonly gateUp: BufferView;
  readonly down: BufferView;
}

export interface ArenaViews {
  readonly embedding: BufferView;
  readonly finalNorm: BufferView;
  readonly layers: readonly LayerViews[];
}

/** Splits an arena into what kernels bind. */
export function arenaViews(config: ModelConfig, table: ParameterTable, arena: BufferView): ArenaViews {
  const view = (name: string, numTensors = 1): BufferView => {
    const { offset, length } = slotOf(table, name);
    return subview(arena, offset, length * numTensors);
  };
  return {
    embedding: view(EMBEDDING_WEIGHT),
    finalNorm: view(FINAL_NORM_WEIGHT),
    layers: Array.from({ length: config.numHiddenLayers }, (_, layer) => ({
      inputNorm: view(layerWeight(layer, 'input_layernorm.weight')),
      qkv: view(layerWeight(layer, 'self_attn.q_proj.weight'), 3),
      output: view(layerWeight(layer, 'self_attn.o_proj.weight')),
      postAttentionNorm: view(layerWeight(layer, 'post_attention_layernorm.weight')),
      gateUp: view(layerWeight(layer, 'mlp.gate_proj.weight'), 2),
      down: view(layerWeight(layer, 'mlp.down_proj.weight')),
    })),
  };
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
