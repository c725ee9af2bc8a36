// Files to tokens in one stream: read, clean, drop duplicates, tokenize. Memory holds the tokens, one file's current piece and a bounded stock of
// documents whose fate is open (longDocuments.ts).
import type { DataConfig } from '../config/dataConfig.ts';
import { UserError } from '../core/invariant.ts';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import { blobOf, type TextSource } from './byteFile.ts';
import { Corpus } from './corpus.ts';
import { comparesNear, Deduplicator } from './deduplicate.ts';
import { EXPANSION_LIMITS, type ExpansionLimits } from './expansionGuard.ts';
import { DocumentHold } from './longDocuments.ts';
import { Pace } from './pace.ts';
import { DocumentPreparer } from './prepareDocuments.ts';
import { inOrder, onThisThread, type CleanDocument, type Preparation } from './preparation.ts';
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
  /** Who hashes and tokenizes; this thread unless others are given. The result is the same. */
  readonly preparation?: Preparation;
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
  const keep = ({ path: from, part, prepared: { bytes, hash, tokens } }: CleanDocument): void => corpus.append({ path: from, part, bytes, hash }, tokens);
  const isNew = ({ prepared }: CleanDocument, seen: Deduplicator): boolean => {
    const duplicate = seen.add(prepared);
    if (duplicate) dropped[duplicate]++;
    return !duplicate;
  };

  const preparation = options.preparation ?? onThisThread(new DocumentPreparer(tokenizer, comparesNear(config.nearDuplicateThreshold)));
  const seen = new Deduplicator(config.nearDuplicateThreshold);
  const hold = new DocumentHold<CleanDocument>();
  const raw = readDocuments(sources, {
    fields: config.fields, limits: options.limits ?? EXPANSION_LIMITS, pace,
    onBytes: (file, bytes) => {
      path = file;
      bytesRead += bytes;
      tell('reading');
    },
  }, report);
  for await (const batch of inOrder(raw, preparation, pace)) {
    for (const document of batch) {
      if (!isNew(document, seen)) continue;
      kept++;
      hold.add(document).forEach(keep);
      // Short documents come thousands to a batch.
      if (pace.isDue) await pace.breathe();
    }
    tell('reading');
  }
  bytesRead = bytesTotal;
  tell('tokenizing', true);
  const held = hold.finish();
  if (held.wereCut) {
    // Pieces of a cut document may repeat each other, so all are compared anew.
    const seenPieces = new Deduplicator(config.nearDuplicateThreshold);
    for await (const batch of inOrder([held.documents], preparation, pace)) {
      for (const document of batch) if (isNew(document, seenPieces)) keep(document);
      kept = corpus.numDocuments;
      tell('tokenizing');
    }
  } else held.documents.forEach(keep);
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
