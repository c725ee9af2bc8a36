// config.json -> ModelConfig and ProjectedNetworkConfig, llm/config.json -> the large model's ModelConfig. Only what the kernels compute is accepted: a
// Llama with a tied head, plain rotary positions, as many key heads as query heads, no biases.
import { UserError } from '../core/invariant.ts';
import type { ModelConfig, ProjectedNetworkConfig } from '../config/modelConfig.ts';
import { jsonFields, parseJsonObject, type JsonFields } from './jsonFields.ts';

const FILE = 'config.json';

/** @throws UserError one sentence naming config.json and the field */
export function parsePackConfig(text: string): { model: ModelConfig; projectedNetwork: ProjectedNetworkConfig } {
  const model = parseModelConfig(text, FILE);
  const network = jsonFields(parseJsonObject(text, FILE), FILE).object('projected_network');
  const projectedNetwork = { h: network.integer('h', 1, 4096), k: network.integer('k', 1, 65_536), m: network.integer('m', 1, 65_536) };
  return { model, projectedNetwork };
}

/** @param file named in every message @throws UserError one sentence naming the file and the field */
export function parseModelConfig(text: string, file: string): ModelConfig {
  const config = jsonFields(parseJsonObject(text, file), file);
  requireSupportedLlama(config);
  const model: ModelConfig = {
    vocabSize: config.integer('vocab_size', 2, 1 << 20),
    hiddenSize: multipleOf4(config, file, 'hidden_size', 16_384),
    intermediateSize: multipleOf4(config, file, 'intermediate_size', 65_536),
    numHiddenLayers: config.integer('num_hidden_layers', 1, 256),
    numAttentionHeads: config.integer('num_attention_heads', 1, 256),
    headDim: headDimOf(config, file),
    maxPositionEmbeddings: config.integer('max_position_embeddings', 8, 1 << 17),
    rmsNormEps: config.number('rms_norm_eps', 1e-12, 1e-2),
    ropeTheta: config.number('rope_theta', 1, 1e9),
  };
  const keyValueHeads = config.has('num_key_value_heads') ? config.integer('num_key_value_heads', 1, 256) : model.numAttentionHeads;
  if (keyValueHeads !== model.numAttentionHeads) {
    throw new UserError(`${file}: num_key_value_heads (${keyValueHeads}) must equal num_attention_heads (${model.numAttentionHeads}), because grouped attention is not supported.`);
  }
  if (model.numAttentionHeads * model.headDim !== model.hiddenSize) {
    throw new UserError(`${file}: num_attention_heads times head_dim (${model.numAttentionHeads} x ${model.headDim}) must equal hidden_size (${model.hiddenSize}).`);
  }
  return model;
}

function requireSupportedLlama(config: JsonFields): void {
  config.oneOf('model_type', ['llama'], 'only Llama-shaped models are supported');
  config.oneOf('hidden_act', ['silu'], 'the kernels compute SwiGLU');
  config.oneOf('tie_word_embeddings', [true], 'the head must be tied to the embedding');
  config.oneOf('attention_bias', [false, undefined], 'biases are not supported');
  config.oneOf('mlp_bias', [false, undefined], 'biases are not supported');
  config.oneOf('rope_scaling', [null, undefined], 'scaled rotary positions are not supported');
}

function multipleOf4(config: JsonFields, file: string, key: string, max: number): number {
  const value = config.integer(key, 4, max);
  if (value % 4 !== 0) throw new UserError(`${file}: ${key} must be a multiple of 4, but it is ${value}.`);
  return value;
}

/** Hugging Face lets head_dim be absent where it is hidden_size / num_attention_heads. */
function headDimOf(config: JsonFields, file: string): number {
  if (config.has('head_dim')) return multipleOf4(config, file, 'head_dim', 256);
  const headDim = config.integer('hidden_size', 4, 16_384) / config.integer('num_attention_heads', 1, 256);
  if (!(headDim % 4 === 0 && headDim <= 256)) throw new UserError(`${file}: hidden_size / num_attention_heads must be a multiple of 4 up to 256, but it is ${headDim}.`);
  return headDim;
}
