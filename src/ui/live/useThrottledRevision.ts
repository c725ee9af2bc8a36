// Tells a chart when to redraw: at most once per interval, and only while it can be seen. Rendering runs as a transition, so that React
// yields to input between components.
import { startTransition, useEffect, useState } from 'react';
import type { MetricsStore } from '../../stores/metricsStore.ts';

/** The revision to draw. `interval` in milliseconds. */
export function useThrottledRevision(metrics: MetricsStore, interval: number, visible: boolean): number {
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
      timer ??= setTimeout(draw, Math.max(0, lastDrawn + interval - performance.now()));
    };
    schedule();
    const unsubscribe = metrics.subscribe(schedule);
    return () => {
      unsubscribe();
      clearTimeout(timer);
    };
  }, [metrics, interval, visible]);
  return revision;
}
