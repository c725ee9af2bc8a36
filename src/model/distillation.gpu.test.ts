// A student learning from a larger teacher, over several chunks of rows: the GPU's losses are the float64 twins', and its gradients are finite differences of
// the twins' loss.
import { describe, expect, it } from 'vitest';
import type { ModelConfig } from '../config/modelConfig.ts';
import { UserError } from '../core/invariant.ts';
import { readFloats } from '../gpu/readback.ts';
import { IGNORED_TARGET } from '../kernels/crossEntropy.ts';
import type { DistillationMix } from '../kernels/distillation.ts';
import { crossEntropyForward } from '../reference/crossEntropy.ts';
import { distillationForward } from '../reference/distillation.ts';
import { modelForward, type ReferenceWeights } from '../reference/model.ts';
import { expectClose } from '../testing/allclose.ts';
import { expectGradient } from '../testing/gradcheck.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { headChunkRows } from './head.ts';
import { hostTensors } from './parameters.ts';
import { SmallModel } from './smallModel.ts';

const COMMON = { vocabSize: 23, headDim: 4, maxPositionEmbeddings: 32, rmsNormEps: 1e-5, ropeTheta: 1e4 };
const STUDENT: ModelConfig = { ...COMMON, hiddenSize: 8, intermediateSize: 12, numHiddenLayers: 1, numAttentionHeads: 2 };
const TEACHER: ModelConfig = { ...COMMON, hiddenSize: 12, intermediateSize: 20, numHiddenLayers: 2, numAttentionHeads: 3 };
const SHAPE = { batchSize: 3, seqLen: 22 };
const ROWS = SHAPE.batchSize * SHAPE.seqLen;
const TWIN_SHAPE = { B: SHAPE.batchSize, T: SHAPE.seqLen };
const MIX: DistillationMix = { weight: 0.6, temperature: 1.7 };
const GRADIENT_TOLERANCE = 1e-4;

const TOKENS = Uint32Array.from({ length: ROWS }, (_, i) => (i * i + 3) % COMMON.vocabSize);
const TARGETS = Uint32Array.from({ length: ROWS }, (_, i) => (i % 19 === 5 ? IGNORED_TARGET : (i * 5 + 1) % COMMON.vocabSize));
const SCALE = 1 / TARGETS.filter((target) => target !== IGNORED_TARGET).length;

/** Student and teacher with random weights; the arenas as they were loaded. */
async function createPair({ recompute = false, mix = MIX }: { readonly recompute?: boolean; readonly mix?: DistillationMix } = {}) {
  const gpu = await testGpu();
  const teacher = await SmallModel.create(gpu, TEACHER, SHAPE, { train: false });
  const student = await SmallModel.create(gpu, STUDENT, SHAPE, { train: true, recompute, teacher: { model: teacher, ...mix } });
  const arenas = { teacher: randomFloats(teacher.table.length, 7).map((value) => value * 0.9), student: randomFloats(student.table.length, 8).map((value) => value * 0.7) };
  await teacher.loadWeights(arenas.teacher);
  await student.loadWeights(arenas.student);
  student.setLossScale(SCALE);
  const destroy = (): void => {
    student.destroy();
    teacher.destroy();
  };
  return { gpu, teacher, student, arenas, destroy };
}

const twinWeights = (model: SmallModel, arena: Float32Array): Map<string, Float64Array> =>
  new Map([...hostTensors(model.table, arena)].map(([name, { data }]) => [name, Float64Array.from(data)]));

const twinLogits = (config: ModelConfig, weights: ReferenceWeights): Float64Array => modelForward(config, weights, TOKENS, TWIN_SHAPE).logits;

