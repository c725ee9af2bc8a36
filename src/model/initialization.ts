// Random starting weights, with the spreads of pretrain/model/initialization.py (whose numbers bench/LOG.md has): matrices normal with a standard deviation of
// 1 / sqrt(3 inputs), those that write to the residual stream smaller by sqrt(2 L), the embedding 2/3 / sqrt(C), norms one. The same seed gives the same
// weights on every machine; they are not PyTorch's for that seed.
import { EMBEDDING_WEIGHT, modelWeights, type ModelConfig } from '../config/modelConfig.ts';
import { createRandom } from '../core/random.ts';
import { numElements } from '../core/tensor.ts';
import { packArena, type ParameterTable } from './parameters.ts';

const SPREAD = 1 / Math.sqrt(3);
const EMBEDDING_SPREAD = 2 / 3;
const WRITES_TO_RESIDUAL = /\.(o_proj|down_proj)\.weight$/;

/** A CPU arena of random weights. */
export function randomWeights(config: ModelConfig, table: ParameterTable, seed: number): Float32Array {
  const random = createRandom(seed);
  const weights = new Map<string, { data: Float32Array }>();
  for (const { name, shape } of modelWeights(config)) {
    const data = new Float32Array(numElements(shape));
    if (shape.length === 1) data.fill(1);
    else {
      const deviation = standardDeviation(config, name, shape[1]);
      for (let i = 0; i < data.length; i++) data[i] = deviation * random.normal();
    }
    weights.set(name, { data });
  }
  return packArena(table, weights);
}

function standardDeviation(config: ModelConfig, name: string, inputs: number): number {
  if (name === EMBEDDING_WEIGHT) return EMBEDDING_SPREAD / Math.sqrt(inputs);
  return SPREAD / Math.sqrt(WRITES_TO_RESIDUAL.test(name) ? 2 * config.numHiddenLayers * inputs : inputs);
}
