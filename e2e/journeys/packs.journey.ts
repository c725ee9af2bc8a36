// The packs beside the page: the larger one is a click away, and projects.
import { BUNDLED_PACKS } from '../../src/config/bundledPacks.ts';
import { expect, reportMeasured, test } from '../pages/studioTest.ts';

for (const { name } of BUNDLED_PACKS.slice(1)) test(`the bundled pack ${name} loads at a click and projects better than chance`, async ({ studio }) => {
  await studio.open('wasm');
  await studio.openDisclosure('pack-change');
  await studio.part(`pack-bundled-${name}`).click();
  await expect(studio.part('pack-name')).toHaveText(name, { timeout: 120_000 });
  await studio.useSample();
  await studio.project('mostFrequent');
  const { pack } = await studio.engine.last('pack.loaded');
  const { slm, projected } = await studio.engine.last('model.projected');
  reportMeasured(`${name}: ${pack.parametersAfter} parameters after projection, perplexity on the sample ${slm.perplexity.toFixed(1)} (plain), ${projected.perplexity.toFixed(1)} (projected)`);
  for (const { perplexity } of [slm, projected]) expect(perplexity).toBeLessThan(pack.model.vocabSize / 4);
});
