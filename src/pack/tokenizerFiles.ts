// tokenizer.json and tokenizer_config.json as they stand (the export passes them on), checked only for what would break the model: every token
// id must have a row in the embedding.
import { UserError } from '../core/invariant.ts';
import { isJsonObject, jsonFields, parseJsonObject, type JsonObject } from './jsonFields.ts';

export interface TokenizerFiles {
  readonly tokenizerJson: JsonObject;
  readonly tokenizerConfig: JsonObject;
  readonly tokenizerJsonText: string;
  readonly tokenizerConfigText: string;
}

const FILE = 'tokenizer.json';

/** @throws UserError one sentence naming the file */
export function readTokenizerFiles(tokenizerJsonText: string, tokenizerConfigText: string, vocabSize: number): TokenizerFiles {
  const tokenizerJson = parseJsonObject(tokenizerJsonText, FILE);
  const tokenizerConfig = parseJsonObject(tokenizerConfigText, 'tokenizer_config.json');
  const { vocab } = jsonFields(tokenizerJson, FILE).object('model').values;
  const ids: unknown[] = isJsonObject(vocab) ? Object.values(vocab) : Array.isArray(vocab) ? vocab.map((_, id) => id) : [];
  if (ids.length === 0) throw new UserError(`${FILE}: model.vocab is missing or empty.`);
  const added = Array.isArray(tokenizerJson.added_tokens) ? tokenizerJson.added_tokens : [];
  for (const id of [...ids, ...added.map((token: unknown) => (isJsonObject(token) ? token.id : undefined))]) {
    if (!(typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabSize)) {
      throw new UserError(`${FILE} has the token id ${JSON.stringify(id)}, but config.json says vocab_size = ${vocabSize}.`);
    }
  }
  return { tokenizerJson, tokenizerConfig, tokenizerJsonText, tokenizerConfigText };
}
