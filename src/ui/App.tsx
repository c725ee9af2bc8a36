// The page: what the studio is, what stands in the way (if anything), and the eight steps beside their rail.
import { useEffect, useLayoutEffect } from 'react';
import { useStore } from 'zustand';
import type { Studio } from '../stores/studio.ts';
import './styles/tokens.css';
import './styles/base.css';
import styles from './App.module.css';
import { preloadCharts } from './charts/lazyCharts.ts';
import { StudioContext } from './StudioContext.ts';
import { EngineNotices } from './frame/EngineNotices.tsx';
import { Hero } from './frame/Hero.tsx';
import { ProgressRail } from './frame/ProgressRail.tsx';
import { TopBar } from './frame/TopBar.tsx';
import { ComparePanel } from './compare/ComparePanel.tsx';
import { DataPanel } from './panels/DataPanel.tsx';
import { ExpertPanel } from './panels/ExpertPanel.tsx';
import { ExportPanel } from './panels/ExportPanel.tsx';
import { PackPanel } from './panels/PackPanel.tsx';
import { ResultPanel } from './panels/ResultPanel.tsx';
import { SamplePanel } from './panels/SamplePanel.tsx';
import { TrainPanel } from './panels/TrainPanel.tsx';

/** A file dropped beside a drop zone would make the browser leave the page, and a run with it. */
function useHarmlessDrops(): void {
  useEffect(() => {
    const prevent = (event: Event): void => event.preventDefault();
    window.addEventListener('dragover', prevent);
    window.addEventListener('drop', prevent);
    return () => {
      window.removeEventListener('dragover', prevent);
      window.removeEventListener('drop', prevent);
    };
  }, []);
}

export function App({ studio }: { studio: Studio }) {
  const theme = useStore(studio.theme, (state) => state.theme);
  useLayoutEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  useHarmlessDrops();
  const hasPack = useStore(studio.pack, (state) => state.pack !== undefined);
  useEffect(() => {
    if (hasPack) preloadCharts();
  }, [hasPack]);

  return (
    <StudioContext value={studio}>
      <a className={styles.skip} href="#pack">Skip to the first step</a>
      <TopBar />
      <div className={styles.page}>
        <Hero />
        <EngineNotices />
        <div className={styles.layout}>
          <ProgressRail />
          <main className={styles.steps}>
            <PackPanel />
            <DataPanel />
            <ExpertPanel />
            <TrainPanel />
            <ResultPanel />
            <SamplePanel />
            <ExportPanel />
            <ComparePanel />
          </main>
        </div>
        <footer className={styles.footer}>
          <p>
            The method is that of Grangier, Katharopoulos, Ablin and Hannun, “Need a Small Specialized Language Model? Plan Early!”,
            arXiv 2402.01093. This page’s security policy forbids it to talk to any other address than the one it came from.
          </p>
        </footer>
      </div>
    </StudioContext>
  );
}
