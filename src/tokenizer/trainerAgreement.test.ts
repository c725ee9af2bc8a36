// The studio's tokenizer gives the ids that the trainer gave: 2,000 documents of many kinds, encoded by both. The trainer
// (pretrain/tokenizer) encodes with Hugging Face's Rust library, whose npm package stands in here for its Python package;
// pretrain/tests/test_tokenize.py compares those two.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { Tokenizer as NativeTokenizer } from 'tokenizers';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from './tokenizer.ts';

const PACK = resolve(import.meta.dirname, '../../public/packs/nano');
const CORPUS = resolve(import.meta.dirname, '../../../shared/corpus');
const NUM_DOCUMENTS = 2000;
const MAX_DOCUMENT_LENGTH = 2000;

const tokenizerJson = JSON.parse(readFileSync(`${PACK}/tokenizer.json`, 'utf8'));
const studio = createTokenizer(tokenizerJson, JSON.parse(readFileSync(`${PACK}/tokenizer_config.json`, 'utf8')));
/** As the trainer sets it up (tokenizer_files.py, for_encoding): a text that spells the special token is text. */
const trainer = NativeTokenizer.fromString(JSON.stringify({ ...tokenizerJson, added_tokens: [] }));

const TEST_FILES = existsSync(CORPUS) ? readdirSync(join(CORPUS, 'domains')).filter((name) => name.includes('.test.')) : ['*.test.jsonl.gz'];

const sameIds = (a: Uint32Array, b: readonly number[]): boolean => a.length === b.length && a.every((id, i) => id === b[i]);

async function expectAgreement(documents: readonly string[]): Promise<void> {
  expect(documents.length).toBe(NUM_DOCUMENTS);
  const encodings = await trainer.encodeBatch([...documents], { addSpecialTokens: false });
  const differing = documents.filter((text, i) => studio.encode(text).join() !== encodings[i].getIds().join());
  expect(differing.map((text) => JSON.stringify(text.slice(0, 80)))).toEqual([]);
  expect(encodings.reduce((sum, encoding) => sum + encoding.getLength(), 0)).toBeGreaterThan(NUM_DOCUMENTS * 50);
}

/** Whole characters only: half of a surrogate pair is no text, and the trainer refuses it. */
const shortened = (text: string): string => text.slice(0, MAX_DOCUMENT_LENGTH).replace(/[\ud800-\udbff]$/, '');

/** The first documents of a .jsonl.gz file: those that lie in its first 256 KiB. */
function firstDocuments(path: string): string[] {
  const compressed = readFileSync(path).subarray(0, 1 << 18);
  const lines = gunzipSync(compressed, { finishFlush: constants.Z_SYNC_FLUSH }).toString('utf8').split('\n');
  return lines.slice(0, -1).map((line): string => shortened(JSON.parse(line).text));
}

/** Documents of every file in turn, one after another, until there are NUM_DOCUMENTS. */
function corpusDocuments(): string[] {
  const filesOf = (folder: string): string[] => readdirSync(folder).sort().map((name) => join(folder, name));
  const files = [...filesOf(join(CORPUS, 'generic')), ...filesOf(join(CORPUS, 'domains'))];
  const perFile = files.map(firstDocuments);
  const longest = Math.max(...perFile.map((documents) => documents.length));
  const turns = Array.from({ length: longest }, (_, turn) => perFile.flatMap((documents) => documents.slice(turn, turn + 1)));
  return turns.flat().slice(0, NUM_DOCUMENTS);
}

type Random = () => number;

