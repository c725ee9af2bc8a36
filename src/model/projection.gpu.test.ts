// Projection through the whole path (file -> staging -> kernel -> arena) against a float64 reference, streamed in several runs of slices; and the gradient of
// the expert vector against finite differences of the reference.
import { expect, it } from 'vitest';
import { MLP_PROJECTIONS, layerWeight, mlpShape } from '../config/modelConfig.ts';
import { openPack } from '../pack/openPack.ts';
import { BufferScope } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { expertCoefficients, projectionForward } from '../reference/projection.ts';
import { expectClose, expectSameBits } from '../testing/allclose.ts';
import { withLimits } from '../testing/limitedDevice.ts';
import { randomFloats, testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { buildTinyPack } from '../testing/tinyPack.ts';
import { Arena } from './arena.ts';
import { createParameterTable, hostTensors } from './parameters.ts';
import { CONFIG, NETWORK, syntheticNetwork } from './projectedNetwork.fixture.ts';
import { Projector } from './projection.ts';

it('projects every MLP matrix within 1e-5 of float64, streamed and resident, and copies the shared weights', async () => {
  const gpu = await testGpu();
  const { file, slices, floats } = syntheticNetwork(randomFloats);
  const table = createParameterTable(CONFIG);
  const scope = new BufferScope(gpu.buffers, 'test');
  const arena = Arena.create(scope, 'arena', table, gpu.device.limits);
  await withoutGpuErrors(gpu, async () => {
    const projector = await Projector.create(gpu, CONFIG, NETWORK, table, file, { stagingBytes: 2 * 2 * 24 * 16 });
    const vector = projector.expertVector(1);
    for (const resident of [false, true]) {
      if (resident) expect(await projector.keepResident(1e9)).toBe(true);
      const bytesRead = await projector.project(vector, arena);
      expect(bytesRead).toBe(resident ? 0 : projector.sliceBytesTotal);
      const weights = hostTensors(table, await arena.read(gpu));
      for (const [name, { data }] of weights) {
        const sliceName = name.replace(/weight$/, 'T');
        const T = slices.get(sliceName);
        const expected = T
          ? projectionForward(expertCoefficients(vector, floats.get(name.replace(/weight$/, 'M'))!, NETWORK), T, { h: NETWORK.h, size: data.length })
          : floats.get(name)!;
        expectClose(name, data, expected, 1e-5);
      }
    }
    projector.destroy();
  });
  scope.destroy();
});

it('projects a pack whose slices are in 8 bits within 1e-5 of float64, streamed and resident', async () => {
  const gpu = await testGpu();
  const { pn, model, projectedNetwork: network } = await openPack({ kind: 'files', files: await buildTinyPack({ sliceBits: 8 }) });
  const table = createParameterTable(model);
  const scope = new BufferScope(gpu.buffers, 'test');
  const arena = Arena.create(scope, 'arena', table, gpu.device.limits);
  await withoutGpuErrors(gpu, async () => {
    // Room for two of the three slices as the GPU holds them, in float32: two runs.
    const projector = await Projector.create(gpu, model, network, table, pn, { stagingBytes: 2 * 4 * 24 * 16 });
    const vector = projector.expertVector(2);
    for (const resident of [false, true]) {
      // In the file a number takes a byte, on the GPU four.
      expect(projector.sliceBytesTotal).toBe(3 * model.numHiddenLayers * network.h * 24 * 16);
      if (resident) expect(await projector.keepResident(4 * projector.sliceBytesTotal - 1)).toBe(false);
      if (resident) expect(await projector.keepResident(4 * projector.sliceBytesTotal)).toBe(true);
      expect(await projector.project(vector, arena)).toBe(resident ? 0 : projector.sliceBytesTotal);
      const weights = hostTensors(table, await arena.read(gpu));
      for (let layer = 0; layer < model.numHiddenLayers; layer++) {
        for (const projection of MLP_PROJECTIONS) {
          const prefix = layerWeight(layer, `mlp.${projection}`);
          const numbers = new Int8Array((await pn.readBytes(`${prefix}.T`)).buffer);
          const scales = await pn.readFloats(`${prefix}.T_scale`);
          const [, columns] = mlpShape(model, projection);
          const T = Float64Array.from(numbers, (value, i) => value * scales[Math.floor(i / columns)]);
          const { data } = weights.get(`${prefix}.weight`)!;
          const coefficients = expertCoefficients(vector, await pn.readFloats(`${prefix}.M`), network);
          expectClose(`${prefix}.weight`, data, projectionForward(coefficients, T, { h: network.h, size: data.length }), 1e-5);
        }
      }
    }
    projector.destroy();
  });
  scope.destroy();
});

it('gives the gradient of the expert vector', async () => {
  const gpu = await testGpu();
  const { file, slices, floats } = syntheticNetwork(randomFloats);
  const table = createParameterTable(CONFIG);
  const scope = new BufferScope(gpu.buffers, 'test');
  const gradients = Arena.create(scope, 'gradients', table, gpu.device.limits);
  await gradients.write(gpu, randomFloats(table.length, 99));
  const projector = await Projector.create(gpu, CONFIG, NETWORK, table, file, { stagingBytes: 2 * 2 * 24 * 16 });
  const vector = projector.expertVector(0);
  const gradient = await withoutGpuErrors(gpu, () => projector.vectorGradient(gradients));
  // A loss that is linear in the weights has the given gradients everywhere.
  const dWeights = hostTensors(table, await gradients.read(gpu));
  const loss = (at: ArrayLike<number>): number => {
    let sum = 0;
    for (const [name, T] of slices) {
      const M = floats.get(name.replace(/T$/, 'M'))!;
      const dW = dWeights.get(name.replace(/T$/, 'weight'))!.data;
      const W = projectionForward(expertCoefficients(at, M, NETWORK), T, { h: NETWORK.h, size: dW.length });
      sum += W.reduce((total, value, index) => total + value * dW[index], 0);
    }
    return sum;
  };
  const expected = Array.from(vector, (value, q) => {
    const [up, down] = [vector.slice(), vector.slice()];
    up[q] = value + 1e-4;
    down[q] = value - 1e-4;
    return (loss(up) - loss(down)) / 2e-4;
  });
  expectClose('vector gradient', gradient, expected, 1e-5);
  projector.destroy();
  scope.destroy();
});

it('projects into several buffers, slice by slice and piece by piece, to the bits of one buffer and one run', async () => {
  const gpu = await testGpu();
  const { file } = syntheticNetwork(randomFloats);
  const table = createParameterTable(CONFIG);
  // The least that must be bound: gate and up together. A slice takes a quarter of it, so that a matrix's five go in two runs; the embedding in two pieces.
  const bytes = 2 * 24 * 16 * 4;
  const projected = async (on: Gpu): Promise<{ weights: Float32Array; gradient: Float64Array; numParts: number }> => {
    const scope = new BufferScope(on.buffers, 'test');
    const arena = Arena.create(scope, 'arena', table, on.device.limits);
    const projector = await Projector.create(on, CONFIG, NETWORK, table, file);
    await projector.project(projector.expertVector(2), arena);
    const weights = await arena.read(on);
    const gradient = await projector.vectorGradient(arena);
    projector.destroy();
    scope.destroy();
    return { weights, gradient, numParts: arena.parts.length };
  };
  await withoutGpuErrors(gpu, async () => {
    const whole = await projected(gpu);
    const split = await projected(withLimits(gpu, { maxBufferSize: bytes, maxStorageBufferBindingSize: bytes }));
    expect([whole.numParts, split.numParts]).toEqual([1, 9]);
    expectSameBits('weights', split.weights, whole.weights);
    expect(split.gradient).toEqual(whole.gradient);
    expect(split.gradient.every(Number.isFinite)).toBe(true);
  });
});
