// The user's text: what was given, how it is split, what came of it. Keeps the last sources so that another field, or another pack with
// another tokenizer, can read them again. A cancelled or failed load leaves the former summary in place.
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { EngineClient } from '../client/engineClient.ts';
import { DATA_RANGES, DEFAULT_DATA_CONFIG, type DataConfig } from '../config/dataConfig.ts';
import type { DataSource, NamedFile } from '../protocol/commands.ts';
import type { DataSummary, DocumentPreview, EventOf, FieldChoice } from '../protocol/events.ts';
import { commandFailure } from './engineFailure.ts';

export type DataProgress = Omit<EventOf<'data.progress'>, 'type'>;

export interface DatasetState {
  readonly loading: boolean;
  readonly progress?: DataProgress;
  readonly summary?: DataSummary;
  readonly preview?: DocumentPreview;
  readonly error?: string;
  /** Structured files of a load that failed for want of a text field, so that the user can choose one. */
  readonly failedFields?: readonly FieldChoice[];
  readonly config: DataConfig;
  readonly sources: readonly DataSource[];
  loadFiles(files: readonly NamedFile[]): void;
  loadText(text: string): void;
  /** `url` is absolute; `path` is the name shown. */
  loadAddress(path: string, url: string): void;
  cancel(): void;
  /** Shares and seed split the documents again; the threshold needs the files read again. Out-of-range values wait for a valid one. */
  changeConfig(change: Partial<Omit<DataConfig, 'fields'>>): void;
  chooseField(path: string, field: string): void;
  showDocument(document: number): void;
}

export type DatasetStore = StoreApi<DatasetState>;

/** Milliseconds without a further change before the documents are split again. */
export const RESPLIT_DELAY = 400;

/** One sentence naming the first value of a data configuration that is out of range, or undefined. */
export function invalidDataField(config: DataConfig): string | undefined {
  for (const [key, range] of Object.entries(DATA_RANGES)) {
    const value = config[key as keyof typeof DATA_RANGES];
    if (!(value >= range.min && value <= range.max)) return `${range.label} must be between ${range.min} and ${range.max}, not ${value}.`;
  }
  return Number.isInteger(config.seed) ? undefined : `${DATA_RANGES.seed.label} must be a whole number, not ${config.seed}.`;
}

export function createDatasetStore(client: EngineClient): DatasetStore {
  let timer: ReturnType<typeof setTimeout> | undefined;

  const store = createStore<DatasetState>()((set, get) => {
    const send = (): void => {
      clearTimeout(timer);
      set({ loading: true, progress: undefined, error: undefined, failedFields: undefined });
      client.send({ type: 'data.load', sources: get().sources, config: get().config });
    };
    const load = (sources: readonly DataSource[]): void => {
      if (sources.length === 0) {
        set({ error: 'Nothing to read was found in what you dropped.' });
        return;
      }
      // Fields were chosen for the former files.
      set({ sources, config: { ...get().config, fields: {} } });
      send();
    };
    return {
      loading: false,
      config: DEFAULT_DATA_CONFIG,
      sources: [],
      loadFiles: (files) => load(files.map(({ path, file }) => ({ kind: 'file', path, file }))),
      loadText: (text) => load([{ kind: 'text', path: 'pasted text', text }]),
      loadAddress: (path, url) => load([{ kind: 'url', path, url }]),
      cancel: () => client.send({ type: 'data.cancel' }),
      changeConfig: (change) => {
        set({ config: { ...get().config, ...change } });
        clearTimeout(timer);
        if (get().sources.length === 0 || invalidDataField(get().config)) return;
        timer = setTimeout(() => {
          if (change.nearDuplicateThreshold !== undefined) send();
          else client.send({ type: 'data.resplit', config: get().config });
        }, RESPLIT_DELAY);
      },
      chooseField: (path, field) => {
        set({ config: { ...get().config, fields: { ...get().config.fields, [path]: field } } });
        send();
      },
      showDocument: (document) => client.send({ type: 'data.preview', document }),
    };
  });

  client.subscribe((event) => {
    switch (event.type) {
      case 'pack.loaded':
        // Tokens belong to a tokenizer: another pack reads the text again.
        if (store.getState().sources.length > 0) {
          store.setState({ loading: true, summary: undefined, preview: undefined, progress: undefined, error: undefined });
          client.send({ type: 'data.load', sources: store.getState().sources, config: store.getState().config });
        }
        break;
      case 'data.progress': {
        const { stage, path, bytesRead, bytesTotal, documents } = event;
        store.setState({ progress: { stage, path, bytesRead, bytesTotal, documents } });
        break;
      }
      case 'data.loaded':
        store.setState({ loading: false, progress: undefined, summary: event.data, preview: event.preview, error: undefined, failedFields: undefined });
        break;
      case 'data.failed':
        store.setState({ loading: false, progress: undefined, error: event.message, failedFields: event.fields });
        break;
      case 'data.cancelled':
        store.setState({ loading: false, progress: undefined });
        break;
      case 'data.previewed':
        store.setState({ preview: event.preview });
        break;
      default: {
        const failure = commandFailure(event, 'data.');
        if (failure) store.setState({ loading: false, progress: undefined, error: failure.error });
      }
    }
  });
  return store;
}
