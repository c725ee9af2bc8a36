// A progress bar with words. `share` undefined means that something happens but nobody knows how much is left.
import type { ReactNode } from 'react';
import styles from './Progress.module.css';

interface ProgressProps {
  /** What is being done; read out as the bar's name. */
  label: string;
  /** In [0, 1]. */
  share?: number;
  detail?: ReactNode;
  testId?: string;
}

export function Progress({ label, share, detail, testId }: ProgressProps) {
  const percent = share === undefined ? undefined : Math.round(Math.min(1, Math.max(0, share)) * 100);
  return (
    <div className={styles.progress} data-testid={testId}>
      <div className={styles.line}>
        <span className={styles.what}>{label}</span>
        <span>{detail}</span>
      </div>
      <div className={styles.track} role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
        {percent === undefined
          ? <div className={`${styles.bar} ${styles.waiting}`} />
          : <div className={styles.bar} style={{ transform: `scaleX(${percent / 100})` }} />}
      </div>
    </div>
  );
}
