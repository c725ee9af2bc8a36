// Documents cut into windows of bounded length for the document encoder. From a large text evenly spaced windows are taken, and only these are copied.
import type { Corpus } from './corpus.ts';

export interface DocumentWindows {
  readonly windows: Iterable<Uint32Array>;
  /** Windows that `windows` yields. */
  readonly count: number;
}

/** At most `maxWindows` windows of at most `windowTokens` tokens each; a document's last window may be shorter. */
export function documentWindows(corpus: Corpus, documents: readonly number[], windowTokens: number, maxWindows: number): DocumentWindows {
  const windowsOf = (document: number): number => Math.ceil(corpus.tokenCountOf(document) / windowTokens);
  const total = documents.reduce((sum, document) => sum + windowsOf(document), 0);
  const count = Math.min(total, maxWindows);

  function* windows(): Generator<Uint32Array, void, void> {
    let seen = 0;
    let taken = 0;
    for (const document of documents) {
      const tokens = corpus.tokenCountOf(document);
      for (let window = 0; window < windowsOf(document); window++, seen++) {
        // The taken-th of `count` evenly spaced places among `total`.
        if (seen !== Math.floor((taken * total) / count)) continue;
        taken++;
        const from = window * windowTokens;
        const part = new Uint32Array(Math.min(windowTokens, tokens - from));
        corpus.copyTokens(document, from, part.length, part, 0);
        yield part;
      }
    }
  }
  return { windows: windows(), count };
}
