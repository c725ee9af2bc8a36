// Files to tokens in one stream: read, clean, drop duplicates, tokenize. Memory holds the tokens, one file's current piece and a bounded stock of
// documents whose fate is open (longDocuments.ts).
import type { DataConfig } from '../config/dataConfig.ts';
import { UserError } from '../core/invariant.ts';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import { blobOf, type TextSource } from './byteFile.ts';
import { Corpus } from './corpus.ts';
import { Deduplicator } from './deduplicate.ts';
import { cleanText, type RawDocument } from './document.ts';
import { EXPANSION_LIMITS, type ExpansionLimits } from './expansionGuard.ts';
import { DocumentHold } from './longDocuments.ts';
import { Pace } from './pace.ts';
import { emptyReport, readDocuments, type ReadingReport } from './readDocuments.ts';

/** Longest list of warnings shown. */
const MAX_WARNINGS = 20;
/** Progress is told at most this often. */
const PROGRESS_MILLISECONDS = 100;

export interface LoadProgress {
  readonly stage: 'reading' | 'tokenizing';
  readonly path: string;
  /** Bytes of the files as given (compressed where they are). */
  readonly bytesRead: number;
  readonly bytesTotal: number;
  /** Documents kept so far. */
  readonly documents: number;
}

export interface LoadOptions {
  readonly tokenizer: TextTokenizer;
  readonly config: Pick<DataConfig, 'fields' | 'nearDuplicateThreshold'>;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
  /** Bounds on archives; EXPANSION_LIMITS unless a test says otherwise. */
  readonly limits?: ExpansionLimits;
}

export interface LoadedCorpus {
  readonly corpus: Corpus;
  readonly report: ReadingReport;
  /** Sentences about files left out and other oddities. */
  readonly warnings: readonly string[];
  readonly bytesRead: number;
  readonly exactDuplicates: number;
  readonly nearDuplicates: number;
  readonly nearDuplicateThreshold: number;
  readonly seconds: number;
}

interface UniqueDocument extends RawDocument {
  readonly bytes: number;
  readonly hash: Uint8Array;
}

/**
 * @throws UserError when nothing can be read (the first file's reason), FieldError for a chosen field that is absent, ExpansionError for a
 *   hostile archive, DOMException AbortError on cancel
 */
export async function loadCorpus(sources: readonly TextSource[], options: LoadOptions): Promise<LoadedCorpus> {
  const { tokenizer, config, onProgress, signal } = options;
  const start = performance.now();
  const pace = new Pace(signal);
  pace.check();
  const corpus = new Corpus(tokenizer);
  const report = emptyReport();
  const bytesTotal = sources.reduce((sum, source) => sum + blobOf(source).size, 0);
  const dropped = { exact: 0, near: 0 };
  let path = sources[0]?.path ?? '';
  let bytesRead = 0;
  let lastProgress = -Infinity;
  let kept = 0;

  const tell = (stage: LoadProgress['stage'], always = false): void => {
    if (!onProgress || (!always && performance.now() - lastProgress < PROGRESS_MILLISECONDS)) return;
    lastProgress = performance.now();
    onProgress({ stage, path, bytesRead: Math.min(bytesTotal, Math.round(bytesRead)), bytesTotal, documents: kept });
  };
  const keep = (document: UniqueDocument): void => corpus.append(document, tokenizer.encode(document.text));
  /** The document with its hash, or undefined (and counted) when it is a duplicate or blank. */
  const unique = (document: RawDocument, seen: Deduplicator): UniqueDocument | undefined => {
    const text = cleanText(document.text);
    if (text === '') return undefined;
    const { duplicate, bytes, hash } = seen.add(text);
    if (duplicate) dropped[duplicate]++;
    return duplicate ? undefined : { path: document.path, part: document.part, text, bytes, hash };
  };

  const seen = new Deduplicator(config.nearDuplicateThreshold);
  const hold = new DocumentHold<UniqueDocument>();
  const batches = readDocuments(sources, {
    fields: config.fields, limits: options.limits ?? EXPANSION_LIMITS, pace,
    onBytes: (file, bytes) => {
      path = file;
      bytesRead += bytes;
      tell('reading');
    },
  }, report);
  for await (const batch of batches) {
    for (const raw of batch) {
      const document = unique(raw, seen);
      if (document) {
        kept++;
        hold.add(document).forEach(keep);
      }
      if (pace.isDue) {
        tell('reading');
        await pace.breathe();
      }
    }
  }
  bytesRead = bytesTotal;
  tell('tokenizing', true);
  const { documents, wereCut } = hold.finish();
  // Pieces of a cut document may repeat each other, so they are compared anew; uncut ones were compared before.
  const seenPieces = new Deduplicator(config.nearDuplicateThreshold);
  for (const raw of documents) {
    const document = 'hash' in raw && !wereCut ? raw : unique(raw, seenPieces);
    if (document) keep(document);
    if (pace.isDue) {
      kept = corpus.numDocuments;
      tell('tokenizing');
      await pace.breathe();
    }
  }
  if (corpus.numTokens === 0) throw new UserError(report.failures[0] ?? 'There is no text in what was given.');
  kept = corpus.numDocuments;
  tell('tokenizing', true);
  const warnings = [...report.failures.map((sentence) => `${sentence} It was left out.`), ...report.warnings];
  if (warnings.length > MAX_WARNINGS) warnings.splice(MAX_WARNINGS - 1, Infinity, `And ${warnings.length - MAX_WARNINGS + 1} more remarks like these.`);
  return {
    corpus, report, warnings, bytesRead: bytesTotal, exactDuplicates: dropped.exact, nearDuplicates: dropped.near,
    nearDuplicateThreshold: config.nearDuplicateThreshold, seconds: (performance.now() - start) / 1000,
  };
}
