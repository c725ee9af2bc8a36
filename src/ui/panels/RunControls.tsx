// Start, pause, single step, resume, stop; and the state of the run in words. One button is start, pause and resume in turn, so that
// the keyboard focus stays where it is.
import { useStore } from 'zustand';
import { invalidRunField } from '../../config/runConfig.ts';
import { formatCount, formatSeconds } from '../../core/format.ts';
import { isActive, type Run } from '../../stores/runsStore.ts';
import { Button } from '../components/Button.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './TrainPanel.module.css';

const FINISH_WORDS = {
  steps: 'all steps done',
  earlyStopping: 'validation stopped improving',
  stopped: 'stopped by you',
} as const;

function stateWords(run: Run | undefined): string {
  if (!run) return 'Ready to start';
  if (run.state === 'starting') return 'Getting ready: planning the step and compiling its kernels';
  if (run.state === 'running') return 'Training';
  if (run.state === 'paused') return 'Paused';
  if (run.state === 'failed') return 'The run failed; you can start another';
  const { finished } = run;
  if (!finished) return 'Finished';
  return `Finished after ${formatCount(finished.step)} steps and ${formatSeconds(finished.seconds)}: ${FINISH_WORDS[finished.reason]}. The best weights, of step ${formatCount(finished.bestStep)}, are kept.`;
}

export function RunControls() {
  const studio = useStudio();
  const run = useStore(studio.runs, (state) => state.run);
  const config = useStore(studio.runs, (state) => state.config);
  const context = useStore(studio.pack, (state) => state.pack?.model.maxPositionEmbeddings) ?? Infinity;
  const device = useStore(studio.device, (state) => state.status);
  const busyElsewhere = useStore(studio.expert, (state) => state.activity !== 'idle');
  const { start, pause, step, resume, stop } = studio.runs.getState();

  const active = isActive(run);
  const canStart = device === 'ready' && !busyElsewhere && invalidRunField(config) === undefined && config.seqLen <= context;
  const main = run?.state === 'running'
    ? { label: 'Pause', act: pause, testId: 'train-pause', disabled: false }
    : run?.state === 'paused'
      ? { label: 'Resume', act: resume, testId: 'train-resume', disabled: false }
      : { label: run?.state === 'starting' ? 'Starting' : run ? 'Start a new run' : 'Start', act: start, testId: 'train-start', disabled: active || !canStart };

  return (
    <div className={styles.controls}>
      <Button kind="primary" large onClick={main.act} disabled={main.disabled} testId={main.testId}>{main.label}</Button>
      <Button large onClick={step} disabled={run?.state === 'paused' ? false : active || !canStart} testId="train-step" title="Computes one step and waits">Step</Button>
      <Button large onClick={stop} disabled={!active || run?.state === 'starting'} testId="train-stop">Stop</Button>
      <span className={`${styles.state} ${run ? (styles[run.state] ?? '') : ''}`} role="status" data-testid="train-state" data-state={run?.state ?? 'none'}>{stateWords(run)}</span>
    </div>
  );
}
