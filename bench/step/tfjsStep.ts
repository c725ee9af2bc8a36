// The same step in TensorFlow.js on its WebGPU backend: variableGrads for the gradients, AdamW by hand (its own Adam has no decoupled decay).
// Sums of many tensors go pairwise: addN over more than 7 tensors gives garbage there without an exception.
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import { layerWeight } from '../../src/config/modelConfig.ts';
import { modelConfigOf, type BenchConfig } from '../../src/pages/benchHarness.ts';
import { LEARNING_RATE, OPTIMIZER, rotaryTables, splitBatch, weightSpecs, type Contestant, type Weights } from './workload.ts';

export async function createTfjs(config: BenchConfig, weights: Weights): Promise<Contestant> {
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js found no WebGPU');
  await tf.ready();
  const specs = weightSpecs(config);
  const variables = new Map(specs.map(({ name, shape }) => [name, tf.variable(tf.tensor(weights.get(name)!, [...shape]), true, name)]));
  const moments = new Map(specs.map(({ name, shape }) => [name, { m: tf.variable(tf.zeros([...shape]), false), v: tf.variable(tf.zeros([...shape]), false) }]));
  const decays = new Map(specs.map(({ name, decays }) => [name, decays]));
  const lossOf = lossFunction(config, variables);
  const lastUpdated = variables.get(specs.at(-1)!.name)!;

  function update(gradients: tf.NamedTensorMap, step: number): void {
    const squares = Object.values(gradients).map((gradient) => tf.sum(tf.square(gradient)));
    const norm = tf.sqrt(squares.reduce((a, b) => tf.add(a, b)));
    const clip = tf.minimum(tf.scalar(1), tf.div(tf.scalar(OPTIMIZER.clipNorm), norm));
    for (const [name, weight] of variables) {
      const { m, v } = moments.get(name)!;
      const gradient = tf.mul(gradients[name], clip);
      m.assign(tf.add(tf.mul(m, OPTIMIZER.beta1), tf.mul(gradient, 1 - OPTIMIZER.beta1)));
      v.assign(tf.add(tf.mul(v, OPTIMIZER.beta2), tf.mul(tf.square(gradient), 1 - OPTIMIZER.beta2)));
      const root = tf.add(tf.sqrt(tf.div(v, 1 - OPTIMIZER.beta2 ** step)), OPTIMIZER.epsilon);
      const adam = tf.div(tf.div(m, 1 - OPTIMIZER.beta1 ** step), root);
      const change = decays.get(name) ? tf.add(adam, tf.mul(weight, OPTIMIZER.weightDecay)) : adam;
      weight.assign(tf.sub(weight, tf.mul(change, LEARNING_RATE)));
    }
  }

  let step = 0;
  return {
    name: 'TensorFlow.js (WebGPU)',
    async step(batch) {
      step++;
      const loss = tf.tidy(() => {
        const { tokens, targets } = splitBatch(config, batch);
        const inputs = tf.tensor1d(tokens, 'int32');
        const wanted = tf.tensor1d(targets, 'int32');
        const { value, grads } = tf.variableGrads(() => lossOf(inputs, wanted), [...variables.values()]);
        update(grads, step);
        return value;
      });
      await lastUpdated.data(); // the queue is in order: once this is read, every update is done
      const value = (await loss.data())[0];
      loss.dispose();
      return value;
    },
    dispose() {
      tf.disposeVariables();
    },
  };
}

/** Mean cross-entropy of a Llama with a tied head. */
function lossFunction(config: BenchConfig, variables: ReadonlyMap<string, tf.Variable>) {
  const { hiddenSize: C, numAttentionHeads: NH, numHiddenLayers, batchSize: B, seqLen: T, vocabSize: V } = config;
  const { headDim: HS, rmsNormEps } = modelConfigOf(config);
  const rotary = rotaryTables(config);
  const cos = tf.tensor(rotary.cos, [1, T, 1, HS / 2]);
  const sin = tf.tensor(rotary.sin, [1, T, 1, HS / 2]);
  const mask = tf.tensor(Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0)), [1, 1, T, T]);
  for (const constant of [cos, sin, mask]) tf.keep(constant);

  const rmsnorm = (x: tf.Tensor2D, weight: tf.Tensor): tf.Tensor2D =>
    tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), rmsNormEps))), weight);
  const linear = (x: tf.Tensor2D, weight: tf.Tensor): tf.Tensor2D => tf.matMul(x, weight as tf.Tensor2D, false, true);
  const rotate = (x: tf.Tensor4D): tf.Tensor4D => {
    const [first, second] = tf.split(x, 2, -1);
    return tf.concat([tf.sub(tf.mul(first, cos), tf.mul(second, sin)), tf.add(tf.mul(second, cos), tf.mul(first, sin))], -1) as tf.Tensor4D;
  };

  return (tokens: tf.Tensor1D, targets: tf.Tensor1D): tf.Scalar => {
    const embedding = variables.get('model.embed_tokens.weight')!;
    let x = tf.gather(embedding, tokens) as tf.Tensor2D;
    for (let layer = 0; layer < numHiddenLayers; layer++) {
      const weight = (part: string): tf.Tensor => variables.get(layerWeight(layer, part))!;
      const normed = rmsnorm(x, weight('input_layernorm.weight'));
      const heads = (part: string): tf.Tensor4D => tf.reshape(linear(normed, weight(`self_attn.${part}_proj.weight`)), [B, T, NH, HS]);
      const byHead = (states: tf.Tensor4D): tf.Tensor4D => tf.transpose(states, [0, 2, 1, 3]);
      const scores = tf.add(tf.mul(tf.matMul(byHead(rotate(heads('q'))), byHead(rotate(heads('k'))), false, true), 1 / Math.sqrt(HS)), mask);
      const attended = tf.transpose(tf.matMul(tf.softmax(scores), byHead(heads('v'))), [0, 2, 1, 3]);
      x = tf.add(x, linear(tf.reshape(attended, [B * T, C]), weight('self_attn.o_proj.weight')));
      const mlpInput = rmsnorm(x, weight('post_attention_layernorm.weight'));
      const gate = linear(mlpInput, weight('mlp.gate_proj.weight'));
      const act = tf.mul(tf.mul(gate, tf.sigmoid(gate)), linear(mlpInput, weight('mlp.up_proj.weight')));
      x = tf.add(x, linear(act as tf.Tensor2D, weight('mlp.down_proj.weight')));
    }
    const logits = linear(rmsnorm(x, variables.get('model.norm.weight')!), embedding);
    const logProbabilities = tf.logSoftmax(logits);
    const picked = tf.sum(tf.mul(tf.oneHot(targets, V), logProbabilities), -1);
    return tf.neg(tf.mean(picked)) as tf.Scalar;
  };
}
