// Labelled inputs. A number field shows what was typed, even while it is not a number, and reports NaN for it.
import { useId, useState, type ReactNode } from 'react';
import styles from './Field.module.css';

interface FieldFrameProps {
  label: string;
  help?: string;
  children(ids: { id: string; describedBy: string | undefined }): ReactNode;
}

function FieldFrame({ label, help, children }: FieldFrameProps) {
  const id = useId();
  const helpId = `${id}-help`;
  return (
    <div className={styles.field}>
      <label className={styles.label} htmlFor={id}>{label}</label>
      {children({ id, describedBy: help ? helpId : undefined })}
      {help && <span className={styles.help} id={helpId}>{help}</span>}
    </div>
  );
}

interface NumberFieldProps {
  label: string;
  help?: string;
  value: number;
  min: number;
  max: number;
  step: number | 'any';
  disabled?: boolean;
  testId?: string;
  onChange(value: number): void;
}

const parse = (text: string): number => (text.trim() === '' ? NaN : Number(text));

export function NumberField({ label, help, value, min, max, step, disabled, testId, onChange }: NumberFieldProps) {
  const [typed, setTyped] = useState(() => String(value));
  // What was typed stays as long as it means the current value; a value changed from elsewhere replaces it.
  const shown = Object.is(parse(typed), value) ? typed : String(value);
  return (
    <FieldFrame label={label} help={help}>
      {({ id, describedBy }) => (
        <input
          id={id}
          className={styles.control}
          type="number"
          inputMode="decimal"
          value={shown}
          min={min}
          max={max}
          // The browser's own validation would call a typed 0.07 wrong where the arrows move by 0.05.
          step={step}
          disabled={disabled}
          aria-invalid={!(value >= min && value <= max)}
          aria-describedby={describedBy}
          data-testid={testId}
          onChange={(event) => {
            setTyped(event.target.value);
            onChange(parse(event.target.value));
          }}
        />
      )}
    </FieldFrame>
  );
}

interface SelectFieldProps {
  label: string;
  help?: string;
  value: string;
  options: readonly { readonly value: string; readonly label: string }[];
  disabled?: boolean;
  testId?: string;
  onChange(value: string): void;
}

export function SelectField({ label, help, value, options, disabled, testId, onChange }: SelectFieldProps) {
  return (
    <FieldFrame label={label} help={help}>
      {({ id, describedBy }) => (
        <select
          id={id}
          className={styles.control}
          value={value}
          disabled={disabled}
          aria-describedby={describedBy}
          data-testid={testId}
          onChange={(event) => onChange(event.target.value)}
        >
          {options.map((option) => <option key={option.value} value={option.value}>{option.label}</option>)}
        </select>
      )}
    </FieldFrame>
  );
}

interface TextFieldProps {
  label: string;
  help?: string;
  value: string;
  placeholder?: string;
  /** More than one turns it into a text area. */
  rows?: number;
  disabled?: boolean;
  testId?: string;
  onChange(value: string): void;
  onEnter?(): void;
}

export function TextField({ label, help, value, placeholder, rows = 1, disabled, testId, onChange, onEnter }: TextFieldProps) {
  return (
    <FieldFrame label={label} help={help}>
      {({ id, describedBy }) => {
        const common = {
          id, value, placeholder, disabled, className: styles.control, 'aria-describedby': describedBy, 'data-testid': testId,
          spellCheck: false,
        };
        if (rows > 1) return <textarea {...common} rows={rows} onChange={(event) => onChange(event.target.value)} />;
        return (
          <input
            {...common}
            type="text"
            onChange={(event) => onChange(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter') onEnter?.();
            }}
          />
        );
      }}
    </FieldFrame>
  );
}
