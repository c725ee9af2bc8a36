// Real workers: a load with the pool gives what a load on one thread gives, whether the workers live or not.
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_DATA_CONFIG } from '../config/dataConfig.ts';
import { createRandom } from '../core/random.ts';
import { loadCorpus, type LoadedCorpus } from '../data/loadCorpus.ts';
import { splitCorpus } from '../data/split.ts';
import { createTokenizer, type TextTokenizer } from '../tokenizer/tokenizer.ts';
import { PreparationPool, startPreparationWorker, type PreparationWorker, type PreparerSettings } from './preparationPool.ts';

let settings: PreparerSettings;
let tokenizer: TextTokenizer;
beforeAll(async () => {
  const json = async (name: string): Promise<unknown> => (await fetch(`/packs/nano/${name}`)).json();
  settings = { tokenizerJson: await json('tokenizer.json'), tokenizerConfig: await json('tokenizer_config.json'), comparesNear: true };
  tokenizer = createTokenizer(settings.tokenizerJson, settings.tokenizerConfig);
});

/** About 4 MB of records in many scripts; some equal to or nearly like others, some blank, one broken. */
const records = (() => {
  const random = createRandom(3);
  const letters = ['abcdefghij', 'ééèàçüöäß', 'абвгдежз', '一二三四五六', '😀👍🏽'].map((some) => Array.from(some));
  const words = Array.from({ length: 3000 }, (_, i) => Array.from({ length: 2 + random.integer(7) }, () => letters[i % 8 < 4 ? 0 : i % 5][random.integer(letters[i % 8 < 4 ? 0 : i % 5].length)]).join(''));
  const texts = Array.from({ length: 1500 }, () => Array.from({ length: 20 + random.integer(700) }, () => words[random.integer(words.length)]).join(' '));
  for (let i = 100; i < 1500; i += 100) texts[i] = i % 200 === 0 ? texts[i - 50] : `${texts[i - 50]} and more.`;
  for (let i = 70; i < 1500; i += 300) texts[i] = ' \r\n';
  return new Blob([texts.map((text) => `${JSON.stringify({ text })}\n`).join(''), '{"text": broken\n']);
})();

const load = (preparation?: PreparationPool, signal?: AbortSignal): Promise<LoadedCorpus> =>
  loadCorpus([{ path: 'records.jsonl', blob: records }], { tokenizer, config: DEFAULT_DATA_CONFIG, preparation, signal });
const described = ({ corpus, warnings, exactDuplicates, nearDuplicates }: LoadedCorpus): object => ({
  fingerprint: corpus.fingerprint(''), tokens: corpus.numTokens, bytes: corpus.bytes, split: splitCorpus(corpus, DEFAULT_DATA_CONFIG), warnings, exactDuplicates, nearDuplicates,
});

/** Throws as soon as it runs. */
const brokenWorker = (): PreparationWorker => new Worker(URL.createObjectURL(new Blob(['throw new Error("no")'], { type: 'text/javascript' })));
const missingWorker = (): PreparationWorker => new Worker(new URL('/nowhere/missing.worker.js', location.origin), { type: 'module' });
/** Takes its settings and a first batch, answers nothing, and dies of the second. */
const mortalWorker = (): PreparationWorker => new Worker(URL.createObjectURL(new Blob(['let n = 0; self.onmessage = () => { if (++n > 2) throw new Error("no more"); }'], { type: 'text/javascript' })));

describe('a load with the pool', () => {
  let expected: object;
  beforeAll(async () => {
    expected = described(await load());
    expect(expected).toMatchObject({ exactDuplicates: 7, nearDuplicates: 7, warnings: ['records.jsonl: 1 line is no JSON object and was skipped.'] });
  });

  it.each<[string, () => () => PreparationWorker]>([
    ['workers', () => startPreparationWorker],
    ['workers whose script is broken', () => brokenWorker],
    ['workers whose script is missing', () => missingWorker],
    ['one that dies at work beside one that lives', () => {
      const starts = [mortalWorker, startPreparationWorker];
      return () => starts.shift()!();
    }],
  ])('gives the same with %s', async (_what, start) => {
    const pool = new PreparationPool(tokenizer, settings, 2, start());
    expect(described(await load(pool))).toEqual(expected);
    pool.close();
  });

  it('stops when it is cancelled', async () => {
    const pool = new PreparationPool(tokenizer, settings, 2);
    const cancelling = new AbortController();
    setTimeout(() => cancelling.abort(), 30);
    await expect(load(pool, cancelling.signal)).rejects.toMatchObject({ name: 'AbortError' });
    pool.close();
    expect(pool.size).toBe(0);
  });
});
