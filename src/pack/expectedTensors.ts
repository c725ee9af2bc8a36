// Which tensors a pack's weight files must hold, from its config alone, and the check that they hold those and nothing else.
import { UserError } from '../core/invariant.ts';
import { layerWeight, MLP_PROJECTIONS, mlpShape, modelWeights, type ModelConfig, type ProjectedNetworkConfig } from '../config/modelConfig.ts';
import type { StoredTensor } from '../formats/safetensorsHeader.ts';

export interface ExpectedTensor {
  readonly shape: readonly number[];
  readonly dtypes: readonly string[];
}

const MATRIX_DTYPES = ['F16', 'F32'];
const SMALL_DTYPES = ['F32'];
const SLICE_DTYPES = [...MATRIX_DTYPES, 'I8'];

export const EXPERT_VECTORS = 'projected_network.E';

/** The plain small model: what slm.safetensors and every expert of the hard mixture hold. */
export function expectedSmallModel(model: ModelConfig): Map<string, ExpectedTensor> {
  return new Map(modelWeights(model).map(({ name, shape, decays }) => [name, { shape, dtypes: decays ? MATRIX_DTYPES : SMALL_DTYPES }]));
}

/**
 * The projected network: E [k, m], the shared weights, and M [m, h] and T [h, out, in] in place of every MLP matrix. T that was `found` in 8 bits (I8) must come with
 * T_scale [h, out], one scale per row.
 */
export function expectedProjectedNetwork(model: ModelConfig, { h, k, m }: ProjectedNetworkConfig, found: ReadonlyMap<string, StoredTensor>): Map<string, ExpectedTensor> {
  const expected = expectedSmallModel(model);
  expected.set(EXPERT_VECTORS, { shape: [k, m], dtypes: SMALL_DTYPES });
  for (let layer = 0; layer < model.numHiddenLayers; layer++) {
    for (const projection of MLP_PROJECTIONS) {
      expected.delete(layerWeight(layer, `mlp.${projection}.weight`));
      expected.set(layerWeight(layer, `mlp.${projection}.M`), { shape: [m, h], dtypes: SMALL_DTYPES });
      const slices = layerWeight(layer, `mlp.${projection}.T`);
      const [out, inner] = mlpShape(model, projection);
      expected.set(slices, { shape: [h, out, inner], dtypes: SLICE_DTYPES });
      if (found.get(slices)?.dtype === 'I8') expected.set(`${slices}_scale`, { shape: [h, out], dtypes: SMALL_DTYPES });
    }
  }
  return expected;
}

/**
 * @param configFile the file of the pack that `expected` follows from, as messages name it
 * @throws UserError one sentence naming the file and the first tensor that is missing, unexpected, or of another shape or dtype
 */
export function requireTensors(file: string, found: ReadonlyMap<string, StoredTensor>, expected: ReadonlyMap<string, ExpectedTensor>, configFile: string): void {
  for (const [name, { shape, dtypes }] of expected) {
    const tensor = found.get(name);
    if (!tensor) throw new UserError(`${file} has no tensor ${name}, which the pack's ${configFile} asks for.`);
    if (tensor.shape.join() !== shape.join()) {
      throw new UserError(`${file}: tensor ${name} has shape [${tensor.shape.join(', ')}], but the pack's ${configFile} asks for [${shape.join(', ')}].`);
    }
    if (!dtypes.includes(tensor.dtype)) throw new UserError(`${file}: tensor ${name} is stored as ${tensor.dtype}, where ${dtypes.join(' or ')} is expected.`);
  }
  for (const name of found.keys()) if (!expected.has(name)) throw new UserError(`${file} holds a tensor ${name.slice(0, 120)}, which a pack of this shape does not have.`);
}
