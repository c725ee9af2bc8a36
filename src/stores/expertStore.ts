// Which pretrained expert fits the text, and the model it projects to. Everything here belongs to one data set and one pack: a new one
// clears it and asks for a fresh histogram.
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { EngineClient } from '../client/engineClient.ts';
import { DEFAULT_FITTED_STEPS, DEFAULT_STRATEGY, type ExpertStrategy } from '../config/runConfig.ts';
import type { EventOf } from '../protocol/events.ts';
import { commandFailure } from './engineFailure.ts';

export type ExpertActivity = 'idle' | 'analyzing' | 'projecting';

export interface ExpertProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

export interface ExpertState {
  readonly activity: ExpertActivity;
  readonly progress?: ExpertProgress;
  readonly analysis?: EventOf<'expert.analyzed'>;
  readonly chosen?: EventOf<'expert.chosen'>;
  readonly projected?: EventOf<'model.projected'>;
  readonly error?: string;
  readonly strategy: ExpertStrategy;
  /** The user's own choice of a cluster; undefined leaves it to the strategy. */
  readonly cluster?: number;
  readonly fittedSteps: number;
  setStrategy(strategy: ExpertStrategy): void;
  setCluster(cluster: number | undefined): void;
  setFittedSteps(steps: number): void;
  project(): void;
  cancel(): void;
}

export type ExpertStore = StoreApi<ExpertState>;

export const FITTED_STEPS_RANGE = { label: 'Fitting steps', min: 1, max: 1000, step: 1 } as const;

export function createExpertStore(client: EngineClient): ExpertStore {
  const store = createStore<ExpertState>()((set, get) => ({
    activity: 'idle',
    strategy: DEFAULT_STRATEGY,
    fittedSteps: DEFAULT_FITTED_STEPS,
    setStrategy: (strategy) => set({ strategy }),
    setCluster: (cluster) => set({ cluster }),
    setFittedSteps: (fittedSteps) => set({ fittedSteps }),
    project: () => {
      const { strategy, cluster, fittedSteps } = get();
      set({ activity: 'projecting', progress: undefined, chosen: undefined, projected: undefined, error: undefined });
      client.send({
        type: 'expert.project',
        choice: { strategy, ...(cluster === undefined ? {} : { cluster }), ...(strategy === 'fitted' ? { fittedSteps } : {}) },
      });
    },
    cancel: () => client.send({ type: 'expert.cancel' }),
  }));
  const forget = { activity: 'idle', progress: undefined, analysis: undefined, chosen: undefined, projected: undefined, error: undefined } as const;

  client.subscribe((event) => {
    switch (event.type) {
      case 'pack.loaded':
        store.setState({ ...forget, cluster: undefined });
        break;
      case 'data.loaded':
        store.setState({ ...forget, cluster: undefined, activity: 'analyzing' });
        client.send({ type: 'expert.analyze' });
        break;
      case 'expert.analyzed':
        // While projecting, a histogram is a step on the way and not the end of it.
        store.setState(({ activity }) => ({
          analysis: event,
          ...(activity === 'analyzing' ? { activity: 'idle' as const, progress: undefined } : {}),
        }));
        break;
      case 'expert.progress':
        store.setState({ progress: { stage: event.stage, done: event.done, total: event.total } });
        break;
      case 'expert.chosen':
        store.setState({ chosen: event });
        break;
      case 'model.projected':
        store.setState({ activity: 'idle', progress: undefined, projected: event });
        break;
      case 'expert.failed':
        store.setState({ activity: 'idle', progress: undefined, error: event.message });
        break;
      case 'expert.cancelled':
        store.setState({ activity: 'idle', progress: undefined });
        break;
      case 'device.lost':
        store.setState({ activity: 'idle', progress: undefined });
        break;
      default: {
        const failure = commandFailure(event, 'expert.');
        if (failure) store.setState({ activity: 'idle', progress: undefined, error: failure.error });
      }
    }
  });
  return store;
}
