// A complete, valid, tiny pack with seeded random weights, as the files a user would drop. Written without the product's own safetensors code, so
// that reader and fixture cannot share a mistake. Tests break it on purpose through the options.
import { createRandom } from '../core/random.ts';

export interface TinyPackOptions {
  readonly vocabSize?: number;
  readonly hiddenSize?: number;
  readonly intermediateSize?: number;
  readonly numHiddenLayers?: number;
  readonly numAttentionHeads?: number;
  readonly maxPositionEmbeddings?: number;
  readonly h?: number;
  readonly k?: number;
  readonly m?: number;
  /** Dimension of the centroids. */
  readonly embeddingSize?: number;
  readonly seed?: number;
  /** 8 stores T as I8 with a scale per row. */
  readonly sliceBits?: 8 | 16;
  /** Bytes of encoder.onnx; by default a few bytes that no runtime opens (opening a pack does not run it). The nano pack's fits with embeddingSize 64. */
  readonly encoder?: Blob;
  /** Merged over config.json, clusters.json and pack.json. */
  readonly config?: Record<string, unknown>;
  readonly clusters?: Record<string, unknown>;
  readonly manifest?: Record<string, unknown>;
  /** Changes tensors before they are stored. */
  readonly editTensors?: (file: string, tensors: Map<string, TinyTensor>) => void;
  /** Changes a file's bytes before its size and hash enter the manifest: a pack that is wrong but matches its hashes. */
  readonly editFile?: (file: string, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** Changes a file's bytes after the manifest was written: a pack damaged on its way. undefined removes the file. */
  readonly damageFile?: (file: string, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | undefined;
}

export interface TinyTensor {
  dtype: 'F16' | 'F32' | 'I8';
  shape: number[];
  bytes: Uint8Array<ArrayBuffer>;
}

export interface TinyPackFile {
  readonly path: string;
  readonly file: Blob;
}

/** The pack's files, below the folder "tiny/" as a dropped folder gives them. The same options give the same bytes. */
export async function buildTinyPack(options: TinyPackOptions = {}): Promise<TinyPackFile[]> {
  const shape = { vocabSize: 264, hiddenSize: 16, intermediateSize: 24, numHiddenLayers: 2, numAttentionHeads: 2, maxPositionEmbeddings: 32, h: 3, k: 4, m: 5, embeddingSize: 6, seed: 1, sliceBits: 16 as const, ...options };
  const random = createRandom(shape.seed);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const addJson = (name: string, value: unknown): void => void files.set(name, new TextEncoder().encode(JSON.stringify(value)));
  const addTensors = (name: string, tensors: Map<string, TinyTensor>): void => {
    options.editTensors?.(name, tensors);
    files.set(name, storeTensors(tensors));
  };

  addJson('config.json', { ...configJson(shape), ...options.config });
  addJson('tokenizer.json', byteTokenizer());
  addJson('tokenizer_config.json', { tokenizer_class: 'PreTrainedTokenizerFast', bos_token: END_OF_TEXT, eos_token: END_OF_TEXT, model_max_length: shape.maxPositionEmbeddings });
  addJson('clusters.json', { ...clustersJson(shape.k), ...options.clusters });
  addTensors('clusters.safetensors', new Map([
    ['centroids', floats([shape.k, shape.embeddingSize], () => random.normal())],
    ['generic_frequency', floats([shape.k], (i) => i + 1)],
  ]));
  files.set('encoder.onnx', new Uint8Array(options.encoder ? await options.encoder.arrayBuffer() : [8, 8, 18, 0]));
  addTensors('slm.safetensors', smallModel(shape, random));
  addTensors('pn.safetensors', projectedNetwork(shape, random));

  for (const [name, bytes] of files) files.set(name, options.editFile?.(name, bytes) ?? bytes);
  const listed: Record<string, { bytes: number; sha256: string }> = {};
  for (const [name, bytes] of files) listed[name] = { bytes: bytes.length, sha256: await sha256Hex(bytes) };
  addJson('pack.json', { format: 'projected-network-pack', format_version: 1, name: 'tiny', files: listed, provenance: { note: 'random weights for tests' }, ...options.manifest });

  return [...files].flatMap(([name, bytes]) => {
    const kept = options.damageFile ? options.damageFile(name, bytes) : bytes;
    return kept ? [{ path: `tiny/${name}`, file: new Blob([kept]) }] : [];
  });
}

type Shape = Required<Omit<TinyPackOptions, 'encoder' | 'config' | 'clusters' | 'manifest' | 'editTensors' | 'editFile' | 'damageFile'>>;
type Random = ReturnType<typeof createRandom>;

function configJson({ vocabSize, hiddenSize, intermediateSize, numHiddenLayers, numAttentionHeads, maxPositionEmbeddings, h, k, m }: Shape): Record<string, unknown> {
  return {
    architectures: ['LlamaForCausalLM'], model_type: 'llama', vocab_size: vocabSize, hidden_size: hiddenSize, intermediate_size: intermediateSize,
    num_hidden_layers: numHiddenLayers, num_attention_heads: numAttentionHeads, num_key_value_heads: numAttentionHeads, head_dim: hiddenSize / numAttentionHeads,
    hidden_act: 'silu', max_position_embeddings: maxPositionEmbeddings, rms_norm_eps: 1e-5, rope_theta: 10000, tie_word_embeddings: true,
    attention_bias: false, mlp_bias: false, bos_token_id: 0, eos_token_id: 0, torch_dtype: 'float16', projected_network: { h, k, m },
  };
}

const clustersJson = (k: number): Record<string, unknown> => ({
  window_tokens: 1024,
  clusters: Array.from({ length: k }, (_, index) => ({ index, tokens: 1000 * (index + 1), label: `label ${index}`, top_terms: [`term${index}a`, `term${index}b`], sources: ['random'] })),
});

function attentionAndNorms(shape: Shape, random: Random): Map<string, TinyTensor> {
  const { vocabSize, hiddenSize: C, numHiddenLayers } = shape;
  const tensors = new Map<string, TinyTensor>([['model.embed_tokens.weight', halves([vocabSize, C], random)]]);
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    for (const part of ['q', 'k', 'v', 'o']) tensors.set(`model.layers.${layer}.self_attn.${part}_proj.weight`, halves([C, C], random));
    for (const norm of ['input', 'post_attention']) tensors.set(`model.layers.${layer}.${norm}_layernorm.weight`, floats([C], () => 1 + 0.1 * random.normal()));
  }
  return tensors.set('model.norm.weight', floats([C], () => 1 + 0.1 * random.normal()));
}

const mlpShapes = ({ hiddenSize: C, intermediateSize: F }: Shape): [string, number, number][] => [['gate_proj', F, C], ['up_proj', F, C], ['down_proj', C, F]];

function smallModel(shape: Shape, random: Random): Map<string, TinyTensor> {
  const tensors = attentionAndNorms(shape, random);
  for (let layer = 0; layer < shape.numHiddenLayers; layer++) {
    for (const [name, out, inner] of mlpShapes(shape)) tensors.set(`model.layers.${layer}.mlp.${name}.weight`, halves([out, inner], random));
  }
  return tensors;
}

function projectedNetwork(shape: Shape, random: Random): Map<string, TinyTensor> {
  const { h, k, m } = shape;
  const tensors = attentionAndNorms(shape, random);
  tensors.set('projected_network.E', floats([k, m], () => 1 + 0.5 * random.normal()));
  for (let layer = 0; layer < shape.numHiddenLayers; layer++) {
    for (const [name, out, inner] of mlpShapes(shape)) {
      tensors.set(`model.layers.${layer}.mlp.${name}.M`, floats([m, h], () => random.normal() / Math.sqrt(h)));
      const slices = `model.layers.${layer}.mlp.${name}.T`;
      if (shape.sliceBits === 8) tensors.set(`${slices}_scale`, floats([h, out], () => (1 + random.integer(100)) / 50_000));
      tensors.set(slices, shape.sliceBits === 8 ? wholeNumbers([h, out, inner], random) : halves([h, out, inner], random));
    }
  }
  return tensors;
}

const size = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);