describe('a student with a teacher', () => {
  it('has the losses of the twins, and gradients that are finite differences of their loss', async () => {
    const { gpu, teacher, student, arenas, destroy } = await createPair();
    expect(headChunkRows(ROWS, COMMON.vocabSize, gpu.device.limits)).toBeLessThan(ROWS);
    const teacherLogits = twinLogits(TEACHER, twinWeights(teacher, arenas.teacher));
    const weights = twinWeights(student, arenas.student);
    const twinLosses = (): Float64Array => distillationForward({ logits: twinLogits(STUDENT, weights), teacherLogits, targets: TARGETS }, MIX, { rows: ROWS, V: COMMON.vocabSize });
    await withoutGpuErrors(gpu, async () => {
      student.accumulateGradients(TOKENS, TARGETS, { clear: true });
      expectClose('losses', await readFloats(gpu, student.losses), twinLosses(), 1e-5);
      const gradients = hostTensors(student.table, await student.gradients.read(gpu));
      expect(gradients.size).toBe(weights.size);
      for (const [name, values] of weights) {
        expect(gradients.get(name)!.data.some((value) => value !== 0)).toBe(true);
        const loss = (): number => twinLosses().reduce((sum, value) => sum + value, 0) * SCALE;
        expectGradient({ what: name, loss, values, gradient: gradients.get(name)!.data, numSamples: 6, tolerance: GRADIENT_TOLERANCE });
      }
    });
    destroy();
  });

  it('takes another mix without another plan, and at weight 0 learns as without a teacher', async () => {
    const { gpu, student, arenas, destroy } = await createPair();
    const alone = await SmallModel.create(gpu, STUDENT, SHAPE, { train: true });
    await alone.loadWeights(arenas.student);
    alone.setLossScale(SCALE);
    const gradientsOf = async (model: SmallModel): Promise<Float32Array> => {
      model.accumulateGradients(TOKENS, TARGETS, { clear: true });
      return model.gradients.read(gpu);
    };
    await withoutGpuErrors(gpu, async () => {
      const taught = await gradientsOf(student);
      student.setDistillation({ weight: 0, temperature: 3 });
      const untaught = await gradientsOf(student);
      expectClose('gradients at weight 0', untaught, await gradientsOf(alone), 1e-5);
      expectClose('losses at weight 0', await readFloats(gpu, student.losses), await readFloats(gpu, alone.losses), 1e-5);
      expect(() => expectClose('taught', taught, untaught, 1e-2)).toThrow(/taught/);
      student.setDistillation(MIX);
      expect(await gradientsOf(student)).toEqual(taught);
    });
    alone.destroy();
    destroy();
  });

  it('hears the teacher about every batch anew, and is evaluated on the targets alone', async () => {
    const { gpu, teacher, student, arenas, destroy } = await createPair();
    const otherTokens = TOKENS.map((token) => (token + 4) % COMMON.vocabSize);
    await withoutGpuErrors(gpu, async () => {
      student.accumulateGradients(otherTokens, TARGETS, { clear: true });
      student.accumulateGradients(TOKENS, TARGETS, { clear: true });
      const gradients = await student.gradients.read(gpu);
      const evaluated = await student.evaluate(TOKENS, TARGETS);
      expectClose('evaluation', evaluated, crossEntropyForward(twinLogits(STUDENT, twinWeights(student, arenas.student)), TARGETS, { rows: ROWS, V: COMMON.vocabSize }), 1e-5);
      await teacher.evaluate(otherTokens, TARGETS);
      student.accumulateGradients(TOKENS, TARGETS, { clear: true });
      expect(await student.gradients.read(gpu)).toEqual(gradients);
      expect(await student.readWeights()).toEqual(arenas.student);
      expect(await teacher.readWeights()).toEqual(arenas.teacher);
    });
    destroy();
  });

  it('learns the same to the bit with recomputed activations', async () => {
    const results: Float32Array[] = [];
    for (const recompute of [false, true]) {
      const { gpu, student, destroy } = await createPair({ recompute });
      student.accumulateGradients(TOKENS, TARGETS, { clear: true });
      results.push(await student.gradients.read(gpu));
      destroy();
    }
    expect(results[1]).toEqual(results[0]);
  });

  it('refuses a teacher that cannot teach it, and leaves nothing behind', async () => {
    const { gpu, teacher, student, destroy } = await createPair();
    const before = gpu.buffers.bytes;
    const other = { ...STUDENT, vocabSize: 24 };
    await expect(SmallModel.create(gpu, other, SHAPE, { train: true, teacher: { model: teacher, ...MIX } })).rejects.toThrow(UserError);
    await expect(SmallModel.create(gpu, other, SHAPE, { train: true, teacher: { model: teacher, ...MIX } })).rejects.toThrow("The teacher's vocabulary has 23 tokens but the student's 24");
    await expect(SmallModel.create(gpu, STUDENT, { batchSize: 1, seqLen: ROWS }, { train: true, teacher: { model: teacher, ...MIX } })).rejects.toThrow(/same batches/);
    await expect(SmallModel.create(gpu, STUDENT, SHAPE, { train: false, teacher: { model: teacher, ...MIX } })).rejects.toThrow(/has no teacher/);
    await expect(SmallModel.create(gpu, STUDENT, SHAPE, { train: true, teacher: { model: teacher, weight: 2, temperature: 1 } })).rejects.toThrow(/weight must be between 0 and 1/);
    expect(() => teacher.setDistillation(MIX)).toThrow(/without a teacher/);
    expect(() => student.setDistillation({ weight: 1, temperature: 0 })).toThrow(/temperature must be above 0/);
    expect(gpu.buffers.bytes).toBe(before);
    destroy();
  });
});
