// A number that changes faster than React should render: written straight into its text node, a few times a second.
import { useEffect, useRef } from 'react';
import type { MetricsState } from '../../stores/metricsStore.ts';
import { useStudio } from '../StudioContext.ts';

/** Milliseconds between two writes. */
const WRITE_INTERVAL = 200;

interface LiveTextProps {
  /** Must keep its identity between renders (a function of module scope). */
  read(metrics: MetricsState): string;
  testId?: string;
}

export function LiveText({ read, testId }: LiveTextProps) {
  const { metrics } = useStudio();
  const span = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const write = (): void => {
      timer = undefined;
      const text = read(metrics.getState());
      if (span.current && span.current.textContent !== text) span.current.textContent = text;
    };
    write();
    const unsubscribe = metrics.subscribe(() => {
      timer ??= setTimeout(write, WRITE_INTERVAL);
    });
    return () => {
      unsubscribe();
      clearTimeout(timer);
    };
  }, [metrics, read]);
  return <span ref={span} data-testid={testId} />;
}
