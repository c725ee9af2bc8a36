// Kernel choices kept in the browser's database: back on another device of the same adapter, and nothing but an advantage when what is kept makes no sense.
import { openDB } from 'idb';
import { expect, it } from 'vitest';
import { openGpu } from '../gpu/device.ts';
import { chosenVariant, rememberVariant, type GemmProblem } from '../kernels/gemm.ts';
import { chosenStorage, rememberStorage } from '../model/chooseStorage.ts';
import { asHardware } from '../testing/testGpu.ts';
import { keepChoices, recallChoices } from './keptChoices.ts';

const PROBLEM: GemmProblem = { form: 'NT', M: 32, N: 48, K: 64 };

it('comes back on a new device of the same adapter', async () => {
  const first = await openGpu();
  rememberVariant(first, PROBLEM, 'register-8x4');
  await keepChoices(first);
  const second = await openGpu();
  expect(chosenVariant(second, PROBLEM)).not.toBe('register-8x4');
  await recallChoices(second);
  expect(chosenVariant(second, PROBLEM)).toBe('register-8x4');
});

it('does not use a variant that is not there, nor stumble over rubbish', async () => {
  const database = await openDB('studio.kernels');
  const [key] = await database.getAllKeys('choices');
  await database.put('choices', [['gemm NT 32 48 64', 'gone-4x4'], 'rubbish', [1, 2]], key);
  database.close();
  const gpu = await openGpu();
  const untuned = chosenVariant(gpu, PROBLEM);
  await recallChoices(gpu);
  expect(chosenVariant(gpu, PROBLEM)).toBe(untuned);
});

it('brings the storage back that was chosen for training', async () => {
  const model = { vocabSize: 40, hiddenSize: 32, intermediateSize: 48, numHiddenLayers: 2, numAttentionHeads: 2, headDim: 16, maxPositionEmbeddings: 32, rmsNormEps: 1e-5, ropeTheta: 1e4 };
  const shape = { batchSize: 8, seqLen: 16, recomputeActivations: false };
  const first = asHardware(await openGpu());
  rememberStorage(first, model, shape, 'f16');
  await keepChoices(first);
  const second = asHardware(await openGpu());
  expect(chosenStorage(second, model, shape)).toBe('f32');
  await recallChoices(second);
  expect(chosenStorage(second, model, shape)).toBe('f16');
});
