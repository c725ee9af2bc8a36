// The settings of a run, drawn from their ranges: the preset and the main ones first, the rest on demand.
import { useStore } from 'zustand';
import { invalidRunField, PRESETS, RUN_RANGES, type PresetName, type ScheduleName } from '../../config/runConfig.ts';
import { formatCount } from '../../core/format.ts';
import { isActive } from '../../stores/runsStore.ts';
import { Disclosure } from '../components/Disclosure.tsx';
import { NumberField, SelectField } from '../components/Field.tsx';
import { Notice } from '../components/Notice.tsx';
import { MemoryEstimateLine } from '../memory/MemoryEstimateLine.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './TrainPanel.module.css';

type NumericField = keyof typeof RUN_RANGES;

const MAIN: readonly NumericField[] = ['steps', 'learningRate', 'batchSize', 'seqLen', 'evaluateEvery', 'patience'];
const MORE = (Object.keys(RUN_RANGES) as NumericField[]).filter((key) => !MAIN.includes(key));

const SCHEDULES: readonly { readonly value: ScheduleName; readonly label: string }[] = [
  { value: 'cosine', label: 'Cosine: falls slowly to the final rate' },
  { value: 'constant', label: 'Constant' },
];

const ACTIVATIONS = [
  { value: 'keep', label: 'Keep them for the backward pass' },
  { value: 'recompute', label: 'Recompute them' },
] as const;

function RunField({ name, max }: { name: NumericField; max?: number }) {
  const { runs } = useStudio();
  const value = useStore(runs, (state) => state.config[name]);
  const { label, help, min, step, max: widest } = RUN_RANGES[name];
  return (
    <NumberField
      label={label} help={help} min={min} max={Math.min(widest, max ?? widest)} step={step} value={value} testId={`run-${name}`}
      onChange={(changed) => runs.getState().changeConfig({ [name]: changed })}
    />
  );
}

export function RunSettings() {
  const studio = useStudio();
  const config = useStore(studio.runs, (state) => state.config);
  const preset = useStore(studio.runs, (state) => state.preset);
  const training = useStore(studio.runs, (state) => isActive(state.run));
  const context = useStore(studio.pack, (state) => state.pack?.model.maxPositionEmbeddings);
  const tokens = useStore(studio.dataset, (state) => state.summary?.splits.train.tokens);
  const { choosePreset, changeConfig } = studio.runs.getState();
  const note = PRESETS.find(({ name }) => name === preset)?.note;
  const invalid = invalidRunField(config)
    ?? (context !== undefined && config.seqLen > context ? `${RUN_RANGES.seqLen.label} can be at most ${context}, the context of this model.` : undefined);

  return (
    <>
      <fieldset disabled={training} aria-label="Preset" className={styles.preset}>
        <SelectField
          label="Preset by size of the text"
          value={preset}
          options={PRESETS.map(({ name, label }) => ({ value: name, label }))}
          testId="run-preset"
          onChange={(name) => choosePreset(name as PresetName)}
        />
        <p className={styles.presetNote}>{note}{tokens === undefined ? '' : ` Yours has ${formatCount(tokens)} tokens to train on.`}</p>
      </fieldset>
      <fieldset disabled={training} aria-label="Main settings" className={styles.fields}>
        {MAIN.map((name) => <RunField key={name} name={name} max={name === 'seqLen' ? context : undefined} />)}
      </fieldset>
      <Disclosure title="More settings" testId="run-more">
        <fieldset disabled={training} aria-label="More settings" className={styles.fields}>
          <SelectField
            label="Schedule" help="How the learning rate moves after the warm-up." value={config.schedule} options={SCHEDULES} testId="run-schedule"
            onChange={(schedule) => changeConfig({ schedule: schedule as ScheduleName })}
          />
          <SelectField
            label="Activations" help="Recomputing them gives the same result in less memory and more time." value={config.recomputeActivations ? 'recompute' : 'keep'} options={ACTIVATIONS} testId="run-activations"
            onChange={(activations) => changeConfig({ recomputeActivations: activations === 'recompute' })}
          />
          {MORE.map((name) => <RunField key={name} name={name} />)}
        </fieldset>
      </Disclosure>
      <MemoryEstimateLine of="run" />
      {invalid && <Notice kind="error" testId="run-invalid">{invalid}</Notice>}
    </>
  );
}
