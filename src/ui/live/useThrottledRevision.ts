// Tells a chart when to redraw: at most once per interval, only while it can be seen, and a little after the event, each chart by its
// own delay, so that one event never redraws several charts in one task. Rendering runs as a transition, so that React yields to input.
import { startTransition, useEffect, useState } from 'react';
import type { MetricsStore } from '../../stores/metricsStore.ts';

export interface RedrawPace {
  /** Milliseconds between two redraws. */
  readonly interval: number;
  /** Milliseconds from an event to the redraw it causes. */
  readonly delay: number;
}

/** The revision to draw. */
export function useThrottledRevision(metrics: MetricsStore, { interval, delay }: RedrawPace, visible: boolean): number {
  const [revision, setRevision] = useState(() => metrics.getState().revision);
  useEffect(() => {
    if (!visible) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let lastDrawn = -Infinity;
    const draw = (): void => {
      timer = undefined;
      lastDrawn = performance.now();
      startTransition(() => setRevision(metrics.getState().revision));
    };
    const schedule = (): void => {
      timer ??= setTimeout(draw, Math.max(delay, lastDrawn + interval - performance.now()));
    };
    schedule();
    const unsubscribe = metrics.subscribe(schedule);
    return () => {
      unsubscribe();
      clearTimeout(timer);
    };
  }, [metrics, interval, delay, visible]);
  return revision;
}
