// A small projected network in memory, with random numbers.
import { MLP_PROJECTIONS, layerWeight, mlpShape, modelWeights, type ModelConfig } from '../config/modelConfig.ts';
import { decodeFloat16, encodeFloat16 } from '../core/float16.ts';
import { numElements } from '../core/tensor.ts';
import type { TensorFile } from '../formats/tensorFile.ts';

export const CONFIG: ModelConfig = { vocabSize: 40, hiddenSize: 16, intermediateSize: 24, numHiddenLayers: 2, numAttentionHeads: 2, headDim: 8, maxPositionEmbeddings: 16, rmsNormEps: 1e-5, ropeTheta: 1e4 };
export const NETWORK = { h: 5, k: 3, m: 4 };

/** An in-memory network: T in F16 as in a pack, everything else float32. */
export function syntheticNetwork(randomFloats: (length: number, seed: number) => Float32Array): { file: TensorFile; slices: Map<string, Float32Array>; floats: Map<string, Float32Array> } {
  const floats = new Map<string, Float32Array>();
  const slices = new Map<string, Float32Array>();
  const bytes = new Map<string, Uint8Array<ArrayBuffer>>();
  let seed = 1;
  floats.set('projected_network.E', randomFloats(NETWORK.k * NETWORK.m, seed++));
  for (const { name, shape } of modelWeights(CONFIG)) floats.set(name, randomFloats(numElements(shape), seed++));
  for (let layer = 0; layer < CONFIG.numHiddenLayers; layer++) {
    for (const projection of MLP_PROJECTIONS) {
      const prefix = layerWeight(layer, `mlp.${projection}`);
      const halves = encodeFloat16(randomFloats(NETWORK.h * numElements(mlpShape(CONFIG, projection)), seed++));
      floats.set(`${prefix}.M`, randomFloats(NETWORK.m * NETWORK.h, seed++));
      slices.set(`${prefix}.T`, decodeFloat16(halves));
      bytes.set(`${prefix}.T`, new Uint8Array(halves.buffer));
    }
  }
  const tensors = new Map([...slices.keys()].map((name) => [name, { dtype: 'F16', shape: [], byteOffset: 0, byteLength: bytes.get(name)!.length }]));
  const file = {
    name: 'synthetic',
    tensors,
    readBytes: async (name: string, start = 0, end?: number) => bytes.get(name)!.slice(start, end),
    readInto: async (name: string, start: number, target: Uint8Array) => {
      const whole = bytes.get(name) ?? new Uint8Array(floats.get(name)!.buffer);
      target.set(whole.subarray(start, start + target.length));
    },
    readFloats: async (name: string) => floats.get(name)!.slice(),
  } as unknown as TensorFile;
  return { file, slices, floats };
}
