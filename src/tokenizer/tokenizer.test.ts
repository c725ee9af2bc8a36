import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { UserError } from '../core/invariant.ts';
import { StreamingDecoder } from './streamingDecoder.ts';
import { createTokenizer } from './tokenizer.ts';

const PACK = resolve(import.meta.dirname, '../../public/packs/nano');
const CORPUS = resolve(import.meta.dirname, '../../../shared/corpus');
const tokenizerJson = JSON.parse(readFileSync(`${PACK}/tokenizer.json`, 'utf8'));
const tokenizerConfig = JSON.parse(readFileSync(`${PACK}/tokenizer_config.json`, 'utf8'));
/** What the model of the pack has rows for. */
const VOCAB_SIZE: number = JSON.parse(readFileSync(`${PACK}/config.json`, 'utf8')).vocab_size;
const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig);
/** The library as it comes, special tokens included. */
const library = new Tokenizer(tokenizerJson, tokenizerConfig);
const libraryIds = (text: string): number[] => (text === '' ? [] : library.encode(text, { add_special_tokens: false }).ids);

const VARIED: Record<string, string> = {
  empty: '',
  'one space': ' ',
  prose: "It's what we'll do; they'd have said so, won't they? I'm sure you've SEEN it'S odd.",
  'long whitespace': `a${' '.repeat(500)}b\t\t\t c   \n\n\n   d    `,
  'windows line ends': 'one\r\ntwo\r\n\r\n\r\nthree\r four\n\r',
  code: 'function f(x) {\n  return x?.[0] ?? { a: `${x}` }; // => 0x1F_600\n}\n\n\tif (a&&b||!c) i++;',
  emoji: 'naïve café 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ✊ e\u0301 ﷽',
  scripts: 'Übergrößenträger ΑΒΓ Привет мир שלום مرحبا 中文字符 日本語テキスト 한국어 ไทย हिन्दी',
  numbers: '3.14159 1,000,000 ½ Ⅷ ²³ ١٢٣ 0b1010',
  controls: 'a\u0000b\u001b[0m\u0085c\u00a0d\u2028e\u2029f\ufeffg\u200bh',
  'lone surrogates': 'x\ud800y\udc00z\ud83d',
  'one long word': 'abcdefghij'.repeat(2000),
  'one long rule': '='.repeat(5000) + '\n' + '-_'.repeat(3000),
  words: 'constructor __proto__ toString hasOwnProperty',
};

