// The whole way: text in, expert projected, fine-tuning, honest figures, and a model out whose loss an independent reader confirms.
import { modelWeights } from '../../src/config/modelConfig.ts';
import { documentTexts, JOURNEY_TEXT } from '../pages/texts.ts';
import { openExportedModel } from '../pages/exportedModel.ts';
import { documentsOf } from '../pages/splitDocuments.ts';
import { expect, reportMeasured, test } from '../pages/studioTest.ts';

/** A software GPU takes a second for each. */
const STEPS = { webgpu: 40, wasm: 60 };
const EVALUATE_EVERY = 10;
const SEQUENCE_LENGTH = 128;
/** Relative difference allowed between the engine's float32 loss and the reference's in float64. */
const LOSS_TOLERANCE = 1e-3;

for (const engine of ['webgpu', 'wasm'] as const) test(`specializes to ${JOURNEY_TEXT.name} with ${engine} and leaves with a model that computes the same loss`, async ({ studio }, testInfo) => {
  test.setTimeout(15 * 60_000);
  await studio.open(engine);
  const { adapter } = await studio.engine.waitFor('device.ready');
  expect(adapter.engine).toBe(engine);
  await expect(studio.part('device')).toContainText(adapter.name);
  await studio.drop('data-drop', [JOURNEY_TEXT.file]);
  await studio.dataIsReady();
  // Few test documents, so that the float64 reference in Node is done with them within half a minute.
  await studio.setShares({ testShare: 0.02 });

  await studio.project('mostFrequent');
  const { projected, slm } = await studio.engine.last('model.projected');
  expect(await studio.part('expert-explanation').innerText()).toMatch(/\w+.{20,}\./s);

  await studio.setRun({ steps: STEPS[engine], evaluateEvery: EVALUATE_EVERY, evaluationTokens: 4096, batchSize: 4, seqLen: SEQUENCE_LENGTH, patience: 0 });
  await studio.startTraining();
  const { figures } = await studio.engine.waitFor('test.evaluated', { timeout: 12 * 60_000 });

  const evaluations = await studio.engine.of('train.evaluated');
  expect(evaluations.map(({ step }) => step)).toEqual(Array.from({ length: STEPS[engine] / EVALUATE_EVERY }, (_, i) => (i + 1) * EVALUATE_EVERY));
  const perplexities = [projected.perplexity, ...evaluations.map(({ validation }) => validation.perplexity)];
  reportMeasured(`validation perplexity: SLM ${slm.perplexity.toFixed(2)}; ${perplexities.map((value) => value.toFixed(2)).join(' ')}`);
  for (let i = 1; i <= 40 / EVALUATE_EVERY; i++) expect(perplexities[i], `validation at step ${i * EVALUATE_EVERY}`).toBeLessThan(perplexities[i - 1]);
  expect(perplexities.at(-1)).toBeLessThan(0.85 * perplexities[0]);

  const { tokens: trainedTokens, seconds, tokensPerSecond } = await studio.engine.last('train.stepped');
  expect(tokensPerSecond, 'the rate shown against the whole run\'s').toBeGreaterThan(trainedTokens / seconds / 3);
  expect(tokensPerSecond).toBeLessThan((3 * trainedTokens) / seconds);

  const figure = (model: string) => figures.find((candidate) => candidate.model === model)!;
  expect(figure('fineTuned').perplexity).toBeLessThan(figure('projected').perplexity);
  expect(new Set(figures.map(({ weightsHash }) => weightsHash)).size).toBe(3);
  for (const { model, weightsHash, interval, perplexity } of figures) {
    expect(interval[0]).toBeLessThanOrEqual(perplexity);
    expect(interval[1]).toBeGreaterThanOrEqual(perplexity);
    await expect(studio.part(`result-row-${model}`)).toContainText(weightsHash.slice(0, 6));
  }

  const download = await studio.exportModel();
  expect(download.suggestedFilename()).toMatch(/\.zip$/);
  const zip = testInfo.outputPath('model.zip');
  await download.saveAs(zip);
  const exported = await openExportedModel(zip);
  expect(exported.json.architectures).toEqual(['LlamaForCausalLM']);
  expect(exported.fileNames).toEqual(expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json', 'README.md']));
  const { pack } = await studio.engine.last('pack.loaded');
  for (const { name } of modelWeights(pack.model)) expect(exported.tensorNames).toContain(name);

  const documents = await documentsOf(studio, 'test', documentTexts(JOURNEY_TEXT.file), exported.numTokens);
  expect(documents).toHaveLength(figure('fineTuned').documents);
  const { loss, tokens } = exported.lossOn(documents, SEQUENCE_LENGTH);
  expect(tokens).toBe(figure('fineTuned').tokens);
  reportMeasured(`exported loss: engine ${figure('fineTuned').loss.toFixed(6)}, exported file in float64 ${loss.toFixed(6)}, ${tokens} tokens`);
  expect(Math.abs(loss - figure('fineTuned').loss) / loss).toBeLessThan(LOSS_TOLERANCE);
});
