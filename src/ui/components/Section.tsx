// A numbered step of the page: heading, a sentence or two, and its content or the sentence it waits with. Card is the surface inside.
import type { ReactNode } from 'react';
import { stepNumber, type StepId } from '../steps.ts';
import styles from './Section.module.css';

interface SectionProps {
  step: StepId;
  title: string;
  lead: string;
  /** What the step waits for; its content is left out meanwhile. */
  waitsFor?: string;
  children: ReactNode;
}

export function Section({ step, title, lead, waitsFor, children }: SectionProps) {
  const headingId = `${step}-heading`;
  return (
    <section id={step} className={waitsFor ? `${styles.section} ${styles.locked}` : styles.section} aria-labelledby={headingId} data-testid={`section-${step}`}>
      <h2 className={`${styles.heading} ${styles.title}`} id={headingId}>
        <span className={styles.number}>{stepNumber(step)}</span>
        <span>{title}</span>
      </h2>
      <p className={styles.lead}>{lead}</p>
      {waitsFor ? <p className={styles.waiting} data-testid={`waits-${step}`}>{waitsFor}</p> : <div className={styles.body}>{children}</div>}
    </section>
  );
}

export function Card({ title, children, testId }: { title?: string; children: ReactNode; testId?: string }) {
  return (
    <div className={styles.card} data-testid={testId}>
      {title && <h3 className={styles.cardTitle}>{title}</h3>}
      {children}
    </div>
  );
}
