// .csv and .tsv through papaparse, fed chunk by chunk. The first row names the columns.
import Papa from 'papaparse';
import { UserError } from '../core/invariant.ts';
import type { TextRecord } from './textField.ts';

/** A row must end within this many characters: papaparse parses an unfinished row again with every chunk. */
const MAX_ROW_CHARACTERS = 2 ** 23;
/** Small chunks are joined before they are parsed, for the same reason. */
const PARSE_CHARACTERS = 2 ** 20;
/** A cell longer than this in the first row is text, not a column's name. */
const MAX_NAME_CHARACTERS = 100;

type Listener = (value?: string) => void;

/** The part of Node's readable-stream interface that papaparse uses: what is written is parsed before `write` returns. */
class PushStream {
  readonly readable = true;
  private readonly listeners = new Map<string, Listener>();
  on(event: string, listener: Listener): void {
    this.listeners.set(event, listener);
  }
  removeListener(event: string): void {
    this.listeners.delete(event);
  }
  read(): void {}
  pause(): void {}
  resume(): void {}
  write(text: string): void {
    this.listeners.get('data')?.(text);
  }
  end(): void {
    this.listeners.get('end')?.();
  }
}

/** Unique, non-empty names of the columns. */
function columnNames(header: readonly string[]): string[] {
  const used = new Set<string>();
  return header.map((cell, index) => {
    const wanted = cell.trim() || `column ${index + 1}`;
    let name = wanted;
    for (let copy = 2; used.has(name); copy++) name = `${wanted} (${copy})`;
    used.add(name);
    return name;
  });
}

/**
 * Rows as records in batches. Without a header (a first row that holds whole texts) columns are called "column 1" and so on.
 * @param delimiter '' has papaparse guess among comma, tab, pipe and semicolon
 * @throws UserError when the file has no rows or a quote is never closed
 */
export async function* readDelimited(chunks: AsyncIterable<string>, path: string, delimiter: '' | '\t'): AsyncGenerator<TextRecord[], void, void> {
  let names: string[] | undefined;
  let rows: string[][] = [];
  let failure: unknown;
  const stream = new PushStream();
  Papa.parse<string[]>(stream as unknown as NodeJS.ReadableStream, {
    delimiter,
    skipEmptyLines: 'greedy',
    chunk: ({ data }) => { for (const row of data) rows.push(row); },
    complete: () => undefined,
    error: (error) => { failure = error; },
  });

  const takeRecords = (): TextRecord[] => {
    if (failure) throw new UserError(`${path} could not be read as a table.`);
    const taken = rows;
    rows = [];
    if (!names && taken.length > 0) {
      const hasHeader = taken[0].every((cell) => cell.length <= MAX_NAME_CHARACTERS);
      names = columnNames(hasHeader ? taken.shift() ?? [] : taken[0].map(() => ''));
    }
    const columns = names ?? [];
    return taken.map((row) => {
      const record: Record<string, string> = {};
      for (let i = 0; i < columns.length; i++) record[columns[i]] = row[i] ?? '';
      return record;
    });
  };

  let numRecords = 0;
  let pending = '';
  let sinceLastRow = 0;
  for await (const chunk of chunks) {
    pending += chunk;
    if (pending.length < PARSE_CHARACTERS) continue;
    stream.write(pending);
    sinceLastRow = rows.length > 0 ? 0 : sinceLastRow + pending.length;
    if (sinceLastRow > MAX_ROW_CHARACTERS) throw new UserError(`${path} could not be read as a table: a quotation mark is opened and never closed.`);
    pending = '';
    const records = takeRecords();
    numRecords += records.length;
    if (records.length > 0) yield records;
  }
  if (pending !== '') stream.write(pending);
  stream.end();
  const records = takeRecords();
  numRecords += records.length;
  if (records.length > 0) yield records;
  if (numRecords === 0) throw new UserError(`${path} has no rows below its column names.`);
}
