// All stores around one engine. The order matters in one place: stores that forget on new data do so before anything is sent anew.
import { openEngine, type EngineClient } from '../client/engineClient.ts';
import { BUNDLED_PACKS } from '../config/bundledPacks.ts';
import { engineRequestOf, type EngineRequest } from '../config/engineChoice.ts';
import { createComparisonStore, type ComparisonStore } from './comparisonStore.ts';
import { createDatasetStore, type DatasetStore } from './datasetStore.ts';
import { createDeviceStore, type DeviceStore } from './deviceStore.ts';
import { createExpertStore, type ExpertStore } from './expertStore.ts';
import { createMemoryStore, type MemoryStore } from './memoryStore.ts';
import { createMetricsStore, type MetricsStore } from './metricsStore.ts';
import { createPackStore, type PackStore } from './packStore.ts';
import { createRunsStore, type RunsStore } from './runsStore.ts';
import { createSamplesStore, type SamplesStore } from './samplesStore.ts';
import { browserSurroundings, createThemeStore, type ThemeStore, type ThemeSurroundings } from './themeStore.ts';

export interface Studio {
  readonly device: DeviceStore;
  readonly pack: PackStore;
  readonly dataset: DatasetStore;
  readonly expert: ExpertStore;
  readonly runs: RunsStore;
  readonly metrics: MetricsStore;
  readonly memory: MemoryStore;
  readonly comparison: ComparisonStore;
  readonly samples: SamplesStore;
  readonly theme: ThemeStore;
}

export function createStudio(client: EngineClient, surroundings: ThemeSurroundings, request: EngineRequest = {}): Studio {
  const metrics = createMetricsStore(client);
  const runs = createRunsStore(client);
  const samples = createSamplesStore(client);
  const expert = createExpertStore(client);
  const device = createDeviceStore(client, request);
  const pack = createPackStore(client);
  const dataset = createDatasetStore(client);
  const comparison = createComparisonStore(client, runs);
  return {
    device,
    pack,
    dataset,
    expert,
    runs,
    metrics,
    memory: createMemoryStore(client, { device, pack, runs, comparison }),
    comparison,
    samples,
    theme: createThemeStore(surroundings),
  };
}

/** The studio of this page: starts the engine's worker, opens the device (the one its address names, if it does) and loads the pack served beside the page. */
export function openStudio(): Studio {
  const studio = createStudio(openEngine(), browserSurroundings(), engineRequestOf(location.search));
  studio.device.getState().open();
  studio.comparison.getState().list();
  studio.pack.getState().loadAddress(BUNDLED_PACKS[0].address, document.baseURI);
  return studio;
}
