// The options of one method, as its type has them.
import { useStore } from 'zustand';
import { METHOD_RANGES, MIXTURE_STRATEGIES, PROJECTION_STRATEGIES, SAMPLING_STARTS, type MethodChoice, type ProjectionStrategy, type SamplingStart } from '../../config/method.ts';
import { NumberField, SelectField } from '../components/Field.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './Compare.module.css';

const STRATEGY_LABELS: Readonly<Record<ProjectionStrategy, string>> = {
  mostFrequent: 'Most frequent cluster', bestPretrained: 'Best pretrained', mixture: 'Mixture', fitted: 'Fitted', bestFineTuned: 'Best fine-tuned (successive halving)',
};
const START_LABELS: Readonly<Record<SamplingStart, string>> = { slm: 'Pretrained weights', random: 'Random weights' };
const optionsOf = <T extends string>(values: readonly T[], labels: Readonly<Record<T, string>>) => values.map((value) => ({ value, label: labels[value] }));

export function MethodOptions({ choice, disabled }: { choice: MethodChoice; disabled: boolean }) {
  const change = useStore(useStudio().comparison, (state) => state.changeChoice);
  switch (choice.method) {
    case 'SLM-pn':
      return (
        <div className={styles.options}>
          <SelectField label="Expert" value={choice.strategy} options={optionsOf(PROJECTION_STRATEGIES, STRATEGY_LABELS)} disabled={disabled} testId="race-pn-strategy" onChange={(strategy) => change({ ...choice, strategy: strategy as ProjectionStrategy })} />
        </div>
      );
    case 'SLM-mix':
      return (
        <div className={styles.options}>
          <SelectField label="Expert" value={choice.strategy} options={optionsOf(MIXTURE_STRATEGIES, STRATEGY_LABELS)} disabled={disabled} onChange={(strategy) => change({ ...choice, strategy: strategy as 'mostFrequent' })} />
        </div>
      );
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
