// The golden distillation: losses and every gradient of a student that PyTorch taught in float64 (pretrain/golden/write_distillation_golden.py), against a student
// and a teacher on the GPU.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HostTensors } from '../core/tensor.ts';
import { openTensorFile, type TensorFile } from '../formats/tensorFile.ts';
import type { Gpu } from '../gpu/device.ts';
import { readFloats } from '../gpu/readback.ts';
import { expectClose } from '../testing/allclose.ts';
import description from '../testing/fixtures/golden/distillation.json';
import { goldenBytes } from '../testing/golden.ts';
import { testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { hostTensors, packArena } from './parameters.ts';
import { SmallModel } from './smallModel.ts';

const SHAPE = { batchSize: description.B, seqLen: description.T };

let gpu: Gpu;
let file: TensorFile;
let teacher: SmallModel;
let student: SmallModel;

/** The tensors whose names begin with `prefix`, without it. */
async function tensorsBelow(prefix: string): Promise<HostTensors> {
  const names = [...file.tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(await Promise.all(names.map(async ([name, { shape }]) => [name.slice(prefix.length), { shape, data: await file.readFloats(name) }] as const)));
}

/** PyTorch's ignored target -1 becomes 0xFFFFFFFF. */
const tokensOf = async (name: string): Promise<Uint32Array> => new Uint32Array((await file.readBytes(name)).buffer);

beforeAll(async () => {
  gpu = await testGpu();
  file = await openTensorFile(new Blob([await goldenBytes('distillation')]), 'distillation.safetensors');
  teacher = await SmallModel.create(gpu, description.teacher, SHAPE, { train: false });
  student = await SmallModel.create(gpu, description.student, SHAPE, { train: true, teacher: { model: teacher, ...description.mixes[0] } });
  await teacher.loadWeights(packArena(teacher.table, await tensorsBelow('teacher/')));
  await student.loadWeights(packArena(student.table, await tensorsBelow('student/')));
});
afterAll(() => {
  student.destroy();
  teacher.destroy();
});

it.each(description.mixes.map((mix, index) => ({ ...mix, index })))('teaches as PyTorch does at weight $weight, temperature $temperature', async ({ index, ...mix }) => {
  const [tokens, targets] = [await tokensOf('tokens'), await tokensOf('targets')];
  const numTargets = targets.filter((target) => target !== 0xffffffff).length;
  expect(numTargets).toBe(targets.length - 2);
  student.setLossScale(1 / numTargets);
  student.setDistillation(mix);
  const { losses, gradients } = await withoutGpuErrors(gpu, async () => {
    student.accumulateGradients(tokens, targets, { clear: true });
    return { losses: await readFloats(gpu, student.losses), gradients: hostTensors(student.table, await student.gradients.read(gpu)) };
  });
  expectClose('losses', losses, await file.readFloats(`losses/${index}`), 1e-5);
  expectClose('mean loss', [losses.reduce((sum, loss) => sum + loss, 0) / numTargets], [description.losses[index]], 1e-5);
  const expected = await tensorsBelow(`gradient/${index}/`);
  expect([...gradients.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { data }] of expected) expectClose(`gradient of ${name}`, gradients.get(name)!.data, data, 1e-5);
});
