// Gathers the few facts that decide which steps can be used, from the stores.
import { useStore } from 'zustand';
import { useStudio } from './StudioContext.ts';
import { waitsFor, type StudioFacts } from './availability.ts';
import type { StepId } from './steps.ts';

export function useStudioFacts(): StudioFacts {
  const studio = useStudio();
  return {
    device: useStore(studio.device, (state) => state.status),
    hasPack: useStore(studio.pack, (state) => state.pack !== undefined),
    hasData: useStore(studio.dataset, (state) => state.summary !== undefined),
    hasProjection: useStore(studio.expert, (state) => state.projected !== undefined),
    run: useStore(studio.runs, (state) => state.run),
  };
}

export function useWaitsFor(step: StepId): string | undefined {
  return waitsFor(step, useStudioFacts());
}
