// A sentence the user must not miss. Errors are read out at once, the others when there is time.
import type { ReactNode } from 'react';
import styles from './Notice.module.css';

interface NoticeProps {
  kind?: 'error' | 'caution' | 'plain';
  children: ReactNode;
  testId?: string;
}

export function Notice({ kind = 'plain', children, testId }: NoticeProps) {
  return (
    <div
      className={kind === 'plain' ? styles.notice : `${styles.notice} ${styles[kind]}`}
      role={kind === 'error' ? 'alert' : 'note'}
      data-testid={testId ?? (kind === 'error' ? 'notice-error' : undefined)}
    >
      {children}
    </div>
  );
}
