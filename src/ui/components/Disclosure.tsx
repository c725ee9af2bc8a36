// A part that opens on demand (a details element). Its content is rendered only once it has been opened.
import { useState, type ReactNode } from 'react';
import styles from './Disclosure.module.css';

interface DisclosureProps {
  title: ReactNode;
  children: ReactNode;
  initiallyOpen?: boolean;
  testId?: string;
}

export function Disclosure({ title, children, initiallyOpen = false, testId }: DisclosureProps) {
  const [open, setOpen] = useState(initiallyOpen);
  return (
    <details className={styles.details} open={open} onToggle={(event) => setOpen(event.currentTarget.open)} data-testid={testId}>
      <summary className={styles.summary}>{title}</summary>
      {open && <div className={styles.body}>{children}</div>}
    </details>
  );
}
