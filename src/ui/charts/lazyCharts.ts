// Brings in the charts, and recharts with them, apart from the first script. preloadCharts does it while nothing else is going on, so
// that no time is lost to it once training runs.
import { lazy } from 'react';

const importPerplexityChart = () => import('./PerplexityChart.tsx');
const importSmallChart = () => import('./SmallChart.tsx');

const importCompareChart = () => import('../compare/CompareChart.tsx');
const importScalingChart = () => import('../compare/ScalingChart.tsx');

export const LazyPerplexityChart = lazy(async () => ({ default: (await importPerplexityChart()).PerplexityChart }));
export const LazySmallChart = lazy(async () => ({ default: (await importSmallChart()).SmallChart }));

export const LazyCompareChart = lazy(async () => ({ default: (await importCompareChart()).CompareChart }));
export const LazyScalingChart = lazy(async () => ({ default: (await importScalingChart()).ScalingChart }));

export function preloadCharts(): void {
  const load = (): void => {
    // A chart that cannot be loaded now is asked for again when it is drawn.
    Promise.all([importPerplexityChart(), importSmallChart()]).catch(() => undefined);
  };
  if ('requestIdleCallback' in window) window.requestIdleCallback(load, { timeout: 3000 });
  else setTimeout(load, 500);
}