/** Numbers in [0, 1), the same ones for the same seed (mulberry32, https://github.com/bryc/code/blob/master/jshash/PRNGs.md). */
function seededRandom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WORDS = 'the of and to in was he that it his her with as had for she not at but be on they have him which said from all this'.split(' ');
const EMOJI = ['👍', '👍🏽', '👩‍👩‍👧‍👦', '🇩🇪', '✊', '❤️', '#️⃣', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🫠'];
const CODE = [
  'if (a && b) {', '  return x?.[0] ?? null;', '}', '\tfor i in range(10):', '# comment', 'SELECT * FROM "t";', '$\\frac{a}{b}$', '<br/>',
  '0x1F_600', "it's", '::<>', '<|endoftext|>',
];
/** U+0085 is white space to Unicode and not to JavaScript's \s, U+FEFF the other way round. */
const SPACES = [' ', '  ', '\n', '\r\n', '\t', '\n\n\n', '\u00a0', '\u3000', '\u2028', '\u0085', '\ufeff', '\u200b', '\u180e', '\v', '\f'];
/** First and last code point. */
const SCRIPTS: readonly (readonly [number, number])[] = [
  [0x00, 0x1f], [0x20, 0x7e], [0x7f, 0x9f], [0xa0, 0xff], [0x100, 0x24f], [0x300, 0x36f], [0x370, 0x3ff], [0x400, 0x4ff], [0x590, 0x5ff],
  [0x600, 0x6ff], [0x900, 0x97f], [0xe00, 0xe7f], [0x2000, 0x206f], [0x2070, 0x209f], [0x2150, 0x218f], [0x2460, 0x24ff],
  [0x3040, 0x30ff], [0x4e00, 0x4fff], [0xac00, 0xad00], [0xe000, 0xe010], [0xfb00, 0xfb4f], [0xff00, 0xffef], [0x10000, 0x1007f],
  [0x1d400, 0x1d4ff], [0x1f300, 0x1f6ff], [0x20000, 0x20100], [0xe0001, 0xe007f], [0x10fff0, 0x10ffff],
];

/** A document of 20 to 200 pieces: words, code, runs of white space, emoji, characters of one script after another, long runs. */
function syntheticDocument(random: Random): string {
  const below = (bound: number): number => Math.floor(random() * bound);
  const oneOf = <T>(values: readonly T[]): T => values[below(values.length)];
  const fromScript = (): string => {
    const [first, last] = oneOf(SCRIPTS);
    return Array.from({ length: 1 + below(8) }, () => String.fromCodePoint(first + below(last - first + 1))).join('');
  };
  const pieceKinds: readonly (() => string)[] = [
    () => ` ${oneOf(WORDS)}`,
    () => ` ${oneOf(WORDS)}`,
    () => oneOf(WORDS).toUpperCase(),
    () => oneOf(CODE),
    () => oneOf(EMOJI),
    fromScript,
    fromScript,
    () => oneOf(SPACES),
    () => oneOf(SPACES).repeat(1 + below(12)),
    () => String(below(10 ** (1 + below(9)))),
    () => oneOf(['=', '-', '.', 'a', '\u0301', '中']).repeat(1 + below(60)),
  ];
  return Array.from({ length: 20 + below(180) }, () => oneOf(pieceKinds)()).join('');
}

describe('the trainer and the studio give the same ids', () => {
  it('for 2,000 made-up documents of many scripts', async () => {
    const random = seededRandom(1);
    await expectAgreement(Array.from({ length: NUM_DOCUMENTS }, () => shortened(syntheticDocument(random))));
  });

  it.skipIf(!existsSync(CORPUS))('for 2,000 documents of ../shared/corpus (skipped where it is absent)', async () => {
    await expectAgreement(corpusDocuments());
  });

  it.skipIf(!existsSync(CORPUS)).each(TEST_FILES)('for every document of ../shared/corpus/domains/%s, whole (skipped where it is absent)', async (name) => {
    const lines = gunzipSync(readFileSync(join(CORPUS, 'domains', name))).toString('utf8').trim().split('\n');
    const documents = lines.map((line): string => JSON.parse(line).text);
    const encodings = await trainer.encodeBatch(documents, { addSpecialTokens: false });
    const differing = documents.filter((text, i) => !sameIds(studio.encode(text), encodings[i].getIds()));
    expect(differing.map((text) => JSON.stringify(text.slice(0, 80)))).toEqual([]);
  });
});
