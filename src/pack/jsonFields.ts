// Reading fields of JSON files nobody has vouched for: each reader checks type and bounds, and fails with one sentence naming file and field.
import { UserError } from '../core/invariant.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export interface JsonFields {
  readonly values: JsonObject;
  has(key: string): boolean;
  integer(key: string, min: number, max: number): number;
  number(key: string, min: number, max: number): number;
  string(key: string, maxLength: number): string;
  /** The value must be one of `allowed`, or absent where `allowed` holds undefined; `why` completes the sentence. */
  oneOf(key: string, allowed: readonly unknown[], why: string): void;
  object(key: string): JsonFields;
  list(key: string, maxLength: number): readonly unknown[];
}

export const isJsonObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws UserError when `text` is not JSON or not an object */
export function parseJsonObject(text: string, file: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const webPage = /^\s*</.test(text) ? ' (it looks like a web page: perhaps nothing is stored at this address)' : '';
    throw new UserError(`${file} is not valid JSON${webPage}.`);
  }
  if (!isJsonObject(value)) throw new UserError(`${file} is not a JSON object.`);
  return value;
}

/** @param prefix path of the object inside the file, e.g. "projected_network."; empty at the top */
export function jsonFields(values: JsonObject, file: string, prefix = ''): JsonFields {
  const get = (key: string): unknown => (Object.hasOwn(values, key) ? values[key] : undefined);
  const fail = (key: string, wanted: string): never => {
    const value = get(key);
    const found = value === undefined ? 'it is missing' : `it is ${shorten(JSON.stringify(value))}`;
    throw new UserError(`${file}: ${prefix}${key} must be ${wanted}, but ${found}.`);
  };
  const number = (key: string, min: number, max: number): number => {
    const value = get(key);
    return typeof value === 'number' && value >= min && value <= max ? value : fail(key, `a number between ${min} and ${max}`);
  };
  return {
    values,
    has: (key) => get(key) !== undefined,
    number,
    integer(key, min, max) {
      const value = get(key);
      return typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max ? value : fail(key, `a whole number between ${min} and ${max}`);
    },
    string(key, maxLength) {
      const value = get(key);
      return typeof value === 'string' && value.length <= maxLength ? value : fail(key, `a text of at most ${maxLength} characters`);
    },
    oneOf(key, allowed, why) {
      if (!allowed.includes(get(key))) fail(key, `${allowed.filter((value) => value !== undefined).map((value) => JSON.stringify(value)).join(' or ')} (${why})`);
    },
    object(key) {
      const value = get(key);
      return jsonFields(isJsonObject(value) ? value : fail(key, 'an object'), file, `${prefix}${key}.`);
    },
    list(key, maxLength) {
      const value = get(key);
      return Array.isArray(value) && value.length <= maxLength ? value : fail(key, `a list of at most ${maxLength} entries`);
    },
  };
}

const shorten = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
