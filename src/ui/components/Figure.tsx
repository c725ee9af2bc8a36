// A number with its name, and the grid such figures stand in (a description list).
import type { CSSProperties, ReactNode } from 'react';
import styles from './Figure.module.css';

interface FigureProps {
  label: string;
  value: ReactNode;
  note?: ReactNode;
  testId?: string;
}

export function Figure({ label, value, note, testId }: FigureProps) {
  return (
    <div className={styles.figure}>
      <dt className={styles.label}>{label}</dt>
      <dd className={styles.value} data-testid={testId}>
        {value}
        {note !== undefined && <span className={styles.note}> {note}</span>}
      </dd>
    </div>
  );
}

interface FiguresProps {
  /** Side by side where there is room; two on a phone. */
  columns: number;
  small?: boolean;
  children: ReactNode;
}

export function Figures({ columns, small, children }: FiguresProps) {
  const style = { '--columns': columns } as CSSProperties;
  return <dl className={small ? `${styles.figures} ${styles.small}` : styles.figures} style={style}>{children}</dl>;
}
