// Two completions of one prompt, streamed side by side. Tokens of an older sample are ignored.
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { EngineClient } from '../client/engineClient.ts';
import { DEFAULT_SAMPLE_CONFIG, type SampleConfig } from '../config/sampleConfig.ts';
import { commandFailure } from './engineFailure.ts';

export const SAMPLED_MODELS = ['projected', 'fineTuned'] as const;
export type SampledModel = (typeof SAMPLED_MODELS)[number];

export interface Completion {
  readonly text: string;
  readonly tokens: number;
  readonly finished: boolean;
  readonly tokensPerSecond?: number;
}

/** What the page's fields accept. */
export const SAMPLE_RANGES = {
  maxTokens: { label: 'Tokens', min: 1, max: 1024, step: 1, help: 'How many tokens each model may write.' },
  temperature: { label: 'Temperature', min: 0, max: 2, step: 0.05, help: '0 always takes the most likely token; higher is bolder.' },
  topP: { label: 'Top-p', min: 0.05, max: 1, step: 0.05, help: 'Only the likeliest tokens that together reach this probability.' },
  seed: { label: 'Seed', min: 0, max: 2 ** 31 - 1, step: 1, help: 'The same seed writes the same text.' },
} as const;

export interface SamplesState {
  readonly config: SampleConfig;
  readonly sampleId?: string;
  /** The prompt of the running or last sample. */
  readonly prompt: string;
  readonly running: boolean;
  readonly completions: Readonly<Record<SampledModel, Completion>>;
  readonly error?: string;
  changeConfig(change: Partial<SampleConfig>): void;
  start(): void;
  stop(): void;
}

export type SamplesStore = StoreApi<SamplesState>;

const EMPTY: Completion = { text: '', tokens: 0, finished: false };
const NOTHING: SamplesState['completions'] = { projected: EMPTY, fineTuned: EMPTY };

/** One sentence naming the first value that is out of range, or undefined. */
export function invalidSampleField(config: SampleConfig): string | undefined {
  for (const [key, range] of Object.entries(SAMPLE_RANGES)) {
    const value = config[key as keyof typeof SAMPLE_RANGES];
    if (!(value >= range.min && value <= range.max)) return `${range.label} must be between ${range.min} and ${range.max}, not ${value}.`;
    if (range.step === 1 && !Number.isInteger(value)) return `${range.label} must be a whole number, not ${value}.`;
  }
  return undefined;
}

export function createSamplesStore(client: EngineClient): SamplesStore {
  let samplesStarted = 0;
  const store = createStore<SamplesState>()((set, get) => ({
    config: DEFAULT_SAMPLE_CONFIG,
    prompt: '',
    running: false,
    completions: NOTHING,
    changeConfig: (change) => set({ config: { ...get().config, ...change } }),
    start: () => {
      const { config, running } = get();
      if (running) return;
      const error = invalidSampleField(config);
      set({ error });
      if (error) return;
      const sampleId = `sample-${++samplesStarted}`;
      set({ sampleId, prompt: config.prompt, running: true, completions: NOTHING });
      client.send({ type: 'sample.start', sampleId, config });
    },
    stop: () => {
      const { sampleId, running } = get();
      if (!sampleId || !running) return;
      set({ running: false });
      client.send({ type: 'sample.stop', sampleId });
    },
  }));

  const change = (sampleId: string, model: SampledModel, update: (former: Completion) => Completion): void => {
    store.setState((state) => {
      if (state.sampleId !== sampleId) return {};
      const completions = { ...state.completions, [model]: update(state.completions[model]) };
      const running = state.running && !SAMPLED_MODELS.every((name) => completions[name].finished);
      return { completions, running };
    });
  };

  client.subscribe((event) => {
    switch (event.type) {
      case 'sample.text':
        change(event.sampleId, event.model, (former) => ({ ...former, text: former.text + event.text, tokens: event.tokens }));
        break;
      case 'sample.finished':
        change(event.sampleId, event.model, (former) => ({
          ...former, finished: true, tokens: event.tokens, tokensPerSecond: event.tokensPerSecond,
        }));
        break;
      case 'sample.failed':
        if (event.sampleId === store.getState().sampleId) store.setState({ running: false, error: event.message });
        break;
      // Text of other weights than those on the page would mislead.
      case 'model.projected':
      case 'train.started':
      case 'data.loaded':
      case 'pack.loaded':
        store.setState({ sampleId: undefined, running: false, completions: NOTHING, error: undefined });
        break;
      case 'device.lost':
        store.setState({ running: false });
        break;
      default: {
        const failure = commandFailure(event, 'sample.');
        if (failure) store.setState({ running: false, error: failure.error });
      }
    }
  });
  return store;
}
