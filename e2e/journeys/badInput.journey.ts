// Whatever is dropped, the page answers with one clear sentence and stays usable: after every failure the sample still loads.
import { closeSync, openSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { DEFAULT_DATA_CONFIG } from '../../src/config/dataConfig.ts';
import { BROKEN_PACKS, makeBrokenPack } from '../pages/brokenPacks.ts';
import { textFile, type MadeFile, type StudioPage } from '../pages/StudioPage.ts';
import { expect, reportMeasured, test } from '../pages/studioTest.ts';
import { zipOf } from '../pages/zipFile.ts';

/** One sentence for people: no stack, no JavaScript error name, ends like a sentence. */
function expectOneSentence(sentence: string): void {
  expect(sentence).toMatch(/^\S.{14,400}[.!?]$/s);
  expect(sentence).not.toMatch(/\bat .+:\d+:\d+|TypeError|RangeError|undefined|\[object|NaN is not|Invariant/);
}

/** The sample loads, anew. */
async function expectUsable(studio: StudioPage): Promise<void> {
  const loaded = (await studio.engine.of('data.loaded')).length;
  await studio.part('data-use-sample').click();
  await studio.engine.waitFor('data.loaded', { count: loaded + 1 });
  await studio.dataIsReady();
}

// One page meets them all, one after another: each must leave it as it was.
test('a damaged pack gives one sentence', async ({ studio }, testInfo) => {
  await studio.open('wasm');
  for (const [index, pack] of BROKEN_PACKS.entries()) {
    await test.step(pack.title, async () => {
      const folder = testInfo.outputPath(String(index), 'nano');
      makeBrokenPack(pack, folder);
      await studio.dropPack(folder);
      const { message } = await studio.engine.waitFor('pack.failed', { count: index + 1 });
      expect(message).toMatch(pack.names);
      await expect(studio.page.getByRole('alert').first()).toContainText(message);
      expectOneSentence(message);
      await expectUsable(studio);
    });
  }
});

const binary = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, i) => (i * 197 + (i >> 8) * 31) % 256));

interface BadData {
  readonly title: string;
  readonly names: RegExp;
  files(): MadeFile;
}

const BAD_DATA: readonly BadData[] = [
  { title: 'a binary file renamed .txt', names: /photo\.txt/, files: () => ({ name: 'photo.txt', mimeType: 'text/plain', buffer: binary }) },
  { title: 'an empty file', names: /empty\.txt/, files: () => textFile('empty.txt', '') },
  { title: 'JSON that is not JSON', names: /broken\.json/, files: () => textFile('broken.json', 'This was never JSON, whatever its name says.') },
  { title: 'a damaged .gz', names: /cut\.txt\.gz/, files: () => ({ name: 'cut.txt.gz', mimeType: 'application/gzip', buffer: gzipSync('water '.repeat(50_000)).subarray(0, 200) }) },
  { title: 'a zip bomb', names: /bomb\.zip/, files: () => ({ name: 'bomb.zip', mimeType: 'application/zip', buffer: zipOf('zeros.txt', Buffer.alloc(600 * 2 ** 20, 'a\n')) }) },
];

test('files that hold no readable text give one sentence each', async ({ studio }) => {
  await studio.open('wasm');
  for (const { title, names, files } of BAD_DATA) {
    await test.step(title, async () => {
      await studio.chooseData(files());
      await expect(studio.part('data-error')).toHaveText(names);
      expectOneSentence(await studio.errorSentence('data-error'));
      await expectUsable(studio);
    });
  }
});

test('text shorter than one context gives one sentence before any training', async ({ studio }) => {
  await studio.open('wasm');
  await studio.chooseData(textFile('short.txt', 'The mill stands at the mouth of the creek.'));
  await studio.dataIsReady();
  await studio.part('expert-project').click();
  const sentence = await studio.errorSentence('anywhere');
  expectOneSentence(sentence);
  expect(sentence).toMatch(/too little text/i);
  await expectUsable(studio);
});

test('a CSV without the chosen column says which columns there are', async ({ studio }) => {
  const rows = Array.from({ length: 60 }, (_, i) => `${i},"Entry number ${i} of the log tells of the tide, the gate and the wheel on that day."`);
  const csv = ['day,entry', ...rows].join('\n');
  await studio.open('wasm');
  await studio.chooseData(textFile('log.csv', csv));
  await studio.dataIsReady();
  await expect(studio.part('data-field-log.csv')).toHaveValue('entry');
  // The page forgets choices with the files they were made for, so the engine is asked as a page with another memory would.
  await studio.engine.send({ type: 'data.load', sources: [{ kind: 'text', path: 'log.csv', text: csv }], config: { ...DEFAULT_DATA_CONFIG, fields: { 'log.csv': 'remark' } } });
  const sentence = await studio.errorSentence('data-error');
  expectOneSentence(sentence);
  for (const named of [/log\.csv/, /remark/, /day, entry/]) expect(sentence).toMatch(named);
  // The columns that are there are offered, and choosing one mends it.
  await studio.part('data-field-log.csv').selectOption('entry');
  await studio.dataIsReady();
});

test('300 MB of text simply works, with progress', async ({ studio }, testInfo) => {
  test.setTimeout(15 * 60_000);
  const file = testInfo.outputPath('large.txt');
  writeLargeText(file, 300 * 2 ** 20);
  await studio.open('wasm');
  await studio.drop('data-drop', [file]);
  await expect(studio.part('data-progress')).toBeVisible();
  await studio.dataIsReady(14 * 60_000);
  const { data } = await studio.engine.last('data.loaded');
  expect(data.bytesRead).toBe(300 * 2 ** 20);
  expect((await studio.engine.of('data.progress')).length).toBeGreaterThan(20);
  reportMeasured(`300 MB: ${data.documents} documents, ${data.tokens} tokens, ${data.nearDuplicates + data.exactDuplicates} duplicates in ${data.seconds.toFixed(0)} s`);
});

const SYLLABLES = ['ti', 'de', 'mil', 'ga', 'sto', 'whe', 'cre', 'flo', 'eb', 'slu', 'ler', 'pon', 'sal', 'gra', 'ro', 'oak'];

/** Exactly `bytes` bytes of ASCII paragraphs of made-up words, every paragraph another one. */
function writeLargeText(file: string, bytes: number): void {
  let state = 1;
  const random = (bound: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
  const words = Array.from({ length: 4096 }, () => Array.from({ length: 1 + random(3) }, () => SYLLABLES[random(16)]).join(''));
  const paragraph = (): string => `${Array.from({ length: 60 }, () => words[random(4096)]).join(' ')}.\n\n`;
  const descriptor = openSync(file, 'w');
  for (let written = 0; written < bytes;) {
    const part = Array.from({ length: 2000 }, paragraph).join('').slice(0, bytes - written);
    written += writeSync(descriptor, part);
  }
  closeSync(descriptor);
}
