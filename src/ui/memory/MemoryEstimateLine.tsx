// What the next run, or a race of the chosen methods, takes on the GPU at most; follows the settings.
import { useStore } from 'zustand';
import { useStudio } from '../StudioContext.ts';
import styles from './Memory.module.css';
import { estimateSentence } from './memoryWords.ts';

export function MemoryEstimateLine({ of }: { of: 'run' | 'race' }) {
  const { memory, runs } = useStudio();
  const estimate = useStore(memory, (state) => state[of]);
  const config = useStore(runs, (state) => state.config);
  if (!estimate) return null;
  return <p className={styles.estimate} data-testid={`memory-${of}`}>{estimateSentence(of, estimate, config)}</p>;
}
