// Step 6: one prompt, completed side by side by the projected and the fine-tuned model.
import { useStore } from 'zustand';
import { formatCount } from '../../core/format.ts';
import { invalidSampleField, SAMPLE_RANGES, type Completion, type SampledModel } from '../../stores/samplesStore.ts';
import { Button } from '../components/Button.tsx';
import { NumberField, TextField } from '../components/Field.tsx';
import { Notice } from '../components/Notice.tsx';
import { Card, Section } from '../components/Section.tsx';
import { useStudio } from '../StudioContext.ts';
import { useWaitsFor } from '../useStepFacts.ts';
import styles from './SamplePanel.module.css';

const PANES: readonly { readonly model: SampledModel; readonly name: string }[] = [
  { model: 'projected', name: 'Projected, before fine-tuning' },
  { model: 'fineTuned', name: 'Fine-tuned on your text' },
];

function paneNote({ tokens, tokensPerSecond }: Completion): string {
  if (tokens === 0) return '';
  return `${formatCount(tokens)} tokens${tokensPerSecond === undefined ? '' : `, ${formatCount(tokensPerSecond)} per second`}`;
}

function Pane({ model, name }: { model: SampledModel; name: string }) {
  const { samples } = useStudio();
  const completion = useStore(samples, (state) => state.completions[model]);
  const prompt = useStore(samples, (state) => state.prompt);
  const sampleId = useStore(samples, (state) => state.sampleId);
  return (
    <div className={model === 'fineTuned' ? `${styles.pane} ${styles.tuned}` : styles.pane}>
      <h3 className={styles.name}>{name}</h3>
      {sampleId
        ? <p className={styles.text}><span className={styles.prompt}>{prompt}</span><span data-testid={`sample-${model}`} data-finished={completion.finished}>{completion.text}</span></p>
        : <p className={styles.waiting}>Its text will appear here, token by token.</p>}
      <p className={styles.note}>{paneNote(completion)}</p>
    </div>
  );
}

export function SamplePanel() {
  const { samples } = useStudio();
  const { config, running, error, changeConfig, start, stop } = useStore(samples);
  const waitsFor = useWaitsFor('samples');
  const invalid = invalidSampleField(config);
  return (
    <Section
      step="samples"
      title="Samples"
      lead="Let both models continue the same words. They are small, so expect the tone and vocabulary of your domain rather than facts."
      waitsFor={waitsFor}
    >
      <Card>
        <TextField
          label="Prompt" rows={3} value={config.prompt} disabled={running} testId="sample-prompt"
          placeholder="The beginning of a sentence from your domain; empty begins a new document"
          onChange={(prompt) => changeConfig({ prompt })}
        />
        <fieldset className={styles.fields} disabled={running} aria-label="How to write">
          {(Object.keys(SAMPLE_RANGES) as (keyof typeof SAMPLE_RANGES)[]).map((key) => (
            <NumberField key={key} {...SAMPLE_RANGES[key]} value={config[key]} testId={`sample-${key}`} onChange={(value) => changeConfig({ [key]: value })} />
          ))}
        </fieldset>
        {(invalid ?? error) && <Notice kind="error" testId="sample-error">{invalid ?? error}</Notice>}
        <div className={styles.actions}>
          <Button kind="primary" large onClick={start} disabled={running || invalid !== undefined} testId="sample-start">{running ? 'Writing' : 'Write with both models'}</Button>
          <Button large onClick={stop} disabled={!running} testId="sample-stop">Stop</Button>
        </div>
      </Card>
      <div className={styles.panes} aria-busy={running}>{PANES.map((pane) => <Pane key={pane.model} {...pane} />)}</div>
    </Section>
  );
}
