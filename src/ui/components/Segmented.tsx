// One choice out of few, as a row of radio buttons.
import { useId } from 'react';
import styles from './Segmented.module.css';

interface SegmentedProps<T extends string> {
  label: string;
  value: T;
  options: readonly { readonly value: T; readonly label: string }[];
  testId?: string;
  onChange: (value: NoInfer<T>) => void;
}

export function Segmented<T extends string>({ label, value, options, testId, onChange }: SegmentedProps<T>) {
  const name = useId();
  return (
    <div className={styles.group} role="radiogroup" aria-label={label} data-testid={testId}>
      {options.map((option) => (
        <label className={styles.option} key={option.value}>
          <input type="radio" name={name} value={option.value} checked={option.value === value} onChange={() => onChange(option.value)} />
          <span>{option.label}</span>
        </label>
      ))}
    </div>
  );
}
