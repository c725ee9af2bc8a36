// A prompt completed side by side: both texts stream, and the same seed gives the same texts.
import { expect, test } from '../pages/studioTest.ts';

test('a prompt is completed by both models, repeatably from its seed', async ({ studio }) => {
  await studio.open('wasm');
  await studio.useSample();
  await studio.project('mostFrequent');
  await studio.setRun({ steps: 4, batchSize: 1, seqLen: 32, evaluateEvery: 4, evaluationTokens: 512, patience: 0 });
  await studio.startTraining();
  await studio.engine.waitFor('test.evaluated');
  const first = await studio.sample('The miller opened the gate');
  expect(first.projected.length).toBeGreaterThan(20);
  expect(first.fineTuned.length).toBeGreaterThan(20);
  const pieces = await studio.engine.of('sample.text');
  for (const model of ['projected', 'fineTuned'] as const) {
    const texts = pieces.filter((piece) => piece.model === model).map(({ text }) => text);
    expect(texts.length, `pieces in which the ${model} model's text arrived`).toBeGreaterThan(3);
    expect(first[model]).toContain(texts.join('').trim());
  }
  expect(await studio.sample('The miller opened the gate')).toEqual(first);
});
