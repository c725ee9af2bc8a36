// The page's buttons: primary (one per step), plain, quiet.
import type { ButtonHTMLAttributes } from 'react';
import styles from './Button.module.css';

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: 'primary' | 'plain' | 'quiet';
  large?: boolean;
  testId?: string;
}

export function Button({ kind = 'plain', large, testId, className, ...rest }: ButtonProps) {
  const names = [styles.button, kind === 'plain' ? '' : styles[kind], large ? styles.large : '', className ?? ''];
  return <button type="button" className={names.filter(Boolean).join(' ')} data-testid={testId} {...rest} />;
}
