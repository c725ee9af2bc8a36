// The golden projection: what PyTorch made of a tiny projected network in float64 (pretrain/golden/write_projection_golden.py), against the whole path from
// the file to the weight arena, with slices in float32 and streamed in several runs.
import { expect, it } from 'vitest';
import { MLP_PROJECTIONS, layerWeight } from '../config/modelConfig.ts';
import { openTensorFile } from '../formats/tensorFile.ts';
import { BufferScope } from '../gpu/buffers.ts';
import { expectClose } from '../testing/allclose.ts';
import description from '../testing/fixtures/golden/projection.json';
import { goldenBytes } from '../testing/golden.ts';
import { testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { Arena } from './arena.ts';
import { createParameterTable, hostTensors } from './parameters.ts';
import { Projector } from './projection.ts';

it('projects every expert as PyTorch does, within 1e-5', async () => {
  const { config, projectedNetwork } = description;
  const gpu = await testGpu();
  const file = await openTensorFile(new Blob([await goldenBytes('projection')]), 'projection.safetensors');
  const table = createParameterTable(config);
  const scope = new BufferScope(gpu.buffers, 'test');
  const arena = Arena.create(scope, 'arena', table, gpu.device.limits);
  const matrices = Array.from({ length: config.numHiddenLayers }, (_, layer) => MLP_PROJECTIONS.map((name) => `${layerWeight(layer, `mlp.${name}`)}.weight`)).flat();
  const bytesOfTwoSlices = 2 * 4 * config.intermediateSize * config.hiddenSize;
  await withoutGpuErrors(gpu, async () => {
    const projector = await Projector.create(gpu, config, projectedNetwork, table, file, { stagingBytes: bytesOfTwoSlices });
    for (let expert = 0; expert < projectedNetwork.k; expert++) {
      await projector.project(projector.expertVector(expert), arena);
      const weights = hostTensors(table, await arena.read(gpu));
      for (const name of matrices) {
        const expected = await file.readFloats(`projected/${expert}/${name}`);
        expect(expected.some((value) => value !== 0)).toBe(true);
        expectClose(`${name} of expert ${expert}`, weights.get(name)!.data, expected, 1e-5);
      }
    }
    projector.destroy();
  });
  scope.destroy();
});
