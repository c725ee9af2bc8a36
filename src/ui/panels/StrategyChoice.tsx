// The four ways to choose an expert, and the user's own choice of a cluster.
import { useStore } from 'zustand';
import type { ExpertStrategy } from '../../config/runConfig.ts';
import { formatPercent } from '../../core/format.ts';
import { FITTED_STEPS_RANGE } from '../../stores/expertStore.ts';
import { isActive } from '../../stores/runsStore.ts';
import { NumberField, SelectField } from '../components/Field.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './ExpertPanel.module.css';

const STRATEGIES: readonly { readonly value: ExpertStrategy; readonly name: string; readonly words: string }[] = [
  { value: 'mostFrequent', name: 'Most frequent cluster', words: 'The expert of the cluster that most of your text falls into. Takes no time.' },
  { value: 'bestPretrained', name: 'Best pretrained expert', words: 'Tries every expert on your training text and keeps the one that predicts it best.' },
  { value: 'mixture', name: 'Mixture', words: 'Blends all experts, each weighted by its share of your text. Takes no time.' },
  { value: 'fitted', name: 'Fitted', words: 'Tunes only the few numbers that describe an expert to your text. Slower; usually the best start.' },
];

const AUTOMATIC = 'automatic';

export function StrategyChoice() {
  const studio = useStudio();
  const clusters = useStore(studio.pack, (state) => state.pack?.clusters) ?? [];
  const { strategy, cluster, fittedSteps, activity, analysis, setStrategy, setCluster, setFittedSteps } = useStore(studio.expert);
  const training = useStore(studio.runs, (state) => isActive(state.run));
  const disabled = training || activity === 'projecting';
  const share = (index: number): string => (analysis ? `, ${formatPercent(analysis.histogram[index] ?? 0)} of your text` : '');
  return (
    <>
      <div className={styles.strategies} role="radiogroup" aria-label="Strategy">
        {STRATEGIES.map(({ value, name, words }) => (
          <label key={value} className={styles.strategy} data-testid={`strategy-${value}`}>
            <input type="radio" name="strategy" value={value} checked={strategy === value} disabled={disabled} onChange={() => setStrategy(value)} />
            <span className={styles.strategyName}>{name}</span>
            <span className={styles.strategyWords}>{words}</span>
          </label>
        ))}
      </div>
      <div className={styles.controls}>
        <SelectField
          label="Cluster"
          help="Your own choice takes the place of the strategy’s."
          value={cluster === undefined ? AUTOMATIC : String(cluster)}
          options={[
            { value: AUTOMATIC, label: 'As the strategy chooses' },
            ...clusters.map(({ index, label }) => ({ value: String(index), label: `${index}: ${label}${share(index)}` })),
          ]}
          disabled={disabled}
          testId="expert-cluster"
          onChange={(value) => setCluster(value === AUTOMATIC ? undefined : Number(value))}
        />
        {strategy === 'fitted' && (
          <NumberField
            {...FITTED_STEPS_RANGE}
            help="Gradient steps on the expert’s numbers alone."
            value={fittedSteps}
            disabled={disabled}
            testId="expert-fitted-steps"
            onChange={setFittedSteps}
          />
        )}
      </div>
    </>
  );
}
