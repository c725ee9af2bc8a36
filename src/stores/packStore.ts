// The pretrained pack: loading, what it is, and its cache. A failed load leaves the former pack in place.
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { EngineClient } from '../client/engineClient.ts';
import type { NamedFile, PackSource } from '../protocol/commands.ts';
import type { EventOf, PackSummary } from '../protocol/events.ts';
import { commandFailure } from './engineFailure.ts';

export type PackProgress = Omit<EventOf<'pack.progress'>, 'type'>;

export interface PackState {
  readonly loading: boolean;
  readonly pack?: PackSummary;
  readonly progress?: PackProgress;
  readonly error?: string;
  /** Bytes freed by the last clearing of the cache, until the next load. */
  readonly clearedBytes?: number;
  loadFiles(files: readonly NamedFile[]): void;
  /** `address` may be relative to `base`; a pack's folder, with or without the slash. */
  loadAddress(address: string, base: string): void;
  clearCache(): void;
}

export type PackStore = StoreApi<PackState>;

/** The absolute address of a pack's folder, ending in a slash; undefined when `address` is none. */
export function packAddress(address: string, base: string): string | undefined {
  const trimmed = address.trim();
  if (trimmed === '' || !URL.canParse(trimmed, base)) return undefined;
  const url = new URL(trimmed, base);
  if (url.pathname.endsWith('/pack.json')) url.pathname = url.pathname.slice(0, -'pack.json'.length);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

export function createPackStore(client: EngineClient): PackStore {
  const store = createStore<PackState>()((set) => {
    const load = (source: PackSource): void => {
      set({ loading: true, progress: undefined, error: undefined, clearedBytes: undefined });
      client.send({ type: 'pack.load', source });
    };
    return {
      loading: false,
      loadFiles: (files) => load({ kind: 'files', files }),
      loadAddress: (address, base) => {
        const url = packAddress(address, base);
        if (url) load({ kind: 'url', url });
        else set({ error: `“${address}” is not an address: give the folder of a pack, for example packs/nano/.` });
      },
      clearCache: () => client.send({ type: 'pack.clearCache' }),
    };
  });
  client.subscribe((event) => {
    switch (event.type) {
      case 'pack.progress': {
        const { file, bytesLoaded, bytesTotal, fromCache } = event;
        store.setState({ progress: { file, bytesLoaded, bytesTotal, fromCache } });
        break;
      }
      case 'pack.loaded':
        store.setState({ loading: false, pack: event.pack, progress: undefined, error: undefined });
        break;
      case 'pack.failed':
        store.setState({ loading: false, progress: undefined, error: event.message });
        break;
      case 'pack.cacheCleared':
        store.setState({ clearedBytes: event.bytes });
        break;
      default: {
        const failure = commandFailure(event, 'pack.');
        if (failure) store.setState({ loading: false, progress: undefined, error: failure.error });
      }
    }
  });
  return store;
}
