// The GPU as the page knows it, and failures that belong to no section (the worker itself).
import { createStore, type StoreApi } from 'zustand/vanilla';
import { ENGINE_WORKER, type EngineClient } from '../client/engineClient.ts';
import type { AdapterSummary } from '../protocol/events.ts';

export type DeviceStatus = 'opening' | 'ready' | 'unavailable' | 'lost';

export interface DeviceState {
  readonly status: DeviceStatus;
  readonly adapter?: AdapterSummary;
  /** Why there is no device, or why it went away. */
  readonly reason?: string;
  /** A sentence about the engine as a whole. */
  readonly failure?: string;
  open(): void;
  dismissFailure(): void;
}

export type DeviceStore = StoreApi<DeviceState>;

export function createDeviceStore(client: EngineClient): DeviceStore {
  const store = createStore<DeviceState>()((set) => ({
    status: 'opening',
    open: () => client.send({ type: 'engine.open' }),
    dismissFailure: () => set({ failure: undefined }),
  }));
  const knownPrefixes = ['pack.', 'data.', 'expert.', 'train.', 'test.', 'sample.', 'model.'];
  client.subscribe((event) => {
    switch (event.type) {
      case 'device.ready':
        store.setState({ status: 'ready', adapter: event.adapter, reason: undefined });
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
