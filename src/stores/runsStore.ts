// The settings of the next run, and the current run's state, result and export. Fast numbers live in metricsStore.
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { EngineClient } from '../client/engineClient.ts';
import { DEFAULT_RUN_CONFIG, invalidRunField, PRESETS, presetForTokens, type PresetName, type RunConfig } from '../config/runConfig.ts';
import type { EventOf, MemoryOffer, TestFigure, TrainState } from '../protocol/events.ts';
import { commandFailure } from './engineFailure.ts';

export interface ExportedModel {
  readonly file: Blob;
  readonly fileName: string;
}

export interface Run {
  readonly runId: string;
  readonly config: RunConfig;
  readonly state: 'starting' | TrainState;
  readonly started?: EventOf<'train.started'>;
  readonly finished?: EventOf<'train.finished'>;
  readonly error?: string;
  /** A failed run whose best weights, of this step, the engine still holds. */
  readonly keptStep?: number;
  readonly testProgress?: EventOf<'test.progress'>;
  readonly figures?: readonly TestFigure[];
  readonly testError?: string;
  readonly exporting: boolean;
  readonly exported?: ExportedModel;
  readonly exportError?: string;
}

export interface RunsState {
  readonly config: RunConfig;
  readonly preset: PresetName;
  readonly run?: Run;
  /** Why a run could not be started. */
  readonly error?: string;
  /** Gentler settings for the run that did not fit the GPU, until settings are changed or a run is started. */
  readonly offer?: MemoryOffer;
  changeConfig(change: Partial<RunConfig>): void;
  choosePreset(name: PresetName): void;
  start(): void;
  /** Takes the offered settings over and starts a run with them. */
  acceptOffer(): void;
  pause(): void;
  /** One step of a paused run; without a run, starts one paused and takes its first step. */
  step(): void;
  resume(): void;
  stop(): void;
  evaluateTest(): void;
  exportModel(): void;
}

export type RunsStore = StoreApi<RunsState>;

/** Whether the engine holds fine-tuned weights of this run. */
export const hasModel = (run: Pick<Run, 'state' | 'keptStep'> | undefined): boolean => run?.state === 'finished' || run?.keptStep !== undefined;

export const isActive = (run: Run | undefined): boolean => run?.state === 'starting' || run?.state === 'running' || run?.state === 'paused';

