// Documents through preparation and back in their order, several batches under way at a time. How much text is under way is bounded, however fast
// it is read.
import { cleanText, type RawDocument } from './document.ts';
import type { Pace } from './pace.ts';
import { preparedDocuments, type DocumentPreparer, type PreparedBatch, type PreparedDocument } from './prepareDocuments.ts';

/** Who prepares: this thread, or others. */
export interface Preparation {
  /** Batches worth having under way at a time. */
  readonly maxBatches: number;
  /** @param texts clean (see cleanText) */
  prepare(texts: readonly string[]): Promise<PreparedBatch>;
}

export const onThisThread = (preparer: DocumentPreparer): Preparation => ({ maxBatches: 1, prepare: async (texts) => preparer.prepare(texts) });

/** A batch is closed when it has so many characters: a few hundredths of a second of work. No document has over a million (plainText.ts). */
const BATCH_CHARACTERS = 2 ** 18;
/** Or so many documents, since each costs something by itself. */
const BATCH_DOCUMENTS = 1024;

export interface CleanDocument extends RawDocument {
  readonly prepared: PreparedDocument;
}

/** The documents in order, clean, without blank ones, each with what preparation made of it. */
export async function* inOrder(
  documents: AsyncIterable<readonly RawDocument[]> | Iterable<readonly RawDocument[]>, preparation: Preparation, pace: Pace,
): AsyncGenerator<CleanDocument[], void, void> {
  const underWay: (() => Promise<CleanDocument[]>)[] = [];
  for await (const batch of cleanBatches(documents)) {
    const result = preparation.prepare(batch.map(({ text }) => text));
    // If the caller stops early, nobody waits for it any more.
    result.catch(() => undefined);
    underWay.push(async () => {
      const prepared = preparedDocuments(await result);
      return batch.map(({ path, part, text }, i) => ({ path, part, text, prepared: prepared[i] }));
    });
    if (underWay.length >= preparation.maxBatches) yield await underWay.shift()!();
    await pace.breathe();
  }
  for (const wait of underWay) yield await wait();
}

async function* cleanBatches(documents: AsyncIterable<readonly RawDocument[]> | Iterable<readonly RawDocument[]>): AsyncGenerator<RawDocument[], void, void> {
  let batch: RawDocument[] = [];
  let characters = 0;
  for await (const some of documents) {
    for (const { path, part, text: raw } of some) {
      const text = cleanText(raw);
      if (text === '') continue;
      batch.push({ path, part, text });
      characters += text.length;
      if (characters < BATCH_CHARACTERS && batch.length < BATCH_DOCUMENTS) continue;
      yield batch;
      batch = [];
      characters = 0;
    }
  }
  if (batch.length > 0) yield batch;
}
