// The special tokens a tokenizer names, as the files of a Hugging Face model want them: contents for special_tokens_map.json, ids for config.json.
import { UserError } from '../core/invariant.ts';

export interface SpecialTokens {
  /** e.g. {bos_token: "<|endoftext|>", eos_token: "<|endoftext|>"} */
  readonly map: Readonly<Record<string, string>>;
  /** Id of a named token, or null where the tokenizer names none. */
  id(role: SpecialTokenRole): number | null;
}

const ROLES = ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token', 'mask_token'] as const;
export type SpecialTokenRole = (typeof ROLES)[number];

/** @throws UserError when one of the files is not JSON or names a token that tokenizer.json does not have */
export function readSpecialTokens(tokenizerJsonText: string, tokenizerConfigText: string): SpecialTokens {
  const tokenizer = parseRecord(tokenizerJsonText, 'tokenizer.json');
  const config = parseRecord(tokenizerConfigText, 'tokenizer_config.json');
  const model = isRecord(tokenizer.model) ? tokenizer.model : {};
  const ids = new Map<unknown, number>(isRecord(model.vocab) ? Object.entries(model.vocab as Record<string, number>) : []);
  for (const token of Array.isArray(tokenizer.added_tokens) ? tokenizer.added_tokens : []) if (isRecord(token)) ids.set(token.content, token.id as number);

  const map: Record<string, string> = {};
  for (const role of ROLES) {
    // A token is its text, or an object that carries the text.
    const named = isRecord(config[role]) ? config[role].content : config[role];
    if (typeof named !== 'string') continue;
    if (!ids.has(named)) throw new UserError(`tokenizer_config.json names ${role} "${named}", which tokenizer.json does not have.`);
    map[role] = named;
  }
  return { map, id: (role) => ids.get(map[role]) ?? null };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function parseRecord(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UserError(`${file} is not valid JSON.`);
  }
  if (!isRecord(value)) throw new UserError(`${file} is not a JSON object.`);
  return value;
}
