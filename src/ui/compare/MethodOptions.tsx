// The options of one method, as its type has them. Steps of a teacher or of resampled pretraining are not among them: they follow from the race's budget.
import { useStore } from 'zustand';
import { METHOD_RANGES, MIXTURE_STRATEGIES, PROJECTION_STRATEGIES, SAMPLING_STARTS, type ChoiceOf, type MethodChoice, type MixtureStrategy, type ProjectionStrategy, type SamplingStart } from '../../config/method.ts';
import { DEFAULT_FITTED_STEPS } from '../../config/runConfig.ts';
import { NumberField, SelectField } from '../components/Field.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './Compare.module.css';
import { START_LABELS, STRATEGY_LABELS } from './optionWords.ts';

const optionsOf = <T extends string>(values: readonly T[], labels: Readonly<Record<T, string>>) => values.map((value) => ({ value, label: labels[value] }));

/** One select for strategies and the user's own cluster: a cluster of one's own takes the strategy's place. */
const OWN = 'cluster:';

function ExpertField<C extends ChoiceOf<'SLM-pn'> | ChoiceOf<'SLM-mix'>>({ choice, strategies, disabled, testId, onChange }: {
  choice: C; strategies: readonly C['strategy'][]; disabled: boolean; testId: string; onChange(choice: C): void;
}) {
  const clusters = useStore(useStudio().pack, (state) => state.pack?.clusters) ?? [];
  const options = [...optionsOf<ProjectionStrategy>(strategies, STRATEGY_LABELS), ...clusters.map(({ index, label }) => ({ value: `${OWN}${index}`, label: `Cluster ${index}: ${label}` }))];
  return (
    <SelectField
      label="Expert" value={choice.cluster === undefined ? choice.strategy : `${OWN}${choice.cluster}`} options={options} disabled={disabled} testId={testId}
      onChange={(value) => onChange(value.startsWith(OWN) ? { ...choice, cluster: Number(value.slice(OWN.length)) } : { ...choice, strategy: value, cluster: undefined })}
    />
  );
}

function ProjectionOptions({ choice, disabled, change }: { choice: ChoiceOf<'SLM-pn'>; disabled: boolean; change(choice: MethodChoice): void }) {
  const { strategy, cluster, fittedSteps = DEFAULT_FITTED_STEPS, halving = false } = choice;
  return (
    <div className={styles.options}>
      <ExpertField choice={choice} strategies={PROJECTION_STRATEGIES} disabled={disabled} testId="race-pn-strategy" onChange={change} />
      {cluster === undefined && strategy === 'fitted' && <NumberField {...METHOD_RANGES.fittedSteps} value={fittedSteps} disabled={disabled} onChange={(steps) => change({ ...choice, fittedSteps: steps })} />}
      {cluster === undefined && strategy === 'bestFineTuned' && (
        <SelectField
          label="How many are trained to the end" value={String(halving)} disabled={disabled} testId="race-pn-halving"
          options={[{ value: 'true', label: 'One: the worse half is dropped after each round' }, { value: 'false', label: 'Every expert' }]}
          onChange={(value) => change({ ...choice, halving: value === 'true' })}
        />
      )}
    </div>
  );
}

export function MethodOptions({ choice, disabled }: { choice: MethodChoice; disabled: boolean }) {
  const change = useStore(useStudio().comparison, (state) => state.changeChoice);
  switch (choice.method) {
    case 'SLM-pn':
      return <ProjectionOptions choice={choice} disabled={disabled} change={change} />;
    case 'SLM-mix':
      return <div className={styles.options}><ExpertField choice={choice} strategies={MIXTURE_STRATEGIES as readonly MixtureStrategy[]} disabled={disabled} testId="race-mix-strategy" onChange={change} /></div>;
    case 'SLM-is':
      return (
        <div className={styles.options}>
          <SelectField label="Goes on from" value={choice.start} options={optionsOf(SAMPLING_STARTS, START_LABELS)} disabled={disabled} onChange={(start) => change({ ...choice, start: start as SamplingStart })} />
        </div>
      );
    case 'SLM-d':
      return (
        <div className={styles.options}>
          <NumberField {...METHOD_RANGES.weight} value={choice.weight} disabled={disabled} onChange={(weight) => change({ ...choice, weight })} />
          <NumberField {...METHOD_RANGES.temperature} value={choice.temperature} disabled={disabled} onChange={(temperature) => change({ ...choice, temperature })} />
        </div>
      );
    default:
      return null;
  }
}
