import { expect, it } from 'vitest';
import { DEFAULT_DATA_CONFIG } from '../config/dataConfig.ts';
import { documentTokens } from './corpus.ts';
import { file, load, nanoTokenizer, prose } from './loading.fixture.ts';
import { splitCorpus } from './split.ts';
import { restoredText, storedText } from './storedCorpus.ts';

it('brings back the same documents, tokens, split and fingerprint', async () => {
  const { corpus } = await load([file('a.txt', prose(1, 300)), file('b.txt', prose(2, 200)), file('c.txt', prose(3, 100)), file('d.txt', prose(4, 400))]);
  const split = splitCorpus(corpus, DEFAULT_DATA_CONFIG);
  const stored = structuredClone(storedText(corpus, split, nanoTokenizer.vocabSize));
  expect(stored.content.byteLength).toBe(corpus.numTokens * 2);
  const restored = restoredText({ ...stored, description: JSON.parse(JSON.stringify(stored.description)) as typeof stored.description }, nanoTokenizer);
  expect(restored.split).toEqual(split);
  expect(restored.corpus.fingerprint('x')).toBe(corpus.fingerprint('x'));
  expect(restored.corpus.bytes).toBe(corpus.bytes);
  for (let index = 0; index < corpus.numDocuments; index++) {
    expect(restored.corpus.document(index)).toEqual(corpus.document(index));
    expect(documentTokens(restored.corpus, index)).toEqual(documentTokens(corpus, index));
  }
  expect(() => restoredText({ ...stored, content: stored.content.slice(2) }, nanoTokenizer)).toThrow('damaged');
});
