// The model as an ONNX decoder graph with a key-value cache, as onnxruntime-genai's model builder makes one: grouped-query attention with the rotation inside, skip connections in the norms. The
// likeliest token is chosen in the graph, so that of every step one id comes back. Weights are float32; products with the packed q, k and v are one MatMul.
import { EMBEDDING_WEIGHT, FINAL_NORM_WEIGHT, layerWeight, type ModelConfig } from '../../src/config/modelConfig.ts';
import { ropeTable } from '../../src/kernels/rope.ts';
import { ProtobufMessage } from './protobuf.ts';
import type { Weights } from './workload.ts';

const FLOAT = 1;
const INT32 = 6;
const INT64 = 7;
const CONTRIB = 'com.microsoft';

type Dimension = number | string;

/** 'plain' spells attention out in standard operators: on SwiftShader the fused one of onnxruntime-web 1.30 gave other tokens than every other engine here. */
export type OnnxAttention = 'fused' | 'plain';

/**
 * The file. Inputs: tokens i64 [1, T], past.N.key/value [1, NH, P, HS], for fused attention seqlens_k i32 [1] (cached and new tokens, less one) and total i32 (cached and new), for plain attention positions i64 [T] and mask
 * [T, P + T] (0 or a large negative number); outputs: next i64 [1, 1], present.N.key/value.
 */
