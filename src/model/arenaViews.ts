// What the kernels of a model bind of an arena of its weights or gradients: each weight, or the group that one matmul reads together.
import { EMBEDDING_WEIGHT, FINAL_NORM_WEIGHT, layerWeight, type ModelConfig } from '../config/modelConfig.ts';
import type { BufferView } from '../gpu/buffers.ts';
import type { Arena } from './arena.ts';
import { slotOf } from './parameters.ts';

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
export function arenaViews(config: ModelConfig, arena: Arena): ArenaViews {
  const view = (name: string, numTensors = 1): BufferView => {
    const { offset, length } = slotOf(arena.table, name);
    return arena.range(offset, length * numTensors);
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
