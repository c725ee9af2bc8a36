// .jsonl: one JSON object, or one string, per line. Lines that are not JSON are skipped and counted: one bad line in a million is no reason to stop.
import { UserError } from '../core/invariant.ts';
import type { TextRecord } from './textField.ts';

/** A line longer than this is refused: it would have to be held in memory whole. */
const MAX_LINE_CHARACTERS = 2 ** 26;

const isFields = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Records of a JSON Lines file in batches.
 * @param warn told once, at the end, about lines that were skipped
 * @throws UserError when no line is JSON, or a line is too long
 */
export async function* readJsonLines(chunks: AsyncIterable<string>, path: string, warn: (sentence: string) => void): AsyncGenerator<TextRecord[], void, void> {
  let numRecords = 0;
  let numSkipped = 0;
  /** Parts of a line whose end has not come yet: joined once, since joining at every chunk would be quadratic. */
  let open: string[] = [];
  let openCharacters = 0;

  const parse = (line: string, into: TextRecord[]): void => {
    if (line.trim() === '') return;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      numSkipped++;
      return;
    }
    if (isFields(value) || typeof value === 'string') into.push(value);
    else numSkipped++;
  };

  for await (const chunk of chunks) {
    const lines = chunk.split('\n');
    if (lines.length === 1) {
      open.push(chunk);
      openCharacters += chunk.length;
      if (openCharacters > MAX_LINE_CHARACTERS) throw new UserError(`${path} has a line of more than ${MAX_LINE_CHARACTERS / 2 ** 20} million characters, which is too long for JSON Lines.`);
      continue;
    }
    const records: TextRecord[] = [];
    lines[0] = open.join('') + lines[0];
    const last = lines.pop() ?? '';
    open = [last];
    openCharacters = last.length;
    for (const line of lines) parse(line, records);
    numRecords += records.length;
    if (records.length > 0) yield records;
  }
  const records: TextRecord[] = [];
  parse(open.join(''), records);
  numRecords += records.length;
  if (records.length > 0) yield records;
  if (numRecords === 0) throw new UserError(`${path} holds no JSON records: not one of its lines is a JSON object or string.`);
  if (numSkipped > 0) warn(`${path}: ${numSkipped} ${numSkipped === 1 ? 'line is' : 'lines are'} no JSON object and ${numSkipped === 1 ? 'was' : 'were'} skipped.`);
}
