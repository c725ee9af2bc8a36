// What the readers of every format yield: text with the place it came from. Readers yield batches, so that a million short records do not cost
// a million turns of every generator on the way.

export interface RawDocument {
  /** Path of the file, inside an archive as "archive.zip/inner.txt". */
  readonly path: string;
  /** 1-based record or piece of the file; 0 when the file is one document. */
  readonly part: number;
  readonly text: string;
}

export type DocumentBatches = AsyncGenerator<RawDocument[], void, void>;

/** The one form all text takes before it is counted, compared or tokenized: "\n" line ends, no byte order mark, trimmed. */
export function cleanText(text: string): string {
  const withNewlines = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
  return (withNewlines.includes('\uFEFF') ? withNewlines.replaceAll('\uFEFF', '') : withNewlines).trim();
}
