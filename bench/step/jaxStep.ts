// The same step in jax-js (https://github.com/ekzhang/jax-js) on WebGPU or WebAssembly, as its documentation advises: one jitted function for the whole step, gradients by
// valueAndGrad. Arrays are reference counted: passing one consumes it, `.ref` keeps it.
import { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax';
import { layerWeight } from '../../src/config/modelConfig.ts';
import { modelConfigOf, type BenchConfig } from '../../src/pages/benchHarness.ts';
import { LEARNING_RATE, OPTIMIZER, rotaryTables, splitBatch, weightSpecs, type Contestant, type Weights } from './workload.ts';

type Parameters = Record<string, np.Array>;
type State = { weights: Parameters; m: Parameters; v: Parameters };

export async function createJax(config: BenchConfig, weights: Weights, backend: 'webgpu' | 'wasm' = 'webgpu'): Promise<Contestant> {
  const devices = await init(backend);
  if (!devices.includes(backend)) throw new Error(`jax-js found no ${backend}`);
  defaultDevice(backend);
  const specs = weightSpecs(config);
  const decays = new Map(specs.map(({ name, decays }) => [name, decays]));
  const zeros = (): Parameters => Object.fromEntries(specs.map(({ name, shape }) => [name, np.zeros([...shape])]));
  let state: State = {
    weights: Object.fromEntries(specs.map(({ name, shape }) => [name, np.array(weights.get(name)!.slice(), { shape: [...shape] })])),
    m: zeros(),
    v: zeros(),
  };

  const lossOf = lossFunction(config);
  /** corrections: [1 - beta1^t, 1 - beta2^t] as data, so that one compilation serves every step. */
  const takeStep = jit((old: State, tokens: np.Array, targets: np.Array, corrections: np.Array): { state: State; loss: np.Array } => {
    const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(old.weights), tokens, targets) as [np.Array, Parameters];
    const squares = Object.values(gradients).map((gradient) => np.square(gradient.ref).sum());
    const norm = np.sqrt(squares.reduce((a, b) => a.add(b)));
    const clip = np.minimum(np.array(1), np.array(OPTIMIZER.clipNorm).div(norm));
    const correction1 = corrections.ref.slice(0);
    const correction2 = corrections.slice(1);
    const next: State = { weights: {}, m: {}, v: {} };
    for (const { name } of specs) {
      const gradient = gradients[name].mul(clip.ref);
      const m = old.m[name].mul(OPTIMIZER.beta1).add(gradient.ref.mul(1 - OPTIMIZER.beta1));
      const v = old.v[name].mul(OPTIMIZER.beta2).add(np.square(gradient).mul(1 - OPTIMIZER.beta2));
      let change = m.ref.div(correction1.ref).div(np.sqrt(v.ref.div(correction2.ref)).add(OPTIMIZER.epsilon));
      if (decays.get(name)) change = change.add(old.weights[name].ref.mul(OPTIMIZER.weightDecay));
      next.weights[name] = old.weights[name].sub(change.mul(LEARNING_RATE));
      next.m[name] = m;
      next.v[name] = v;
    }
    clip.dispose();
    correction1.dispose();
    correction2.dispose();
    return { state: next, loss };
  });

  let step = 0;
  const { batchSize: B, seqLen: T } = config;
  return {
    name: backend === 'webgpu' ? 'jax-js (WebGPU)' : 'jax-js (WebAssembly)',
    async step(batch) {
      step++;
      // Of the whole page: another contestant may use another.
      defaultDevice(backend);
      const { tokens, targets } = splitBatch(config, batch);
      const corrections = np.array([1 - OPTIMIZER.beta1 ** step, 1 - OPTIMIZER.beta2 ** step]);
      const result = takeStep(state, np.array(tokens, { shape: [B, T] }), np.array(targets, { shape: [B * T] }), corrections);
      state = result.state;
      await blockUntilReady(state);
      return (await result.loss.data())[0];
    },
    dispose() {
      tree.dispose(state);
      takeStep.dispose();
    },
  };
}

/** Mean cross-entropy of a Llama with a tied head. */
function lossFunction(config: BenchConfig) {
  const { hiddenSize: C, numAttentionHeads: NH, numHiddenLayers, batchSize: B, seqLen: T, vocabSize: V } = config;
  const { headDim: HS, rmsNormEps } = modelConfigOf(config);
  const half = HS / 2;
  const rotary = rotaryTables(config);
  const tables = { cos: np.array(rotary.cos, { shape: [T, 1, half] }), sin: np.array(rotary.sin, { shape: [T, 1, half] }) };

  const rmsnorm = (x: np.Array, weight: np.Array): np.Array => {
    const meanSquare = np.square(x.ref).mean(-1, { keepdims: true });
    return x.div(np.sqrt(meanSquare.add(rmsNormEps))).mul(weight);
  };
  const linear = (x: np.Array, weight: np.Array): np.Array => np.matmul(x, np.transpose(weight));
  const rotate = (x: np.Array): np.Array => {
    const first = x.ref.slice([], [], [], [0, half]);
    const second = x.slice([], [], [], [half, HS]);
    return np.concatenate([
      first.ref.mul(tables.cos.ref).sub(second.ref.mul(tables.sin.ref)),
      second.mul(tables.cos.ref).add(first.mul(tables.sin.ref)),
    ], -1);
  };

  return (weights: Parameters, tokens: np.Array, targets: np.Array): np.Array => {
    const embedding = weights['model.embed_tokens.weight'];
    let x = np.take(embedding.ref, tokens.reshape([B * T]), 0);
    for (let layer = 0; layer < numHiddenLayers; layer++) {
      const weight = (part: string): np.Array => weights[layerWeight(layer, part)];
      const normed = rmsnorm(x.ref, weight('input_layernorm.weight'));
      const heads = (part: string): np.Array => linear(normed.ref, weight(`self_attn.${part}_proj.weight`)).reshape([B, T, NH, HS]);
      const attended = nn.dotProductAttention(rotate(heads('q')), rotate(heads('k')), heads('v'), { isCausal: true });
      normed.dispose();
      x = x.add(linear(attended.reshape([B * T, C]), weight('self_attn.o_proj.weight')));
      const mlpInput = rmsnorm(x.ref, weight('post_attention_layernorm.weight'));
      const gate = linear(mlpInput.ref, weight('mlp.gate_proj.weight'));
      const up = linear(mlpInput, weight('mlp.up_proj.weight'));
      x = x.add(linear(nn.silu(gate).mul(up), weight('mlp.down_proj.weight')));
    }
    const logits = linear(rmsnorm(x, weights['model.norm.weight']), embedding);
    const largest = lax.stopGradient(np.max(logits.ref, -1, { keepdims: true }));
    const shifted = logits.sub(largest);
    const isTarget = np.arange(V).reshape([1, V]).equal(targets.reshape([B * T, 1]));
    const picked = np.where(isTarget, shifted.ref, 0).sum(-1);
    return np.log(np.exp(shifted).sum(-1)).sub(picked).mean();
  };
}