describe('createTokenizer', () => {
  it('knows its vocabulary and its end of text', () => {
    expect(tokenizer.vocabSize).toBe(VOCAB_SIZE);
    expect(tokenizer.endOfText).toBe(tokenizerJson.model.vocab[tokenizerConfig.eos_token]);
  });

  it.each(Object.keys(VARIED))('gives the library\'s ids for %s, cold and from the cache', (name) => {
    const expected = libraryIds(VARIED[name]);
    expect(Array.from(tokenizer.encode(VARIED[name]))).toEqual(expected);
    expect(Array.from(tokenizer.encode(VARIED[name]))).toEqual(expected);
  });

  it('gives the library\'s ids for random characters of many kinds', () => {
    const alphabet = [..." \n\t'sdrevml.,;!ab0é9中👍\u00a0\u0301ß-_\r"];
    let state = 12345;
    for (let round = 0; round < 300; round++) {
      let text = '';
      for (let i = 0; i < 60; i++) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        text += alphabet[(state >>> 16) % alphabet.length];
      }
      expect(Array.from(tokenizer.encode(text)), JSON.stringify(text)).toEqual(libraryIds(text));
    }
  });

  it('decodes what it encoded', () => {
    for (const [name, text] of Object.entries(VARIED)) {
      expect(tokenizer.decode(tokenizer.encode(text)), name).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text)));
    }
  });

  it('treats the name of the special token in a text as text', () => {
    const text = 'before<|endoftext|>after';
    const ids = tokenizer.encode(text);
    expect(libraryIds(text)).toContain(tokenizer.endOfText);
    expect(Array.from(ids)).not.toContain(tokenizer.endOfText);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(tokenizer.decode([tokenizer.endOfText])).toBe('<|endoftext|>');
  });

  it('shows parts of a character legibly', () => {
    const ids = Array.from(tokenizer.encode('👍🏽'));
    expect(ids.length).toBeGreaterThan(1);
    const shown = ids.map((id) => tokenizer.tokenText(id));
    expect(shown.join('')).toMatch(/^(<0x[0-9A-F]{2}>|[^\uFFFD])+$/);
    expect(shown.join('')).toContain('<0xF0>');
    expect(tokenizer.tokenText(tokenizer.encode(' the')[0])).toBe(' the');
  });

  it('stays exact when the cache turns over', () => {
    const small = createTokenizer(tokenizerJson, tokenizerConfig);
    let text = '';
    for (let i = 0; i < 140_000; i++) text += ` ${i.toString(36)}`;
    small.encode(text);
    const tail = text.slice(-4000);
    expect(Array.from(small.encode(tail))).toEqual(libraryIds(tail));
    expect(Array.from(small.encode(VARIED.prose))).toEqual(libraryIds(VARIED.prose));
  });

  it('sends texts with a plain added token through the library', () => {
    const json = structuredClone(tokenizerJson);
    json.added_tokens.push({ id: VOCAB_SIZE, content: '    ', single_word: false, lstrip: false, rstrip: false, normalized: false, special: false });
    const withIndent = createTokenizer(json, tokenizerConfig);
    const text = 'a\n    b';
    expect(withIndent.vocabSize).toBe(VOCAB_SIZE + 1);
    expect(Array.from(withIndent.encode(text))).toEqual(new Tokenizer(json, tokenizerConfig).encode(text, { add_special_tokens: false }).ids);
    expect(Array.from(withIndent.encode(text))).toContain(VOCAB_SIZE);
    expect(withIndent.decode(withIndent.encode(text))).toBe(text);
  });

  it('sends texts through the library when merges are not all there is', () => {
    const json = structuredClone(tokenizerJson);
    json.model.ignore_merges = true;
    // No merges make it; whole words are looked up before any merge.
    json.model.vocab.zqx = VOCAB_SIZE;
    const ignoring = createTokenizer(json, tokenizerConfig);
    expect(Array.from(ignoring.encode('zqx zqx'))).toEqual(new Tokenizer(json, tokenizerConfig).encode('zqx zqx', { add_special_tokens: false }).ids);
    expect(Array.from(ignoring.encode('zqx'))).toEqual([VOCAB_SIZE]);
  });

  it('falls back to the library for another kind of tokenizer', () => {
    const json = {
      added_tokens: [{ id: 0, content: '[END]', special: true }, { id: 1, content: '[UNK]', special: true }],
      normalizer: { type: 'Lowercase' }, pre_tokenizer: { type: 'Whitespace' }, post_processor: null, decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
      model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab: { '[END]': 0, '[UNK]': 1, hel: 2, '##lo': 3, world: 4 } },
    };
    const wordPiece = createTokenizer(json, { eos_token: { content: '[END]' } });
    expect(Array.from(wordPiece.encode('Hello world'))).toEqual([2, 3, 4]);
    expect(wordPiece.decode([2, 3, 4])).toBe('hello world');
    expect(wordPiece.endOfText).toBe(0);
    expect(wordPiece.tokenBytes(2)).toBeUndefined();
    const stream = new StreamingDecoder(wordPiece);
    expect([2, 3, 4].map((id) => stream.push(id))).toEqual(['hel', 'lo', ' world']);
    expect(stream.finish()).toBe('');
  });

  it.each([
    ['a list', []], ['no model', { added_tokens: [] }], ['no vocabulary', { model: { type: 'BPE' } }], ['nothing', null],
  ])('refuses %s with one sentence', (_name, json) => {
    expect(() => createTokenizer(json, {})).toThrow(UserError);
    expect(() => createTokenizer(json, {})).toThrow('tokenizer.json is not a Hugging Face tokenizer file: it has no model with a vocabulary.');
  });

  it('refuses a tokenizer without an end of text', () => {
    const json = { ...tokenizerJson, added_tokens: [], model: { ...tokenizerJson.model, vocab: { a: 0 }, merges: [] } };
    expect(() => createTokenizer(json, {})).toThrow('names no end-of-text token');
  });
});

describe('StreamingDecoder', () => {
  it('emits only whole characters and loses nothing', () => {
    const text = 'Cost: 5 € for 👩‍👩‍👧‍👦, naïve? 日本語!';
    const stream = new StreamingDecoder(tokenizer);
    const parts = Array.from(tokenizer.encode(text), (id) => stream.push(id));
    expect(parts.join('') + stream.finish()).toBe(text);
    expect(parts.join('')).not.toContain('\uFFFD');
    expect(parts).toContain('');
  });

  it('ends a broken character as U+FFFD', () => {
    const stream = new StreamingDecoder(tokenizer);
    const [first] = tokenizer.encode('👍');
    expect(stream.push(first)).toBe('');
    expect(stream.finish()).toBe('\uFFFD');
  });
});

describe.skipIf(!existsSync(CORPUS))('on ../shared/corpus (skipped where it is absent)', () => {
  const documentsOf = (path: string, count: number): string[] =>
    gunzipSync(readFileSync(`${CORPUS}/${path}`)).toString('utf8').split('\n').slice(0, count).map((line) => JSON.parse(line).text);

  it.each(['domains/dc_law.test', 'domains/math_latex.test', 'domains/cpp_reference.test', 'domains/roman_classics.test', 'generic/irc_chat', 'generic/poetry'])(
    'equals the library on %s', (name) => {
      for (const text of documentsOf(`${name}.jsonl.gz`, 4)) {
        const piece = text.slice(0, 30_000);
        expect(Buffer.from(tokenizer.encode(piece).buffer).equals(Buffer.from(Uint32Array.from(libraryIds(piece)).buffer))).toBe(true);
      }
    });
});
