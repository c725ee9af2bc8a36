// Structured files (JSON, CSV): which field of a record is the text. Guessed from the first records; the user may choose another one.
import { UserError } from '../core/invariant.ts';
import type { DocumentBatches, RawDocument } from './document.ts';

/** A structured file and the fields its text could come from. */
export interface FieldChoice {
  readonly path: string;
  readonly fields: readonly string[];
  readonly chosen: string;
}

/** The chosen field is not there; carries what there is, so that the page can offer it. */
export class FieldError extends UserError {
  override name = 'FieldError';

  constructor(message: string, readonly fields: readonly FieldChoice[]) {
    super(message);
  }
}

/** One record: its fields by name, or a bare string (a JSON array of strings). */
export type TextRecord = Readonly<Record<string, unknown>> | string;

/** Names that say "this is the text", best first; compared without regard to case. */
const TEXT_NAMES: readonly string[] = ['text', 'content', 'body', 'document', 'article', 'passage', 'paragraph', 'story', 'abstract', 'description', 'message', 'review'];

/** The guess rests on this many records or characters, whichever comes first. */
const SAMPLE_RECORDS = 200;
const SAMPLE_CHARACTERS = 2 ** 20;

/** Shown lists of fields stay readable however wide the table is. */
const MAX_NAMED_FIELDS = 20;

function named(fields: readonly string[]): string {
  const shown = fields.slice(0, MAX_NAMED_FIELDS).join(', ');
  return fields.length > MAX_NAMED_FIELDS ? `${shown} and ${fields.length - MAX_NAMED_FIELDS} more` : shown;
}

/** A field named like text, else the string field that is longest on average; undefined when no record has a string. */
export function guessTextField(records: readonly TextRecord[]): string | undefined {
  const lengths = new Map<string, number>();
  for (const record of records) {
    if (typeof record === 'string') continue;
    for (const [name, value] of Object.entries(record)) {
      if (typeof value === 'string' && value.trim() !== '') lengths.set(name, (lengths.get(name) ?? 0) + value.length);
    }
  }
  for (const wanted of TEXT_NAMES) {
    for (const name of lengths.keys()) if (name.trim().toLowerCase() === wanted) return name;
  }
  // Absent values count as empty, so sums order fields as means over all records do.
  return [...lengths].reduce<[string, number] | undefined>((best, field) => (best && best[1] >= field[1] ? best : field), undefined)?.[0];
}

export interface FieldSettings {
  readonly path: string;
  /** "column" or "field", for sentences. */
  readonly noun: 'column' | 'field';
  /** The user's choice. */
  readonly chosen?: string;
  readonly onChoice: (choice: FieldChoice) => void;
}

function decideField(sample: readonly TextRecord[], { path, noun, chosen, onChoice }: FieldSettings): string | undefined {
  const fields = [...new Set(sample.flatMap((record) => (typeof record === 'string' ? [] : Object.keys(record))))];
  if (fields.length === 0) return undefined;
  const guessed = guessTextField(sample);
  if (chosen !== undefined && !fields.includes(chosen)) {
    throw new FieldError(`${path} has no ${noun} "${chosen}"; its ${noun}s are ${named(fields)}.`, [{ path, fields, chosen: guessed ?? fields[0] }]);
  }
  const field = chosen ?? guessed;
  if (field === undefined) throw new UserError(`${path} has no ${noun} with text in it; its ${noun}s are ${named(fields)}.`);
  onChoice({ path, fields, chosen: field });
  return field;
}

/**
 * Turns records into documents, deciding the text field on the way.
 * @throws FieldError when the chosen field is absent; UserError when no field holds text
 */
export async function* documentsOfRecords(batches: AsyncIterable<readonly TextRecord[]>, settings: FieldSettings): DocumentBatches {
  let held: TextRecord[] = [];
  let heldCharacters = 0;
  let field: string | undefined;
  let isDecided = false;
  let part = 0;
  const documents = (records: readonly TextRecord[]): RawDocument[] =>
    records.flatMap((record) => {
      part++;
      const text = typeof record === 'string' ? record : field === undefined ? undefined : record[field];
      return typeof text === 'string' && text !== '' ? [{ path: settings.path, part, text }] : [];
    });

  for await (const records of batches) {
    if (isDecided) {
      yield documents(records);
      continue;
    }
    held.push(...records);
    for (const record of records) heldCharacters += charactersOf(record);
    if (held.length < SAMPLE_RECORDS && heldCharacters < SAMPLE_CHARACTERS) continue;
    field = decideField(held, settings);
    isDecided = true;
    yield documents(held);
    held = [];
  }
  if (!isDecided) {
    field = decideField(held, settings);
    yield documents(held);
  }
}

function charactersOf(record: TextRecord): number {
  if (typeof record === 'string') return record.length;
  let characters = 0;
  for (const value of Object.values(record)) if (typeof value === 'string') characters += value.length;
  return characters;
}
