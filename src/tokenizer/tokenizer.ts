// Adapter over @huggingface/tokenizers. Text is always text: a document that contains the characters "<|endoftext|>" gets the ids of those
// characters, never the special token, so that nobody's file can forge a document boundary. No special tokens are ever added.
import { Tokenizer } from '@huggingface/tokenizers';
import { UserError, messageOf } from '../core/invariant.ts';
import { WORD_PATTERN, bytesOfVocabularyEntry, legibleText } from './byteLevel.ts';

export interface TextTokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** Id of the token that separates documents. */
  readonly endOfText: number;
  /** Ids of `text`, without special tokens. The returned array is the caller's own. */
  encode(text: string): Uint32Array;
  /** Text of `ids`; special tokens appear as their names; bytes that form no UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>): string;
  /** One token as a person can read it: bytes that are no whole character are written "<0xE2>". */
  tokenText(id: number): string;
  /** UTF-8 bytes of one token; undefined when the tokenizer is not byte-level, where a token alone has no definite bytes. */
  tokenBytes(id: number): Uint8Array | undefined;
}

interface AddedTokenJson {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

interface TokenizerJson {
  readonly added_tokens?: readonly AddedTokenJson[];
  readonly normalizer: unknown;
  readonly pre_tokenizer: { readonly type?: string; readonly use_regex?: boolean; readonly add_prefix_space?: boolean } | null;
  readonly model: {
    readonly type?: string;
    readonly vocab?: Readonly<Record<string, number>>;
    readonly continuing_subword_prefix?: string | null;
    readonly end_of_word_suffix?: string | null;
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Words longer than this are encoded anew each time: they hardly ever come back. */
const MAX_CACHED_WORD_LENGTH = 64;
/** Words per generation of the cache; two generations live at once, about 30 MB at worst. */
const CACHE_GENERATION_SIZE = 1 << 17;

/** Byte-level BPE cut into words by GPT-2's pattern: the case where a cache from word to ids is exact. */
function isPlainByteLevelBpe(json: TokenizerJson): boolean {
  const { model, pre_tokenizer: preTokenizer } = json;
  return (
    (model.type ?? 'BPE') === 'BPE' && !model.continuing_subword_prefix && !model.end_of_word_suffix && json.normalizer === null &&
    preTokenizer?.type === 'ByteLevel' && preTokenizer.use_regex !== false && preTokenizer.add_prefix_space === false
  );
}

function endOfTextId(added: readonly AddedTokenJson[], vocabulary: Readonly<Record<string, number>>, config: Record<string, unknown>): number {
  const eos = isRecord(config.eos_token) ? config.eos_token.content : config.eos_token;
  for (const name of [eos, '<|endoftext|>', '</s>']) {
    if (typeof name !== 'string') continue;
    const id = added.find((token) => token.content === name)?.id ?? vocabulary[name];
    if (id !== undefined) return id;
  }
  throw new UserError('tokenizer_config.json names no end-of-text token (eos_token) that tokenizer.json knows.');
}

/**
 * @param tokenizerJson parsed tokenizer.json (Hugging Face fast tokenizer)
 * @param tokenizerConfig parsed tokenizer_config.json; only `eos_token` is read here
 * @throws UserError when tokenizer.json is not such a file or names no end-of-text token
 */
export function createTokenizer(tokenizerJson: unknown, tokenizerConfig: unknown): TextTokenizer {
  if (!isRecord(tokenizerJson) || !isRecord(tokenizerJson.model) || !isRecord(tokenizerJson.model.vocab)) {
    throw new UserError('tokenizer.json is not a Hugging Face tokenizer file: it has no model with a vocabulary.');
  }
  const json = tokenizerJson as unknown as TokenizerJson;
  const vocabulary = json.model.vocab ?? {};
  const added = json.added_tokens ?? [];
  const config = isRecord(tokenizerConfig) ? tokenizerConfig : {};
  const plainAdded = added.filter((token) => !token.special);
  const isByteLevel = isPlainByteLevelBpe(json);
  let library: Tokenizer;
  let libraryForDecoding: Tokenizer | undefined;
  try {
    // Special tokens are withheld from the library, so that it cannot find them in a text.
    // Words are cut here, by what the trainer's library calls white space (WORD_PATTERN); the JavaScript library has its own idea of it.
    // A text with a plain added token goes to it whole, so there it has to cut.
    const withoutCutting = isByteLevel && plainAdded.length === 0 ? { pre_tokenizer: { ...json.pre_tokenizer, use_regex: false } } : {};
    library = new Tokenizer({ ...tokenizerJson, ...withoutCutting, added_tokens: plainAdded }, { ...config, clean_up_tokenization_spaces: false });
  } catch (error) {
    throw new UserError(`tokenizer.json cannot be used: ${messageOf(error)}`);
  }

  const nameOfId: string[] = [];
  for (const [entry, id] of Object.entries(vocabulary)) nameOfId[id] = entry;
  for (const token of added) nameOfId[token.id] = token.content;
  const vocabSize = nameOfId.length;
  const encoder = new TextEncoder();
  const addedIds = new Set(added.map((token) => token.id));
  const bytesOfId = isByteLevel
    ? Array.from({ length: vocabSize }, (_, id) => {
        const name = nameOfId[id] ?? '';
        return (addedIds.has(id) ? undefined : bytesOfVocabularyEntry(name)) ?? encoder.encode(name);
      })
    : undefined;
  const encodeByLibrary = (text: string): number[] => (text === '' ? [] : library.encode(text, { add_special_tokens: false }).ids);
  const decodeByLibrary = (ids: ArrayLike<number>): string => {
    if (ids.length === 0) return '';
    // Unlike `library` this one knows the special tokens' names.
    libraryForDecoding ??= new Tokenizer(tokenizerJson, { ...config, clean_up_tokenization_spaces: false });
    return libraryForDecoding.decode(Array.from(ids), { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  };

  return {
    vocabSize,
    endOfText: endOfTextId(added, vocabulary, config),
    encode: isByteLevel ? createCachedEncode(encodeByLibrary, plainAdded.map((token) => token.content)) : (text) => Uint32Array.from(encodeByLibrary(text)),
    decode: bytesOfId ? (ids) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(joinBytes(bytesOfId, ids)) : decodeByLibrary,
    tokenText: bytesOfId ? (id) => legibleText(bytesOfId[id] ?? new Uint8Array(0)) : (id) => (nameOfId[id] ?? '').replaceAll('▁', ' '),
    tokenBytes: (id) => bytesOfId?.[id],
  };
}

function joinBytes(bytesOfId: readonly Uint8Array[], ids: ArrayLike<number>): Uint8Array {
  const parts = Array.from(ids, (id) => bytesOfId[id] ?? new Uint8Array(0));
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/**
 * Cuts a text into words as the library does and looks their ids up, asking the library only for words not met lately: about twenty
 * times as fast on prose, with the same ids. Texts that hold one of `plainAddedTokens` go to the library whole.
 */
function createCachedEncode(encodeByLibrary: (text: string) => number[], plainAddedTokens: readonly string[]): (text: string) => Uint32Array {
  let recent = new Map<string, readonly number[]>();
  let older = new Map<string, readonly number[]>();
  let scratch = new Uint32Array(1 << 12);

  const idsOfWord = (word: string): readonly number[] => {
    const known = recent.get(word);
    if (known) return known;
    const ids = older.get(word) ?? encodeByLibrary(word);
    if (word.length <= MAX_CACHED_WORD_LENGTH) {
      if (recent.size >= CACHE_GENERATION_SIZE) {
        older = recent;
        recent = new Map();
      }
      recent.set(word, ids);
    }
    return ids;
  };

  return (text) => {
    if (plainAddedTokens.some((token) => text.includes(token))) return Uint32Array.from(encodeByLibrary(text));
    let count = 0;
    for (const word of text.match(WORD_PATTERN) ?? []) {
      const ids = idsOfWord(word);
      if (count + ids.length > scratch.length) {
        const grown = new Uint32Array(2 * (count + ids.length));
        grown.set(scratch);
        scratch = grown;
      }
      for (let i = 0; i < ids.length; i++) scratch[count++] = ids[i];
    }
    return scratch.slice(0, count);
  };
}
