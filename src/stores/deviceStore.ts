// The GPU as the page knows it, and failures that belong to no section (the worker itself).
import { createStore, type StoreApi } from 'zustand/vanilla';
import { ENGINE_WORKER, type EngineClient } from '../client/engineClient.ts';
import type { EngineChoice, EngineRequest } from '../config/engineChoice.ts';
import type { AdapterSummary, EngineFallback } from '../protocol/events.ts';

export type DeviceStatus = 'opening' | 'ready' | 'unavailable' | 'lost';

export interface DeviceState {
  readonly status: DeviceStatus;
  /** What the page's address asks for. */
  readonly engine: EngineChoice;
  readonly adapter?: AdapterSummary;
  /** Why WebAssembly computes although nobody asked for it. */
  readonly fallback?: EngineFallback;
  /** Why there is no device, or why it went away. */
  readonly reason?: string;
  /** A sentence about the engine as a whole. */
  readonly failure?: string;
  open(): void;
  dismissFailure(): void;
}

export type DeviceStore = StoreApi<DeviceState>;

/** @param request what to open, now and after a loss */
export function createDeviceStore(client: EngineClient, request: EngineRequest = {}): DeviceStore {
  const store = createStore<DeviceState>()((set) => ({
    status: 'opening',
    engine: request.engine ?? 'auto',
    open: () => client.send({ type: 'engine.open', request }),
    dismissFailure: () => set({ failure: undefined }),
  }));
  const knownPrefixes = ['pack.', 'data.', 'expert.', 'train.', 'test.', 'sample.', 'model.'];
  client.subscribe((event) => {
    switch (event.type) {
      case 'device.ready':
        store.setState({ status: 'ready', adapter: event.adapter, fallback: event.fallback, reason: undefined });
        break;
      case 'device.unavailable':
        store.setState({ status: 'unavailable', reason: event.reason });
        break;
      case 'device.lost':
        store.setState({ status: 'lost', reason: event.reason });
        break;
      case 'engine.failed':
        if (event.command === ENGINE_WORKER || !knownPrefixes.some((prefix) => event.command.startsWith(prefix))) {
          store.setState({ failure: event.message });
        }
        break;
    }
  });
  return store;
}
