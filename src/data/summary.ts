// What the page shows of a data set: counts per side, lengths, choices made while reading, and the beginning of one document as tokens.
// The shapes equal those of src/protocol/events.ts, which this folder may not import.
import type { SplitName } from '../config/dataConfig.ts';
import { SPLIT_NAMES } from '../config/dataConfig.ts';
import { UserError } from '../core/invariant.ts';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import { documentTokens, type Corpus } from './corpus.ts';
import type { LoadedCorpus } from './loadCorpus.ts';
import { splitOf, type CorpusSplit, type SplitConfig } from './split.ts';
import type { FieldChoice } from './textField.ts';

export interface SplitSummary {
  readonly documents: number;
  readonly tokens: number;
  readonly bytes: number;
}

export interface HistogramBin {
  /** Inclusive lower and exclusive upper bound, in tokens. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface CorpusSummary {
  readonly fingerprint: string;
  readonly files: number;
  readonly bytesRead: number;
  readonly documents: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly bytesPerToken: number;
  readonly exactDuplicates: number;
  readonly nearDuplicates: number;
  readonly splits: Readonly<Record<SplitName, SplitSummary>>;
  readonly lengthHistogram: readonly HistogramBin[];
  readonly fields: readonly FieldChoice[];
  readonly encodings: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
  readonly seconds: number;
}

export interface DocumentBeginning {
  readonly document: number;
  readonly path: string;
  readonly split: SplitName;
  readonly numTokens: number;
  /** Text of each token at the beginning of the document, in order. */
  readonly tokens: readonly string[];
  readonly truncated: boolean;
}

const MAX_BINS = 20;
/** Tokens of a document that a preview shows. */
const PREVIEW_TOKENS = 400;

/** Counts of `lengths` in at most MAX_BINS bins whose bounds grow by a constant factor, from the shortest to the longest. */
export function lengthHistogram(lengths: readonly number[]): HistogramBin[] {
  if (lengths.length === 0) return [];
  const shortest = Math.max(1, lengths.reduce((a, b) => Math.min(a, b)));
  const end = Math.max(shortest, lengths.reduce((a, b) => Math.max(a, b))) + 1;
  const bounds = [...new Set(Array.from({ length: MAX_BINS + 1 }, (_, i) => Math.round(shortest * (end / shortest) ** (i / MAX_BINS))))];
  const counts = new Array<number>(bounds.length - 1).fill(0);
  for (const length of lengths) {
    let bin = 0;
    while (bin < counts.length - 1 && length >= bounds[bin + 1]) bin++;
    counts[bin]++;
  }
  return counts.map((count, i) => ({ from: bounds[i], to: bounds[i + 1], count }));
}

function sideSummary(corpus: Corpus, documents: readonly number[]): SplitSummary {
  let tokens = 0;
  let bytes = 0;
  for (const document of documents) {
    tokens += corpus.tokenCountOf(document);
    bytes += corpus.byteCountOf(document);
  }
  return { documents: documents.length, tokens, bytes };
}

/** The same text, split and threshold give the same fingerprint, whatever the files were called. */
export function corpusFingerprint(loaded: LoadedCorpus, config: SplitConfig): string {
  const { validationShare, testShare, seed } = config;
  return loaded.corpus.fingerprint(JSON.stringify({ validationShare, testShare, seed, nearDuplicateThreshold: loaded.nearDuplicateThreshold }));
}

export function summarizeCorpus(loaded: LoadedCorpus, split: CorpusSplit, config: SplitConfig): CorpusSummary {
  const { corpus, report } = loaded;
  const [train, validation, test] = SPLIT_NAMES.map((name) => sideSummary(corpus, split.documents[name]));
  return {
    fingerprint: corpusFingerprint(loaded, config),
    files: report.files,
    bytesRead: loaded.bytesRead,
    documents: corpus.numDocuments,
    tokens: corpus.numTokens,
    bytes: corpus.bytes,
    bytesPerToken: corpus.bytes / corpus.numTokens,
    exactDuplicates: loaded.exactDuplicates,
    nearDuplicates: loaded.nearDuplicates,
    splits: { train, validation, test },
    lengthHistogram: lengthHistogram(Array.from({ length: corpus.numDocuments }, (_, i) => corpus.tokenCountOf(i))),
    fields: report.fields,
    encodings: report.encodings,
    warnings: loaded.warnings,
    seconds: loaded.seconds,
  };
}

/** The beginning of document `index` with its token boundaries. @throws UserError when there is no such document */
export function previewDocument(corpus: Corpus, split: CorpusSplit, tokenizer: TextTokenizer, index: number): DocumentBeginning {
  if (!Number.isInteger(index) || index < 0 || index >= corpus.numDocuments) {
    throw new UserError(`There is no document ${index + 1}: the data set has ${corpus.numDocuments}.`);
  }
  const { path, numTokens } = corpus.document(index);
  const ids = documentTokens(corpus, index, PREVIEW_TOKENS);
  return { document: index, path, split: splitOf(split, index), numTokens, tokens: Array.from(ids, (id) => tokenizer.tokenText(id)), truncated: numTokens > ids.length };
}
