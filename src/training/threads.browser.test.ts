// The WebAssembly engine's threads, in a real browser: any number of them takes the same steps bit by bit, memory may grow under them, and a thread that is gone is told.
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Gpu } from '../gpu/device.ts';
import { submitOps } from '../gpu/dispatch.ts';
import { readFloats } from '../gpu/readback.ts';
import { gemm } from '../kernels/gemm.ts';
import { packArena } from '../model/parameters.ts';
import { SmallModel } from '../model/smallModel.ts';
import { expectClose } from '../testing/allclose.ts';
import { loadGolden } from '../testing/golden.ts';
import { randomFloats, threadedGpu } from '../testing/testGpu.ts';
import { Stepper } from './stepper.ts';

const opened: Gpu[] = [];
async function open(threads: number): Promise<Gpu> {
  const gpu = await threadedGpu(threads);
  opened.push(gpu);
  return gpu;
}
afterEach(() => {
  for (const gpu of opened.splice(0)) gpu.device.destroy();
});

interface Trained {
  readonly losses: readonly number[];
  readonly weights: Float32Array;
}

async function trainGolden(gpu: Gpu): Promise<Trained> {
  const golden = await loadGolden();
  const config = { ...golden.config, maxPositionEmbeddings: golden.T };
  const model = await SmallModel.create(gpu, config, { batchSize: golden.B, seqLen: golden.T }, { train: true });
  await model.loadWeights(packArena(model.table, golden.weights));
  const stepper = await Stepper.create(gpu, model, golden.optimizer, 1);
  const losses: number[] = [];
  for (const [i, tokens] of golden.tokens.entries()) {
    const { loss } = await stepper.step(i + 1, golden.optimizer.learningRate, (tokensOut, targetsOut) => {
      tokensOut.set(tokens);
      targetsOut.set(golden.targets[i]);
    });
    losses.push(loss);
  }
  const weights = await model.readWeights();
  stepper.destroy();
  model.destroy();
  return { losses, weights };
}

describe('threads', () => {
  it('may share memory in this page', () => {
    expect(crossOriginIsolated).toBe(true);
  });

  it('take the same steps, however many', async () => {
    const golden = await loadGolden();
    const alone = await open(1);
    expect(alone.adapter.name).toBe('WebAssembly, 1 thread');
    const expected = await trainGolden(alone);
    expectClose('losses', expected.losses, golden.losses, 1e-4);
    for (const threads of [2, 5]) {
      const gpu = await open(threads);
      expect(gpu.adapter.name).toBe(`WebAssembly, ${threads} threads`);
      expect(await trainGolden(gpu)).toEqual(expected);
    }
  });

  it('see memory that has grown since they began', async () => {
    const gpu = await open(2);
    const [M, N, K] = [70, 90, 50];
    const product = async (): Promise<Float32Array> => {
      const buffers = { a: gpu.buffers.upload('test.a', randomFloats(M * K, 1)), b: gpu.buffers.upload('test.b', randomFloats(N * K, 2)), c: gpu.buffers.createFloats('test.c', M * N) };
      submitOps(gpu, 'test', [await gemm(gpu, buffers, { form: 'NT', M, N, K, accumulate: false })]);
      return readFloats(gpu, buffers.c);
    };
    const before = await product();
    gpu.buffers.createFloats('test.large', 50e6);
    expect(await product()).toEqual(before);
  });

  it('are missed when one is gone', async () => {
    const workers: Worker[] = [];
    const NativeWorker = Worker;
    vi.stubGlobal('Worker', class extends NativeWorker {
      constructor(url: string | URL, options?: WorkerOptions) {
        super(url, options);
        workers.push(this);
      }
    });
    const gpu = await open(2);
    vi.unstubAllGlobals();
    const view = gpu.buffers.upload('test.a', randomFloats(64, 1));
    workers[1].terminate();
    await expect(readFloats(gpu, view)).rejects.toThrow('A thread of the WebAssembly engine ended unexpectedly');
    expect(await gpu.lost).toEqual({ reason: 'unknown', message: expect.stringContaining('ended unexpectedly') });
    // And it stays so.
    await expect(readFloats(gpu, view)).rejects.toThrow('ended unexpectedly');
  });
});