function floats(shape: number[], value: (index: number) => number): TinyTensor {
  return { dtype: 'F32', shape, bytes: new Uint8Array(Float32Array.from({ length: size(shape) }, (_, i) => value(i)).buffer) };
}

/** Random halves by their bits: either sign, exponents for magnitudes from 2^-6 to 2^-2, any mantissa. */
function halves(shape: number[], random: Random): TinyTensor {
  const bits = Uint16Array.from({ length: size(shape) }, () => (random.integer(2) << 15) | ((9 + random.integer(4)) << 10) | random.integer(1024));
  return { dtype: 'F16', shape, bytes: new Uint8Array(bits.buffer) };
}

/** From -127 to 127. */
function wholeNumbers(shape: number[], random: Random): TinyTensor {
  return { dtype: 'I8', shape, bytes: new Uint8Array(Int8Array.from({ length: size(shape) }, () => random.integer(255) - 127).buffer) };
}

function storeTensors(tensors: Map<string, TinyTensor>): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) header[name] = { dtype, shape, data_offsets: [end, (end += bytes.length)] };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + end);
  new DataView(file.buffer).setUint32(0, json.length, true);
  file.set(json, 8);
  let position = 8 + json.length;
  for (const { bytes } of tensors.values()) {
    file.set(bytes, position);
    position += bytes.length;
  }
  return file;
}

const END_OF_TEXT = '<|endoftext|>';

/** A byte-level BPE without merges: id 0 ends a text, ids 1 to 256 are the bytes in the printable alphabet of GPT-2. */
function byteTokenizer(): Record<string, unknown> {
  const printable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  const vocab: Record<string, number> = { [END_OF_TEXT]: 0 };
  let shifted = 0;
  for (let byte = 0; byte < 256; byte++) vocab[String.fromCharCode(printable(byte) ? byte : 256 + shifted++)] = byte + 1;
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: [{ id: 0, content: END_OF_TEXT, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab, merges: [] },
  };
}

async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
