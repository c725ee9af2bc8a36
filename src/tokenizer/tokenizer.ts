// Adapter over @huggingface/tokenizers. Text is always text: a document that contains the characters "<|endoftext|>" gets the ids of those
// characters, never the special token, so that nobody's file can forge a document boundary. No special tokens are ever added.
import { Tokenizer } from '@huggingface/tokenizers';
import { UserError, invariant, messageOf } from '../core/invariant.ts';
import { bytesOfVocabularyEntry, legibleText } from './byteLevel.ts';
import { ByteLevelEncoder } from './byteLevelEncoder.ts';
import { MergeTable, type BpeMerges } from './mergeTable.ts';

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
  readonly model: BpeMerges & {
    readonly type?: string;
    readonly vocab?: Readonly<Record<string, number>>;
    readonly continuing_subword_prefix?: string | null;
    readonly end_of_word_suffix?: string | null;
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Byte-level BPE cut into words by GPT-2's pattern: what ByteLevelEncoder encodes, given its merges. */
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
  const mergeTable = isByteLevel ? MergeTable.of(vocabulary, json.model) : undefined;
  const needsLibrary = !mergeTable || plainAdded.length > 0;
  const encodeByLibrary = needsLibrary ? libraryEncoding(tokenizerJson, config, plainAdded) : undefined;
  let libraryForDecoding: Tokenizer | undefined;

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
  const decodeByLibrary = (ids: ArrayLike<number>): string => {
    if (ids.length === 0) return '';
    // Unlike the encoding one this knows the special tokens' names.
    libraryForDecoding ??= new Tokenizer(tokenizerJson, { ...config, clean_up_tokenization_spaces: false });
    return libraryForDecoding.decode(Array.from(ids), { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  };

  return {
    vocabSize,
    endOfText: endOfTextId(added, vocabulary, config),
    encode: createEncode(mergeTable, encodeByLibrary, plainAdded.map((token) => token.content)),
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

type Encode = (text: string) => Uint32Array;

/**
 * The library's encoding, without special tokens: it cannot find them in a text, since it does not know them.
 * @throws UserError when it refuses `tokenizerJson`
 */
function libraryEncoding(tokenizerJson: object, config: Record<string, unknown>, plainAdded: readonly AddedTokenJson[]): Encode {
  let library: Tokenizer;
  try {
    library = new Tokenizer({ ...tokenizerJson, added_tokens: plainAdded }, { ...config, clean_up_tokenization_spaces: false });
  } catch (error) {
    throw new UserError(`tokenizer.json cannot be used: ${messageOf(error)}`);
  }
  return (text) => Uint32Array.from(text === '' ? [] : library.encode(text, { add_special_tokens: false }).ids);
}

/** Our own encoding where there are merges for it; texts that hold one of `plainAddedTokens` go to the library whole. */
function createEncode(mergeTable: MergeTable | undefined, encodeByLibrary: Encode | undefined, plainAddedTokens: readonly string[]): Encode {
  if (!mergeTable) {
    invariant(encodeByLibrary, 'who has no merges has the library');
    return encodeByLibrary;
  }
  const encoder = new ByteLevelEncoder(mergeTable);
  return (text) => (encodeByLibrary && plainAddedTokens.some((token) => text.includes(token)) ? encodeByLibrary(text) : encoder.encode(text));
}
