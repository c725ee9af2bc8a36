// From a file of named tensors to a CPU arena.
import type { TensorFile } from '../formats/tensorFile.ts';
import { packArena, type ParameterTable } from './parameters.ts';

/** All weights of `table`, read from a checkpoint with Llama's names. @throws when one is missing or cannot be read */
export async function readArena(file: TensorFile, table: ParameterTable): Promise<Float32Array> {
  const weights = new Map<string, { data: Float32Array }>();
  for (const name of table.slots.keys()) weights.set(name, { data: await file.readFloats(name) });
  return packArena(table, weights);
}
