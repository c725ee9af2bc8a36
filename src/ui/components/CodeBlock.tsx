// Code to copy.
import { useState } from 'react';
import { Button } from './Button.tsx';
import styles from './CodeBlock.module.css';

export function CodeBlock({ code, label }: { code: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = (): void => {
    navigator.clipboard.writeText(code).then(
      () => {
        setCopied(true);
        setTimeout(() => setCopied(false), 2000);
      },
      () => setCopied(false),
    );
  };
  return (
    <div className={styles.block}>
      <pre className={styles.code} tabIndex={0} aria-label={label}><code>{code}</code></pre>
      <Button kind="quiet" className={styles.copy} onClick={copy}>{copied ? 'Copied' : 'Copy'}</Button>
    </div>
  );
}