export function onnxDecoder(config: ModelConfig, weights: Weights, attention: OnnxAttention): Uint8Array<ArrayBuffer> {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: NH, headDim: HS, vocabSize: V, numHiddenLayers: L, maxPositionEmbeddings: maxT, rmsNormEps } = config;
  const graph = new ProtobufMessage().text(2, 'decoder');
  const floats = (name: string, shape: readonly number[], data: Float32Array): string => {
    const tensor = new ProtobufMessage();
    for (const size of shape) tensor.integer(1, size);
    graph.message(5, tensor.integer(2, FLOAT).text(8, name).bytes(9, new Uint8Array(data.slice().buffer)));
    return name;
  };
  const integers = (name: string, values: readonly number[]): string => {
    const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    graph.message(5, new ProtobufMessage().integer(1, values.length).integer(2, INT64).text(8, name).bytes(9, data));
    return name;
  };
  const node = (op: string, inputs: readonly string[], outputs: readonly string[], attributes: readonly ProtobufMessage[] = [], domain = ''): void => {
    const message = new ProtobufMessage();
    for (const input of inputs) message.text(1, input);
    for (const output of outputs) message.text(2, output);
    message.text(3, outputs[0]).text(4, op);
    for (const attribute of attributes) message.message(5, attribute);
    graph.message(1, message.text(7, domain));
  };
  /** y = x W^T with W [out, inner] of these weights, one below the other. */
  const linear = (x: string, names: readonly string[], inner: number, out: number, y: string): void => {
    node('MatMul', [x, floats(`${y}.weight`, [inner, out * names.length], transposed(names.map((name) => weights.get(name)!), inner, out))], [y]);
  };
  const epsilon = floatAttribute('epsilon', rmsNormEps);

  node('Gather', [floats('embedding', [V, C], weights.get(EMBEDDING_WEIGHT)!), 'tokens'], ['x.0'], [integerAttribute('axis', 0)]);
  const table = ropeTable(maxT, HS, config.ropeTheta);
  const [cosines, sines] = [0, 1].map((k) => Float32Array.from({ length: table.length / 2 }, (_, i) => table[2 * i + k]));
  floats('cosines', [maxT, HS / 2], cosines);
  floats('sines', [maxT, HS / 2], sines);
  // A norm of a sum also gives the sum: the residual stream.
  const addAndNorm = (residual: string, branch: string, weight: string, normed: string, sum: string): void =>
    node('SkipSimplifiedLayerNormalization', [residual, branch, floats(`${normed}.weight`, [C], weights.get(weight)!)], [normed, '', '', sum], [epsilon], CONTRIB);
  if (attention === 'plain') {
    node('Gather', ['cosines', 'positions'], ['cosine'], [integerAttribute('axis', 0)]);
    node('Gather', ['sines', 'positions'], ['sine'], [integerAttribute('axis', 0)]);
    integers('headShape', [1, -1, NH, HS]);
    integers('rowShape', [1, -1, C]);
    floats('scale', [1], Float32Array.of(1 / Math.sqrt(HS)));
  }
  const plainAttention = (own: (name: string) => string, layer: number): void => {
    node('Split', [own('qkv')], ['q', 'k', 'v'].map(own), [integerAttribute('axis', 2)]);
    for (const part of ['q', 'k', 'v'].map(own)) {
      node('Reshape', [part, 'headShape'], [`${part}.rows`]);
      node('Transpose', [`${part}.rows`], [`${part}.heads`], [integersAttribute('perm', [0, 2, 1, 3])]);
    }
    for (const part of ['q', 'k'].map(own)) {
      const [low, high] = [`${part}.low`, `${part}.high`];
      node('Split', [`${part}.heads`], [low, high], [integerAttribute('axis', 3)]);
      for (const [first, second, sign, turned] of [[low, high, 'Sub', `${low}.turned`], [high, low, 'Add', `${high}.turned`]]) {
        node('Mul', [first, 'cosine'], [`${first}.cosine`]);
        node('Mul', [second, 'sine'], [`${second}.sine`]);
        node(sign, [`${first}.cosine`, `${second}.sine`], [turned]);
      }
      node('Concat', [`${low}.turned`, `${high}.turned`], [`${part}.turned`], [integerAttribute('axis', 3)]);
    }
    node('Concat', [`past.${layer}.key`, own('k.turned')], [`present.${layer}.key`], [integerAttribute('axis', 2)]);
    node('Concat', [`past.${layer}.value`, own('v.heads')], [`present.${layer}.value`], [integerAttribute('axis', 2)]);
    node('Transpose', [`present.${layer}.key`], [own('keys')], [integersAttribute('perm', [0, 1, 3, 2])]);
    node('MatMul', [own('q.turned'), own('keys')], [own('products')]);
    node('Mul', [own('products'), 'scale'], [own('scaled')]);
    node('Add', [own('scaled'), 'mask'], [own('scores')]);
    node('Softmax', [own('scores')], [own('shares')], [integerAttribute('axis', 3)]);
    node('MatMul', [own('shares'), `present.${layer}.value`], [own('heads')]);
    node('Transpose', [own('heads')], [own('headRows')], [integersAttribute('perm', [0, 2, 1, 3])]);
    node('Reshape', [own('headRows'), 'rowShape'], [own('attention')]);
  };
  for (let layer = 0; layer < L; layer++) {
    const own = (name: string): string => `layer.${layer}.${name}`;
    const weight = (part: string): string => layerWeight(layer, part);
    const before = layer === 0 ? 'x.0' : own('input');
    if (layer === 0) node('SimplifiedLayerNormalization', ['x.0', floats('norm.0', [C], weights.get(weight('input_layernorm.weight'))!)], [own('normed')], [epsilon, integerAttribute('axis', 2)]);
    else addAndNorm(`layer.${layer - 1}.middle`, `layer.${layer - 1}.mlp`, weight('input_layernorm.weight'), own('normed'), before);
    linear(own('normed'), ['q', 'k', 'v'].map((part) => weight(`self_attn.${part}_proj.weight`)), C, C, own('qkv'));
    if (attention === 'plain') plainAttention(own, layer);
    else node(
      'GroupQueryAttention',
      [own('qkv'), '', '', `past.${layer}.key`, `past.${layer}.value`, 'seqlens_k', 'total', 'cosines', 'sines'],
      [own('attention'), `present.${layer}.key`, `present.${layer}.value`],
      [integerAttribute('num_heads', NH), integerAttribute('kv_num_heads', NH), integerAttribute('do_rotary', 1), floatAttribute('scale', 1 / Math.sqrt(HS))],
      CONTRIB,
    );
    linear(own('attention'), [weight('self_attn.o_proj.weight')], C, C, own('branch'));
    addAndNorm(before, own('branch'), weight('post_attention_layernorm.weight'), own('mlpInput'), own('middle'));
    linear(own('mlpInput'), [weight('mlp.gate_proj.weight')], C, F, own('gate'));
    linear(own('mlpInput'), [weight('mlp.up_proj.weight')], C, F, own('up'));
    node('Sigmoid', [own('gate')], [own('sigmoid')]);
    node('Mul', [own('gate'), own('sigmoid')], [own('silu')]);
    node('Mul', [own('silu'), own('up')], [own('activation')]);
    linear(own('activation'), [weight('mlp.down_proj.weight')], F, C, own('mlp'));
  }
  // Of a prompt only the last token's logits are wanted.
  addAndNorm(`layer.${L - 1}.middle`, `layer.${L - 1}.mlp`, FINAL_NORM_WEIGHT, 'hidden', 'last.sum');
  node('Slice', ['hidden', integers('lastStart', [-1]), integers('lastEnd', [2 ** 31 - 1]), integers('lastAxis', [1])], ['last']);
  linear('last', [EMBEDDING_WEIGHT], C, V, 'logits');
  node('ArgMax', ['logits'], ['next'], [integerAttribute('axis', 2), integerAttribute('keepdims', 0)]);

  graph.message(11, valueInfo('tokens', INT64, [1, 'T']));
  if (attention === 'fused') graph.message(11, valueInfo('seqlens_k', INT32, [1])).message(11, valueInfo('total', INT32, []));
  else graph.message(11, valueInfo('positions', INT64, ['T'])).message(11, valueInfo('mask', FLOAT, ['T', 'P_and_T']));
  graph.message(12, valueInfo('next', INT64, [1, 1]));
  for (let layer = 0; layer < L; layer++) {
    for (const kind of ['key', 'value']) {
      graph.message(11, valueInfo(`past.${layer}.${kind}`, FLOAT, [1, NH, 'P', HS]));
      graph.message(12, valueInfo(`present.${layer}.${kind}`, FLOAT, [1, NH, 'P_and_T', HS]));
    }
  }
  const opset = (domain: string, version: number): ProtobufMessage => new ProtobufMessage().text(1, domain).integer(2, version);
  return new ProtobufMessage().integer(1, 8).message(8, opset('', 17)).message(8, opset(CONTRIB, 1)).message(7, graph).encode();
}

