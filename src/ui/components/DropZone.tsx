// A place to drop files and folders, with buttons that do the same for keyboards and phones.
import { useRef, useState, type DragEvent, type ReactNode } from 'react';
import type { NamedFile } from '../../protocol/commands.ts';
import { filesOfDrop, filesOfInput } from '../commands/readFiles.ts';
import { Button } from './Button.tsx';
import styles from './DropZone.module.css';

interface DropZoneProps {
  title: string;
  hint: string;
  /** Says what the zone takes to a screen reader. */
  label: string;
  testIds: { zone: string; files?: string; folder: string };
  compact?: boolean;
  disabled?: boolean;
  /** More buttons in the same row. */
  children?: ReactNode;
  onFiles(files: readonly NamedFile[]): void;
  onError(message: string): void;
}

export function DropZone({ title, hint, label, testIds, compact, disabled, children, onFiles, onError }: DropZoneProps) {
  const [over, setOver] = useState(false);
  const fileInput = useRef<HTMLInputElement>(null);
  const folderInput = useRef<HTMLInputElement>(null);

  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    if (disabled) return;
    filesOfDrop(event.dataTransfer).then(onFiles, (error: unknown) => onError(`The browser could not read what you dropped: ${String(error)}`));
  };
  const take = (input: HTMLInputElement): void => {
    if (input.files) onFiles(filesOfInput(input.files));
    // The same file chosen twice must count twice.
    input.value = '';
  };

  return (
    <div
      className={[styles.zone, compact ? styles.compact : '', over && !disabled ? styles.over : ''].filter(Boolean).join(' ')}
      role="group"
      aria-label={label}
      data-testid={testIds.zone}
      onDragOver={(event) => {
        event.preventDefault();
        event.dataTransfer.dropEffect = disabled ? 'none' : 'copy';
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      }}
      onDrop={drop}
    >
      {!compact && (
        <svg className={styles.icon} viewBox="0 0 40 40" fill="none" stroke="currentColor" strokeWidth="1.75" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
          <path d="M11 5h12l7 7v23H11z" />
          <path d="M23 5v7h7M20.500 29V18M16 22l4.500-4.500L25 22" />
        </svg>
      )}
      <p className={styles.title}>{title}</p>
      <p className={styles.hint}>{hint}</p>
      <div className={styles.buttons}>
        {testIds.files && <Button disabled={disabled} onClick={() => fileInput.current?.click()}>Choose files</Button>}
        <Button disabled={disabled} onClick={() => folderInput.current?.click()}>Choose a folder</Button>
        {children}
      </div>
      {testIds.files && (
        <input ref={fileInput} type="file" multiple hidden disabled={disabled} aria-label={`${label}: files`} data-testid={testIds.files} onChange={(event) => take(event.target)} />
      )}
      <input
        ref={folderInput} type="file" multiple hidden disabled={disabled} aria-label={`${label}: folder`} data-testid={testIds.folder}
        {...{ webkitdirectory: '' }}
        onChange={(event) => take(event.target)}
      />
    </div>
  );
}
