// Token-by-token generation with the key-value cache gives the logits of the whole-sequence forward pass.
import { expect, it } from 'vitest';
import { modelForward } from '../reference/model.ts';
import { expectClose } from '../testing/allclose.ts';
import { loadGolden } from '../testing/golden.ts';
import { testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { Generator } from './generation.ts';
import { createParameterTable, packArena } from './parameters.ts';

it('equals the float64 twin at every position, and again after starting over', async () => {
  const gpu = await testGpu();
  const { config, weights, tokens, T } = await loadGolden();
  const row = tokens[0].subarray(0, T);
  const named = new Map([...weights].map(([name, { data }]) => [name, data]));
  const { logits } = modelForward(config, named, row, { B: 1, T });
  await withoutGpuErrors(gpu, async () => {
    const generator = await Generator.create(gpu, config, packArena(createParameterTable(config), weights), 'test');
    for (let pass = 0; pass < 2; pass++) {
      for (let position = 0; position < T; position++) {
        const expected = logits.subarray(position * config.vocabSize, (position + 1) * config.vocabSize);
        expectClose(`logits at ${position}`, await generator.logitsAfter(row[position], position), expected, 1e-4);
      }
    }
    generator.destroy();
  });
});

it('repeats from its seed, stays within the context and ends before end of text', async () => {
  const gpu = await testGpu();
  const { config, weights } = await loadGolden();
  const generator = await Generator.create(gpu, config, packArena(createParameterTable(config), weights), 'test');
  const collect = async (seed: number, endOfText: number, prompt: number[]): Promise<number[]> => {
    const ids: number[] = [];
    for await (const group of generator.generate(prompt, { maxTokens: 100, temperature: 1, topP: 0.95, seed, endOfText })) ids.push(...group);
    return ids;
  };
  const first = await collect(3, -1, [1, 2, 3]);
  expect(await collect(3, -1, [1, 2, 3])).toEqual(first);
  expect(await collect(4, -1, [1, 2, 3])).not.toEqual(first);
  expect(first.length).toBeGreaterThan(0);
  expect(first.length).toBeLessThanOrEqual(config.maxPositionEmbeddings);
  expect(await collect(3, first[0], [1, 2, 3])).toEqual([]);
  generator.destroy();
});