/** Matrices [out, inner] each -> [inner, out * count]. */
function transposed(matrices: readonly Float32Array[], inner: number, out: number): Float32Array {
  const width = out * matrices.length;
  const result = new Float32Array(inner * width);
  for (const [m, matrix] of matrices.entries()) {
    for (let row = 0; row < out; row++) for (let k = 0; k < inner; k++) result[k * width + m * out + row] = matrix[row * inner + k];
  }
  return result;
}

const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INTEGER = 2;
const ATTRIBUTE_INTEGERS = 7;

const floatAttribute = (name: string, value: number): ProtobufMessage => new ProtobufMessage().text(1, name).float(2, value).integer(20, ATTRIBUTE_FLOAT);
const integerAttribute = (name: string, value: number): ProtobufMessage => new ProtobufMessage().text(1, name).integer(3, value).integer(20, ATTRIBUTE_INTEGER);

function integersAttribute(name: string, values: readonly number[]): ProtobufMessage {
  const message = new ProtobufMessage().text(1, name);
  for (const value of values) message.integer(8, value);
  return message.integer(20, ATTRIBUTE_INTEGERS);
}

function valueInfo(name: string, type: number, shape: readonly Dimension[]): ProtobufMessage {
  const dimensions = new ProtobufMessage();
  for (const size of shape) dimensions.message(1, typeof size === 'number' ? new ProtobufMessage().integer(1, size) : new ProtobufMessage().text(2, size));
  return new ProtobufMessage().text(1, name).message(2, new ProtobufMessage().message(1, new ProtobufMessage().integer(1, type).message(2, dimensions)));
}
