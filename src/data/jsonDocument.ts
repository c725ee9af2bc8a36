// .json: an array of objects or strings; an object holding such arrays ({"data": [...]}) or objects by key ({"id1": {...}}); or one record by
// itself. Parsed as a stream: only the record being read is in memory.
import { JSONParser, type ParsedElementInfo } from '@streamparser/json';
import { UserError } from '../core/invariant.ts';
import type { TextRecord } from './textField.ts';

/** A file that turns out to be one record is parsed whole at the end; longer ones are refused. */
const MAX_LONE_RECORD_CHARACTERS = 2 ** 25;

const isFields = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Collects records out of the parser's values; `take` empties it. */
class RecordCollector {
  private batch: TextRecord[] = [];
  /** Members seen so far of the object at top-level key `nestedKey`. */
  private nested: Record<string, unknown> = {};
  private nestedKey: unknown;

  constructor(private readonly isArray: boolean) {}

  add({ value, key, parent, stack }: ParsedElementInfo): void {
    if (this.isArray || Array.isArray(parent)) {
      if (isFields(value) || typeof value === 'string') this.batch.push(value);
      return;
    }
    if (this.nestedKey !== stack[1].key) this.endNested();
    this.nestedKey = stack[1].key;
    this.nested[String(key)] = value;
  }

  take(): TextRecord[] {
    const batch = this.batch;
    this.batch = [];
    return batch;
  }

  endNested(): void {
    if (Object.values(this.nested).some((value) => typeof value === 'string')) this.batch.push(this.nested);
    this.nested = {};
  }
}

/** The top-level object as one record, when it has strings of its own. */
function loneRecord(text: string): TextRecord[] {
  const value: unknown = JSON.parse(text);
  return isFields(value) && Object.values(value).some((member) => typeof member === 'string') ? [value] : [];
}

/**
 * Records of a JSON file in batches.
 * @param warn told when the file stops being JSON after some records were read
 * @throws UserError when it is not JSON or holds no records
 */
export async function* readJsonDocument(chunks: AsyncIterable<string>, path: string, warn: (sentence: string) => void): AsyncGenerator<TextRecord[], void, void> {
  let parser: JSONParser | undefined;
  let collector = new RecordCollector(true);
  let whole = '';
  let numRecords = 0;
  let isBroken = false;
  for await (const chunk of chunks) {
    if (!parser) {
      const isArray = chunk.trimStart().startsWith('[');
      collector = new RecordCollector(isArray);
      parser = new JSONParser({ paths: [isArray ? '$.*' : '$.*.*'], keepStack: false });
      parser.onValue = (info) => collector.add(info);
    }
    if (numRecords === 0 && whole.length <= MAX_LONE_RECORD_CHARACTERS) whole += chunk;
    try {
      parser.write(chunk);
    } catch {
      isBroken = true;
    }
    const records = collector.take();
    numRecords += records.length;
    if (records.length > 0) {
      whole = '';
      yield records;
    }
    if (isBroken) break;
  }
  isBroken ||= parser !== undefined && !parser.isEnded;
  collector.endNested();
  const last = collector.take();
  if (numRecords + last.length === 0 && !isBroken && whole.length <= MAX_LONE_RECORD_CHARACTERS) last.push(...loneRecord(whole));
  numRecords += last.length;
  if (last.length > 0) yield last;
  if (numRecords === 0) throw new UserError(isBroken ? `${path} is not valid JSON.` : `${path} holds no texts: it is neither a list of records nor an object with text in it.`);
  if (isBroken) warn(`${path} stops being valid JSON after ${numRecords} ${numRecords === 1 ? 'record' : 'records'}; only what came before was read.`);
}