export function createRunsStore(client: EngineClient): RunsStore {
  let runsStarted = 0;
  // A step asked for before the run is ready for it.
  let stepWhenPaused = false;

  const store = createStore<RunsState>()((set, get) => {
    const start = (paused: boolean): void => {
      const { config, run } = get();
      if (isActive(run)) return;
      const error = invalidRunField(config);
      set({ error, offer: undefined });
      if (error) return;
      const runId = `run-${Date.now().toString(36)}-${++runsStarted}`;
      set({ run: { runId, config, state: 'starting', exporting: false } });
      client.send({ type: 'train.start', runId, config, ...(paused ? { paused } : {}) });
    };
    const withRun = (act: (runId: string) => void): void => {
      const { run } = get();
      if (run) act(run.runId);
    };
    return {
      config: { ...DEFAULT_RUN_CONFIG, ...PRESETS[0].config },
      preset: PRESETS[0].name,
      changeConfig: (change) => set({ config: { ...get().config, ...change }, offer: undefined }),
      choosePreset: (name) => {
        const preset = PRESETS.find((candidate) => candidate.name === name);
        if (preset) set({ preset: name, config: { ...get().config, ...preset.config }, offer: undefined });
      },
      start: () => start(false),
      acceptOffer: () => {
        const { offer, changeConfig } = get();
        if (!offer) return;
        changeConfig(offer.settings);
        start(false);
      },
      pause: () => withRun((runId) => client.send({ type: 'train.pause', runId })),
      step: () => {
        if (isActive(get().run)) withRun((runId) => client.send({ type: 'train.step', runId }));
        else {
          stepWhenPaused = true;
          start(true);
          if (!isActive(get().run)) stepWhenPaused = false;
        }
      },
      resume: () => withRun((runId) => client.send({ type: 'train.resume', runId })),
      stop: () => withRun((runId) => client.send({ type: 'train.stop', runId })),
      evaluateTest: () => withRun((runId) => {
        changeRun(runId, { testError: undefined });
        client.send({ type: 'test.evaluate', runId });
      }),
      exportModel: () => withRun((runId) => {
        changeRun(runId, { exporting: true, exportError: undefined });
        client.send({ type: 'model.export', runId });
      }),
    };
  });

  function changeRun(runId: string, change: Partial<Run>): void {
    store.setState(({ run }) => (run?.runId === runId ? { run: { ...run, ...change } } : {}));
  }

  client.subscribe((event) => {
    const { run } = store.getState();
    switch (event.type) {
      case 'pack.loaded': {
        const context = event.pack.model.maxPositionEmbeddings;
        store.setState(({ config }) => ({ run: undefined, error: undefined, offer: undefined, config: { ...config, seqLen: Math.min(config.seqLen, context) } }));
        break;
      }
      case 'data.loaded': {
        const preset = presetForTokens(event.data.splits.train.tokens);
        // The user's own settings survive a new split; a text of another size brings that size's preset.
        store.setState(({ config, preset: former }) => ({
          run: undefined,
          error: undefined,
          offer: undefined,
          ...(preset.name === former ? {} : { preset: preset.name, config: { ...config, ...preset.config } }),
        }));
        break;
      }
      case 'model.projected':
        store.setState({ run: undefined, error: undefined, offer: undefined });
        break;
      case 'train.started':
        changeRun(event.runId, { started: event, config: event.config });
        break;
      case 'train.state':
        changeRun(event.runId, { state: event.state });
        if (event.state === 'paused' && stepWhenPaused && run?.runId === event.runId) {
          stepWhenPaused = false;
          client.send({ type: 'train.step', runId: event.runId });
        }
        break;
      case 'train.finished':
        changeRun(event.runId, { finished: event, state: 'finished' });
        break;
      case 'train.failed':
        stepWhenPaused = false;
        changeRun(event.runId, { state: 'failed', error: event.message, keptStep: event.keptStep });
        if (run?.runId === event.runId) store.setState({ offer: event.offer });
        break;
      case 'test.progress':
        changeRun(event.runId, { testProgress: event });
        break;
      case 'test.evaluated':
        changeRun(event.runId, { figures: event.figures, testProgress: undefined, testError: undefined });
        break;
      case 'model.exported':
        changeRun(event.runId, { exporting: false, exported: { file: event.file, fileName: event.fileName } });
        break;
      case 'model.exportFailed':
        changeRun(event.runId, { exporting: false, exportError: event.message });
        break;
      case 'device.lost':
        if (run) {
          changeRun(run.runId, {
            exporting: false,
            testProgress: undefined,
            ...(isActive(run) ? { state: 'failed' as const, error: 'The run ended because the browser took the GPU, or the engine that stands in for it, away.' } : {}),
          });
        }
        break;
      case 'engine.failed':
        if (!run) break;
        applyFailure(run, event);
        break;
    }
  });

  function applyFailure(run: Run, event: EventOf<'engine.failed'>): void {
    const training = commandFailure(event, 'train.');
    if (training) {
      stepWhenPaused = false;
      // A refused pause or step leaves the run as it is; a refused start, or a dead worker, ends it.
      const ends = isActive(run) && (event.command === 'train.start' || training.error === undefined);
      changeRun(run.runId, { error: training.error ?? run.error, ...(ends ? { state: 'failed' as const } : {}) });
    }
    const testing = commandFailure(event, 'test.');
    if (testing) changeRun(run.runId, { testProgress: undefined, testError: testing.error });
    const exporting = commandFailure(event, 'model.');
    if (exporting) changeRun(run.runId, { exporting: false, exportError: exporting.error });
  }
  return store;
}
