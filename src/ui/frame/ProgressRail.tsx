// The way through the page: a rail beside it, or a compact bar on top of it on a phone.
import { useStore } from 'zustand';
import { useStudio } from '../StudioContext.ts';
import { waitsFor } from '../availability.ts';
import { STEPS } from '../steps.ts';
import { useStudioFacts } from '../useStepFacts.ts';
import styles from './ProgressRail.module.css';
import { stepStatus } from './stepStatus.ts';
import { useCurrentStep } from './useCurrentStep.ts';

const CHECK = (
  <svg viewBox="0 0 12 12" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
    <path d="M2.500 6.300 5 8.700l4.500-5.200" />
  </svg>
);

export function ProgressRail() {
  const studio = useStudio();
  const facts = useStudioFacts();
  const pack = useStore(studio.pack);
  const dataset = useStore(studio.dataset);
  const expert = useStore(studio.expert);
  const run = useStore(studio.runs, (state) => state.run);
  const sampled = useStore(studio.samples, ({ completions }) => completions.projected.finished && completions.fineTuned.finished);
  const current = useCurrentStep();

  return (
    <nav className={styles.rail} aria-label="Steps">
      <ol className={styles.list}>
        {STEPS.map(({ id, title }, index) => {
          const { done, words } = stepStatus(id, pack, dataset, expert, run, sampled);
          const open = waitsFor(id, facts) === undefined;
          const names = [styles.link, done ? styles.done : open ? styles.open : '', id === current ? styles.current : ''];
          return (
            <li key={id}>
              <a className={names.filter(Boolean).join(' ')} href={`#${id}`} aria-current={id === current ? 'step' : undefined}>
                <span className={styles.marker} aria-hidden="true">{done ? CHECK : index + 1}</span>
                <span className={styles.name}>{title}{done && <span className="visually-hidden"> (done)</span>}</span>
                <span className={styles.status}>{words}</span>
              </a>
            </li>
          );
        })}
      </ol>
      <p className={styles.where} aria-hidden="true">
        <b>{STEPS.find(({ id }) => id === current)?.title}</b>
        <span>{stepStatus(current, pack, dataset, expert, run, sampled).words}</span>
      </p>
    </nav>
  );
}
