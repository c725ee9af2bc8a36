// .txt, .md and everything else that is simply text: a file is one document, unless it is so long that it must be cut while it streams.
import type { DocumentBatches } from './document.ts';
import { takePieces } from './paragraphs.ts';

/** No document is longer than this many characters: longer ones are cut at paragraphs, so that memory stays flat. */
export const MAX_DOCUMENT_CHARACTERS = 2 ** 20;
/** Length of the pieces a long text is cut into, in characters: several contexts each, and many enough to split fairly. */
export const PIECE_CHARACTERS = 8192;

/** @param chunks the text of one file in order */
export async function* readPlainText(chunks: AsyncIterable<string>, path: string): DocumentBatches {
  let buffer = '';
  let part = 0;
  for await (const chunk of chunks) {
    buffer += chunk;
    if (part === 0 && buffer.length <= MAX_DOCUMENT_CHARACTERS) continue;
    const { pieces, rest } = takePieces(buffer, PIECE_CHARACTERS);
    buffer = rest;
    yield pieces.map((text) => ({ path, part: ++part, text }));
  }
  if (buffer !== '') yield [{ path, part: part === 0 ? 0 : part + 1, text: buffer }];
}
