// A few words per step for the rail: what it holds, or nothing yet. Pure.
import { formatCount, formatPerplexity } from '../../core/format.ts';
import type { DatasetState } from '../../stores/datasetStore.ts';
import type { ExpertState } from '../../stores/expertStore.ts';
import type { PackState } from '../../stores/packStore.ts';
import type { Run } from '../../stores/runsStore.ts';
import type { StepId } from '../steps.ts';

export interface StepStatus {
  readonly done: boolean;
  readonly words: string;
}

const RUN_WORDS: Readonly<Record<Run['state'], string>> = {
  starting: 'Starting', running: 'Running', paused: 'Paused', finished: 'Finished', failed: 'Failed',
};

export function stepStatus(
  step: StepId,
  pack: PackState,
  dataset: DatasetState,
  expert: ExpertState,
  run: Run | undefined,
  sampled: boolean,
): StepStatus {
  switch (step) {
    case 'pack':
      if (pack.loading) return { done: false, words: 'Loading' };
      return { done: pack.pack !== undefined, words: pack.pack ? `${pack.pack.name}, ${formatCount(pack.pack.parametersBefore)} parameters` : '' };
    case 'data':
      if (dataset.loading) return { done: false, words: 'Reading' };
      return { done: dataset.summary !== undefined, words: dataset.summary ? `${formatCount(dataset.summary.documents)} documents, ${formatCount(dataset.summary.tokens)} tokens` : '' };
    case 'expert':
      if (expert.activity === 'projecting') return { done: false, words: 'Projecting' };
      return { done: expert.projected !== undefined, words: expert.projected ? `Starts at perplexity ${formatPerplexity(expert.projected.projected.perplexity)}` : '' };
    case 'train':
      return { done: run?.state === 'finished', words: run ? RUN_WORDS[run.state] : '' };
    case 'result': {
      const tuned = run?.figures?.find((figure) => figure.model === 'fineTuned');
      return { done: tuned !== undefined, words: tuned ? `Test perplexity ${formatPerplexity(tuned.perplexity)}` : run?.testProgress ? 'Measuring' : '' };
    }
    case 'samples':
      return { done: sampled, words: '' };
    case 'compare':
      return { done: false, words: '' };
    case 'export':
      return { done: run?.exported !== undefined, words: run?.exporting ? 'Packing' : run?.exported ? 'Downloaded' : '' };
  }
}
