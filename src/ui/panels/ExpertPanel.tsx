// Step 3: which expert fits the text, how to choose, and the projection.
import { useStore } from 'zustand';
import { isActive } from '../../stores/runsStore.ts';
import { PairedBars } from '../charts/PairedBars.tsx';
import { Button } from '../components/Button.tsx';
import { Notice } from '../components/Notice.tsx';
import { Progress } from '../components/Progress.tsx';
import { Card, Section } from '../components/Section.tsx';
import { useStudio } from '../StudioContext.ts';
import { useWaitsFor } from '../useStepFacts.ts';
import styles from './ExpertPanel.module.css';
import { ProjectionResult } from './ProjectionResult.tsx';
import { StrategyChoice } from './StrategyChoice.tsx';

function ExpertProgressCard() {
  const { activity, progress, cancel } = useStore(useStudio().expert);
  if (activity === 'idle') return null;
  return (
    <Card testId="expert-progress">
      <Progress
        label={progress?.stage ?? (activity === 'analyzing' ? 'Comparing your text with the clusters' : 'Projecting')}
        share={progress && progress.total > 0 ? progress.done / progress.total : undefined}
      />
      <div><Button onClick={cancel} testId="expert-cancel">Cancel</Button></div>
    </Card>
  );
}

function Match() {
  const studio = useStudio();
  const clusters = useStore(studio.pack, (state) => state.pack?.clusters);
  const { analysis, chosen } = useStore(studio.expert);
  if (!clusters || !analysis) return null;
  return (
    <Card title="What your text resembles">
      <PairedBars clusters={clusters} histogram={analysis.histogram} chosen={chosen?.cluster} losses={chosen?.losses} />
      <p className={styles.note}>
        Your training documents were cut into {analysis.windows.toLocaleString('en-US')} {analysis.windows === 1 ? 'window' : 'windows'}; each counts for the cluster it is nearest to.
      </p>
    </Card>
  );
}

function ProjectAction() {
  const studio = useStudio();
  const { activity, project, projected } = useStore(studio.expert);
  const device = useStore(studio.device, (state) => state.status);
  const training = useStore(studio.runs, (state) => isActive(state.run));
  const hasRun = useStore(studio.runs, (state) => state.run !== undefined);
  const obstacle = training
    ? 'Stop the run to project again.'
    : device === 'unavailable'
      ? 'Projecting computes through WebGPU or in WebAssembly, and this browser offers neither here.'
      : device === 'lost'
        ? 'Projecting needs the GPU, which the browser took away. Reload the page to go on.'
        : undefined;
  return (
    <div className={styles.actions}>
      <Button kind="primary" large disabled={activity !== 'idle' || obstacle !== undefined || device === 'opening'} onClick={project} testId="expert-project">
        {projected ? 'Project again' : 'Project'}
      </Button>
      {obstacle && <span className={styles.waiting}>{obstacle}</span>}
      {!obstacle && projected && hasRun && <span className={styles.waiting}>Projecting again starts over: the present run and its figures are cleared.</span>}
    </div>
  );
}

export function ExpertPanel() {
  const studio = useStudio();
  const error = useStore(studio.expert, (state) => state.error);
  const waitsFor = useWaitsFor('expert');
  return (
    <Section
      step="expert"
      title="Expert"
      lead="Each expert was pretrained on one cluster of a large, mixed text. The studio looks at where your documents fall, chooses an expert or a blend, and folds the large network down to the one small model that fits you."
      waitsFor={waitsFor}
    >
      <Match />
      <Card title="How to choose">
        <StrategyChoice />
        <ProjectAction />
      </Card>
      {error && <Notice kind="error" testId="expert-error">{error}</Notice>}
      <ExpertProgressCard />
      <ProjectionResult />
    </Section>
  );
}
