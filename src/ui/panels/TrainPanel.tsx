// Step 4: the settings of a run; its controls and live view stand together, so that one screen shows a run whole.
import { useStore } from 'zustand';
import { Card, Section } from '../components/Section.tsx';
import { Disclosure } from '../components/Disclosure.tsx';
import { Notice } from '../components/Notice.tsx';
import { TrainingCharts } from '../charts/TrainingCharts.tsx';
import { isActive } from '../../stores/runsStore.ts';
import { MemoryOfferButton } from '../memory/MemoryOfferButton.tsx';
import { useStudio } from '../StudioContext.ts';
import { useWaitsFor } from '../useStepFacts.ts';
import { EvaluationTable } from './EvaluationTable.tsx';
import { LiveFigures } from './LiveFigures.tsx';
import { RunControls } from './RunControls.tsx';
import { RunSettings } from './RunSettings.tsx';

function RunView() {
  const studio = useStudio();
  const run = useStore(studio.runs, (state) => state.run);
  const error = useStore(studio.runs, (state) => state.run?.error ?? state.error);
  const offer = useStore(studio.runs, (state) => state.offer);
  const { acceptOffer } = studio.runs.getState();
  const steps = useStore(studio.runs, (state) => state.run?.config.steps ?? state.config.steps);
  const projection = useStore(studio.expert, (state) => state.projected);
  // The run's own figures are on the very text its curve is drawn from.
  const slm = run?.started?.slm ?? projection?.slm;
  const projected = run?.started?.projected ?? projection?.projected;
  return (
    <Card>
      {error && (
        <Notice kind="error" testId="train-error">
          {error}
          {offer && <MemoryOfferButton offer={offer} testId="train-accept-offer" onAccept={acceptOffer} />}
        </Notice>
      )}
      <RunControls />
      <LiveFigures slm={slm?.perplexity} projected={projected?.perplexity} active={isActive(run)} />
      <TrainingCharts slm={slm?.perplexity} projected={projected?.perplexity} steps={steps} />
      {run && <Disclosure title="Every validation as a table" testId="evaluations"><EvaluationTable /></Disclosure>}
    </Card>
  );
}

export function TrainPanel() {
  const waitsFor = useWaitsFor('train');
  return (
    <Section
      step="train"
      title="Fine-tune"
      lead="The projected model reads your training text again and again, in random order, and adjusts its weights a little each step. Validation text, which it never trains on, shows whether it really learns; when that stops improving, training stops and the best weights are kept."
      waitsFor={waitsFor}
    >
      <Card>
        <RunSettings />
      </Card>
      <RunView />
    </Section>
  );
}
