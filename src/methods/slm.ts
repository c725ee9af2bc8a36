// SLM: the plain small model, pretrained on the same text as the projected network. The baseline of every comparison.
import { packArena, type ParameterTable } from '../model/parameters.ts';
import type { TensorFile } from '../formats/tensorFile.ts';

/** The plain model's weights as a CPU arena. */
export async function slmWeights(file: TensorFile, table: ParameterTable): Promise<Float32Array> {
  const weights = new Map<string, { data: Float32Array }>();
  for (const name of table.slots.keys()) weights.set(name, { data: await file.readFloats(name) });
  return packArena(table, weights);
}
