// Token-by-token generation with the key-value cache gives the logits of the whole-sequence forward pass.
import { expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { modelForward } from '../reference/model.ts';
import { chosenToken } from '../reference/sampling.ts';
import { expectClose } from '../testing/allclose.ts';
import { loadGolden, type Golden } from '../testing/golden.ts';
import { testGpu, withoutGpuErrors } from '../testing/testGpu.ts';
import { Generator, type GenerationOptions } from './generation.ts';
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

/** A generator over the golden model, and what collects its ids. */
async function goldenGenerator({ change = () => {}, context }: GoldenChanges = {}): Promise<{ generator: Generator; collect: Collect; golden: Golden }> {
  const loaded = await loadGolden();
  const golden = { ...loaded, config: { ...loaded.config, maxPositionEmbeddings: context ?? loaded.config.maxPositionEmbeddings } };
  const { config, weights } = golden;
  const arena = packArena(createParameterTable(config), weights);
  change(arena);
  const generator = await Generator.create(await testGpu(), config, arena, 'test');
  const collect: Collect = async (prompt, options = {}) => {
    const ids: number[] = [];
    for await (const group of generator.generate(prompt, { maxTokens: 100, temperature: 1, topP: 0.95, seed: 3, endOfText: -1, ...options })) {
      expect(group.length).toBeGreaterThan(0);
      ids.push(...group);
    }
    return ids;
  };
  return { generator, collect, golden };
}

interface GoldenChanges {
  readonly change?: (weights: Float32Array) => void;
  /** Tokens; positions have no weights, so any number will do. */
  readonly context?: number;
}

type Collect = (prompt: readonly number[], options?: Partial<GenerationOptions>) => Promise<number[]>;

/** What the float64 twins write after a prompt, token by token over all that was before. */
function expectedAfter({ config, weights }: Golden, prompt: readonly number[], options: Partial<GenerationOptions>, count: number): number[] {
  const named = new Map([...weights].map(([name, { data }]) => [name, data]));
  const random = createRandom(3);
  const ids = [...prompt];
  for (let i = 0; i < count; i++) {
    const { logits } = modelForward(config, named, Uint32Array.from(ids), { B: 1, T: ids.length });
    ids.push(chosenToken(logits.subarray((ids.length - 1) * config.vocabSize), { temperature: 1, topP: 0.95, ...options }, random.next()));
  }
  return ids.slice(prompt.length);
}

it('writes what the float64 twins write: greedy, and with the seed\'s draws', async () => {
  const { generator, collect, golden } = await goldenGenerator();
  const { maxPositionEmbeddings } = golden.config;
  for (const options of [{ temperature: 0 }, {}, { topK: 3, topP: 1 }]) {
    for (const [prompt, maxTokens] of [[[7], maxPositionEmbeddings], [[5, 2, 7], 2], [[5, 2, 7], maxPositionEmbeddings - 3]] as const) {
      expect(await collect(prompt, { ...options, maxTokens })).toEqual(expectedAfter(golden, prompt, options, maxTokens));
    }
  }
  generator.destroy();
});

it('writes the same after prompts that are read at once, whatever was in the caches', async () => {
  const { generator, collect, golden } = await goldenGenerator({ context: 50 });
  await withoutGpuErrors(await testGpu(), async () => {
    // Read one by one up to 16 tokens; in 16, in 32 and in 50 places at once.
    for (const length of [16, 17, 33, 34, 47, 20, 3]) {
      const prompt = Array.from({ length }, (_, i) => (i * i + length) % 19);
      for (const options of [{ temperature: 0 }, {}]) {
        const maxTokens = Math.min(6, 50 - length);
        expect(await collect(prompt, { ...options, maxTokens }), `after ${length} tokens`).toEqual(expectedAfter(golden, prompt, options, maxTokens));
      }
    }
  });
  generator.destroy();
});

it('repeats from its seed, stays within the context and ends before end of text, wherever in a group that is', async () => {
  const { generator, collect, golden: { config } } = await goldenGenerator();
  const prompt = [1, 2, 3];
  const whole = await collect(prompt);
  expect(await collect(prompt)).toEqual(whole);
  expect(await collect(prompt, { seed: 4 })).not.toEqual(whole);
  // Room for more tokens than there can be leaves one of the prompt, and the last of the context still gives one.
  expect(whole.length).toBe(config.maxPositionEmbeddings);
  for (const endOfText of new Set(whole)) expect(await collect(prompt, { endOfText })).toEqual(whole.slice(0, whole.indexOf(endOfText)));
  expect(await collect(prompt, { maxTokens: 0 })).toEqual([]);
  // Only the end of a prompt that is too long.
  const long = Array.from({ length: config.maxPositionEmbeddings + 5 }, (_, i) => i % 7);
  expect(await collect(long, { maxTokens: 4 })).toEqual(await collect(long.slice(-(config.maxPositionEmbeddings - 4)), { maxTokens: 4 }));
  generator.destroy();
});

it('begins anew after a reader that left in the middle', async () => {
  const { generator, collect } = await goldenGenerator();
  const whole = await collect([1, 2, 3]);
  await withoutGpuErrors(await testGpu(), async () => {
    for (let i = 0; i < 3; i++) {
      for await (const group of generator.generate([4, 5], { maxTokens: 100, temperature: 1, topP: 1, seed: 1, endOfText: -1 })) if (group.length > 1) break;
      expect(await collect([1, 2, 3])).toEqual(whole);
    }
  });
  generator.destroy();
});

it('says so when the model is broken', async () => {
  const { generator, collect } = await goldenGenerator({ change: (weights) => weights.fill(NaN, 0, 64) });
  for (const temperature of [0, 1]) await expect(collect([1, 2, 3], { temperature })).rejects.toThrow(/not finite after token 0/);
  generator.destroy();
});
