// Hands the stores to every panel.
import { createContext, use } from 'react';
import type { Studio } from '../stores/studio.ts';

export const StudioContext = createContext<Studio | undefined>(undefined);

export function useStudio(): Studio {
  const studio = use(StudioContext);
  if (!studio) throw new Error('useStudio needs a StudioContext above it.');
  return studio;
}
