// Opens a pack's weight file: names, shapes and dtypes as its configuration asks for, and every value finite.
import { openTensorFile, requireFiniteTensors, type TensorFile } from '../formats/tensorFile.ts';
import { requireTensors, type ExpectedTensor } from './expectedTensors.ts';

export interface WeightFileOptions {
  /** The file of the pack that says which tensors are expected; "config.json" by default. */
  readonly configFile?: string;
  readonly signal?: AbortSignal;
}

/** @throws UserError one sentence naming the file and the tensor */
export async function openWeightFile(
  blob: Blob, name: string, expectedIn: (found: TensorFile['tensors']) => ReadonlyMap<string, ExpectedTensor>, { configFile = 'config.json', signal }: WeightFileOptions = {},
): Promise<TensorFile> {
  const file = await openTensorFile(blob, name);
  requireTensors(name, file.tensors, expectedIn(file.tensors), configFile);
  await requireFiniteTensors(file, signal);
  return file;
}
