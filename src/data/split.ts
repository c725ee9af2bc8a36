// Which document is trained on, which one judges. By whole documents, by tokens as near to the shares as the documents allow, repeatable from the seed.
// Test documents are drawn first: another validation share leaves them as they are.
import type { DataConfig, SplitName } from '../config/dataConfig.ts';
import { createRandom, shuffle } from '../core/random.ts';
import type { Corpus } from './corpus.ts';

export type SplitConfig = Pick<DataConfig, 'validationShare' | 'testShare' | 'seed'>;

export interface CorpusSplit {
  /** Document indexes of each side, ascending. */
  readonly documents: Readonly<Record<SplitName, readonly number[]>>;
}

/**
 * From three documents on every side has at least one (given positive shares). With two there is no test document, with one only a training document:
 * see checkTrainable.
 */
export function splitCorpus(corpus: Corpus, config: SplitConfig): CorpusSplit {
  const order = shuffle(Array.from({ length: corpus.numDocuments }, (_, i) => i), createRandom(config.seed));
  let remaining = order;
  const takeShare = (share: number, keep: number): number[] => {
    const wanted = share * corpus.numTokens;
    const taken: number[] = [];
    const left: number[] = [];
    let tokens = 0;
    for (const document of remaining) {
      const length = corpus.tokenCountOf(document);
      // A document is taken when that brings the side nearer to its share; one that is too long waits for nobody.
      const isNearer = wanted > 0 && tokens + length / 2 <= wanted;
      if (isNearer && taken.length < remaining.length - keep) {
        taken.push(document);
        tokens += length;
      } else left.push(document);
    }
    if (taken.length === 0 && share > 0 && left.length > keep) {
      // Every document is longer than the share: the shortest one overshoots least.
      const shortest = left.reduce((best, document) => (corpus.tokenCountOf(document) < corpus.tokenCountOf(best) ? document : best));
      left.splice(left.indexOf(shortest), 1);
      taken.push(shortest);
    }
    remaining = left;
    return taken;
  };
  const test = takeShare(config.testShare, 2);
  const validation = takeShare(config.validationShare, 1);
  const ascending = (documents: number[]): number[] => documents.sort((a, b) => a - b);
  return { documents: { train: ascending(remaining), validation: ascending(validation), test: ascending(test) } };
}

/** The side document `index` is on. */
export function splitOf(split: CorpusSplit, index: number): SplitName {
  if (split.documents.test.includes(index)) return 'test';
  return split.documents.validation.includes(index) ? 'validation' : 'train';
}
