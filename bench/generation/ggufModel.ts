// The model as a GGUF file for llama.cpp: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Float32, tied head (no output.weight). llama.cpp turns neighbouring pairs where Hugging Face turns
// halves, so rows of q and k are put in that order.
import { EMBEDDING_WEIGHT, FINAL_NORM_WEIGHT, layerWeight, type ModelConfig } from '../../src/config/modelConfig.ts';
import type { Weights } from './workload.ts';

const ALIGNMENT = 32;
const [UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY] = [4, 5, 6, 7, 8, 9];
const NORMAL_TOKEN = 1;
const CONTROL_TOKEN = 3;

interface TokenizerJson {
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly merges: readonly (string | readonly string[])[] };
  readonly added_tokens: readonly { readonly id: number; readonly special: boolean }[];
}

class Bytes {
  private readonly parts: Uint8Array<ArrayBuffer>[] = [];
  length = 0;

  add(bytes: Uint8Array<ArrayBuffer>): this {
    this.parts.push(bytes);
    this.length += bytes.length;
    return this;
  }

  uint32 = (value: number): this => this.add(new Uint8Array(Uint32Array.of(value).buffer));
  int32 = (value: number): this => this.add(new Uint8Array(Int32Array.of(value).buffer));
  float32 = (value: number): this => this.add(new Uint8Array(Float32Array.of(value).buffer));
  uint64 = (value: number): this => this.add(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.uint64(bytes.length).add(bytes);
  }

  pad(alignment: number): this {
    return this.add(new Uint8Array((alignment - (this.length % alignment)) % alignment));
  }

  blob = (): Blob => new Blob(this.parts);
}

export function ggufModel(config: ModelConfig, weights: Weights, tokenizerJson: string, endOfText: number): Blob {
  const { hiddenSize: C, intermediateSize, numAttentionHeads: NH, headDim: HS, vocabSize: V, numHiddenLayers: L } = config;
  const tokenizer = JSON.parse(tokenizerJson) as TokenizerJson;
  const tokens = Array.from({ length: V }, (_, id) => `[unused ${id}]`);
  for (const [token, id] of Object.entries(tokenizer.model.vocab)) tokens[id] = token;
  const special = new Set(tokenizer.added_tokens.filter((token) => token.special).map(({ id }) => id));
  const merges = tokenizer.model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')));

  const metadata = new Bytes();
  let numEntries = 0;
  const entry = (key: string, type: number): Bytes => {
    numEntries++;
    return metadata.text(key).uint32(type);
  };
  const list = (key: string, type: number, length: number): Bytes => entry(key, ARRAY).uint32(type).uint64(length);
  const numbers: Record<string, number> = {
    'llama.context_length': config.maxPositionEmbeddings, 'llama.embedding_length': C, 'llama.block_count': L, 'llama.feed_forward_length': intermediateSize,
    'llama.attention.head_count': NH, 'llama.attention.head_count_kv': NH, 'llama.rope.dimension_count': HS, 'llama.vocab_size': V,
    'general.file_type': 0, 'general.alignment': ALIGNMENT, 'tokenizer.ggml.bos_token_id': endOfText, 'tokenizer.ggml.eos_token_id': endOfText,
  };
  entry('general.architecture', STRING).text('llama');
  entry('general.name', STRING).text('generation bench');
  for (const [key, value] of Object.entries(numbers)) entry(key, UINT32).uint32(value);
  entry('llama.rope.freq_base', FLOAT32).float32(config.ropeTheta);
  entry('llama.attention.layer_norm_rms_epsilon', FLOAT32).float32(config.rmsNormEps);
  entry('tokenizer.ggml.model', STRING).text('gpt2');
  entry('tokenizer.ggml.pre', STRING).text('gpt-2');
  entry('tokenizer.ggml.add_bos_token', BOOL).add(Uint8Array.of(0));
  list('tokenizer.ggml.tokens', STRING, V);
  for (const token of tokens) metadata.text(token);
  list('tokenizer.ggml.token_type', INT32, V);
  for (let id = 0; id < V; id++) metadata.int32(special.has(id) ? CONTROL_TOKEN : NORMAL_TOKEN);
  list('tokenizer.ggml.merges', STRING, merges.length);
  for (const merge of merges) metadata.text(merge);

  const infos = new Bytes();
  const data = new Bytes();
  let numTensors = 0;
  const tensor = (name: string, shape: readonly number[], values: Float32Array): void => {
    numTensors++;
    // Dimensions from the one that runs fastest; type 0 is float32.
    infos.text(name).uint32(shape.length);
    for (const size of shape.toReversed()) infos.uint64(size);
    infos.uint32(0).uint64(data.length);
    data.add(new Uint8Array(values.slice().buffer)).pad(ALIGNMENT);
  };
  tensor('token_embd.weight', [V, C], weights.get(EMBEDDING_WEIGHT)!);
  tensor('output_norm.weight', [C], weights.get(FINAL_NORM_WEIGHT)!);
  for (let layer = 0; layer < L; layer++) {
    const own = (part: string): Float32Array => weights.get(layerWeight(layer, part))!;
    const put = (name: string, shape: readonly number[], values: Float32Array): void => tensor(`blk.${layer}.${name}.weight`, shape, values);
    put('attn_norm', [C], own('input_layernorm.weight'));
    put('attn_q', [C, C], inPairs(own('self_attn.q_proj.weight'), NH, HS, C));
    put('attn_k', [C, C], inPairs(own('self_attn.k_proj.weight'), NH, HS, C));
    put('attn_v', [C, C], own('self_attn.v_proj.weight'));
    put('attn_output', [C, C], own('self_attn.o_proj.weight'));
    put('ffn_norm', [C], own('post_attention_layernorm.weight'));
    put('ffn_gate', [intermediateSize, C], own('mlp.gate_proj.weight'));
    put('ffn_up', [intermediateSize, C], own('mlp.up_proj.weight'));
    put('ffn_down', [C, intermediateSize], own('mlp.down_proj.weight'));
  }
  const head = new Bytes().add(new TextEncoder().encode('GGUF')).uint32(3).uint64(numTensors).uint64(numEntries);
  const start = head.length + metadata.length + infos.length;
  return new Blob([head.blob(), metadata.blob(), infos.blob(), new Uint8Array((ALIGNMENT - (start % ALIGNMENT)) % ALIGNMENT), data.blob()]);
}

/** Rows of each head: i and i + HS/2 become neighbours 2i and 2i + 1. */
function inPairs(matrix: Float32Array, NH: number, HS: number, C: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let row = 0; row < NH * HS; row++) {
    const head = Math.floor(row / HS);
    const within = row % HS;
    const from = head * HS + (within % 2) * (HS / 2) + (within >> 1);
    result.set(matrix.subarray(from * C, (from + 1) * C), row * C);
  }
  return result;
}
