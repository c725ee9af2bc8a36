// The text a run is trained and judged on: what is loaded now, or what was kept with an interrupted run.
import type { SplitName } from '../config/dataConfig.ts';
import type { RunConfig } from '../config/runConfig.ts';
import type { TrainingPart } from '../config/runRecord.ts';
import { formatPercent } from '../core/format.ts';
import { UserError } from '../core/invariant.ts';
import type { Corpus } from '../data/corpus.ts';
import { nestedDocuments } from '../data/nestedDocuments.ts';
import type { CorpusSplit } from '../data/split.ts';
import { restoredText, storedText, type StoredText } from '../data/storedCorpus.ts';
import { checkTrainable, evaluationText, TrainingWindows, type EvaluationText } from '../data/windows.ts';
import type { RunStore, StoredCorpus } from '../runs/runStore.ts';
import type { TextTokenizer } from '../tokenizer/tokenizer.ts';
import type { EngineState, LoadedData } from './engineState.ts';

export interface RunText {
  readonly corpus: Corpus;
  readonly split: CorpusSplit;
  readonly fingerprint: string;
  /** Names of the files, as the list of runs shows them. */
  readonly label: string;
  /** Where `split` has only a part of the training documents. */
  readonly part?: TrainingPart;
}

const MAX_NAMED_FILES = 3;

export function textOf({ corpus, split, summary }: LoadedData): RunText {
  const files = [...new Set(Array.from({ length: corpus.numDocuments }, (_, index) => corpus.record(index).file))];
  const more = files.length - MAX_NAMED_FILES;
  const label = `${files.slice(0, MAX_NAMED_FILES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return { corpus, split, fingerprint: summary.fingerprint, label };
}

/** The text with a nested part of its training documents; the same seed gives nested parts. @throws UserError when the part is too short for one window */
export function partOfText(text: RunText, share: number, { seqLen, seed }: RunConfig): RunText {
  const { corpus, split } = text;
  const train = nestedDocuments(corpus, split.documents.train, share, seed);
  const part = { share, documents: train.length, tokens: train.reduce((sum, document) => sum + corpus.tokenCountOf(document), 0) };
  if (part.tokens < seqLen) throw new UserError(`${formatPercent(share)} of your training text is ${part.tokens} tokens, less than one window of ${seqLen}; begin with a larger part.`);
  return { ...text, split: { documents: { ...split.documents, train } }, part };
}

/** What to keep with a run so that it can be taken up without the files. */
export function keptText({ corpus, split }: RunText, tokenizer: TextTokenizer): StoredCorpus {
  return storedText(corpus, split, tokenizer.vocabSize);
}

/** The loaded text if it is the run's, else what was kept with it. @throws UserError when neither is there */
export async function findText(state: EngineState, store: RunStore, fingerprint: string, label: string): Promise<RunText> {
  if (state.data?.summary.fingerprint === fingerprint) return textOf(state.data);
  const stored = await store.corpus(fingerprint);
  if (!stored) throw new UserError(`The text of this run (${label}) is not kept in this browser; load it again with the same settings.`);
  return { ...restoredText(stored as StoredText, state.requirePack().tokenizer), fingerprint, label };
}

export interface RunWindows {
  readonly training: () => TrainingWindows;
  readonly validation: EvaluationText;
  readonly test: EvaluationText;
}

/** @throws UserError when the text is too short for windows of this length */
export function runWindows({ corpus, split }: RunText, { seqLen, seed, evaluationTokens }: RunConfig, endOfText: number): RunWindows {
  checkTrainable(corpus, split, seqLen);
  const heldOut = (side: SplitName, maxTokens: number): EvaluationText => evaluationText(corpus, split.documents[side], endOfText, seqLen, maxTokens);
  return {
    training: () => new TrainingWindows(corpus, split.documents.train, { endOfText, seqLen, seed }),
    validation: heldOut('validation', evaluationTokens),
    test: heldOut('test', Infinity),
  };
}
