// Slices read to where the WebAssembly engine's threads compute: no copy in between, and no run overwritten before it has been used.
import { expect, it } from 'vitest';
import { BufferScope } from '../gpu/buffers.ts';
import { expertCoefficients, projectionForward } from '../reference/projection.ts';
import { expectClose } from '../testing/allclose.ts';
import { randomFloats } from '../testing/testGpu.ts';
import { openWasm } from '../wasm/openWasm.ts';
import { Arena } from '../model/arena.ts';
import { createParameterTable, hostTensors } from '../model/parameters.ts';
import { CONFIG, NETWORK, syntheticNetwork } from '../model/projectedNetwork.fixture.ts';
import { Projector } from '../model/projection.ts';

it('reads slices into memory that the threads share, lane by lane', async () => {
  const gpu = await openWasm({ threads: 2 });
  expect(gpu.adapter.name).toContain('2 threads');
  const { file, slices, floats } = syntheticNetwork(randomFloats);
  const read = { shared: 0, copied: 0 };
  const { readInto } = file;
  Object.assign(file, {
    readInto: async (name: string, start: number, target: Uint8Array) => {
      if (slices.has(name)) read[target.buffer instanceof SharedArrayBuffer ? 'shared' : 'copied']++;
      // Some runs take longer than the kernels of the one before, some do not.
      if (start % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
      await readInto(name, start, target);
    },
  });
  const table = createParameterTable(CONFIG);
  const scope = new BufferScope(gpu.buffers, 'test');
  const arena = Arena.create(scope, 'arena', table, gpu.device.limits);
  // One slice a run.
  const projector = await Projector.create(gpu, CONFIG, NETWORK, table, file, { stagingBytes: 2 * 24 * 16 });
  for (const expert of [0, 2, 1]) {
    const vector = projector.expertVector(expert);
    await projector.project(vector, arena);
    for (const [name, { data }] of hostTensors(table, await arena.read(gpu))) {
      const T = slices.get(name.replace(/weight$/, 'T'));
      const M = floats.get(name.replace(/weight$/, 'M'));
      expectClose(name, data, T && M ? projectionForward(expertCoefficients(vector, M, NETWORK), T, { h: NETWORK.h, size: data.length }) : floats.get(name)!, 1e-5);
    }
  }
  expect(read).toEqual({ shared: 3 * 3 * CONFIG.numHiddenLayers * NETWORK.h, copied: 0 });
  projector.destroy();
  scope.destroy();
  gpu.device.destroy();
});
