// What the next run and the next race would take on the GPU, asked of the engine whenever something changes that it depends on.
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { EngineClient } from '../client/engineClient.ts';
import { lackingPart, METHOD_NAMES } from '../config/method.ts';
import { invalidRunField } from '../config/runConfig.ts';
import type { EngineCommand } from '../protocol/commands.ts';
import type { EventOf, PackSummary } from '../protocol/events.ts';
import type { ComparisonStore } from './comparisonStore.ts';
import type { DeviceStore } from './deviceStore.ts';
import type { PackStore } from './packStore.ts';
import type { RunsStore } from './runsStore.ts';

export type MemoryEstimate = Pick<EventOf<'memory.estimated'>, 'bytes' | 'problem'>;

export interface MemoryState {
  /** Undefined where there is nothing to estimate yet: no device, no pack, settings out of range. */
  readonly run?: MemoryEstimate;
  readonly race?: MemoryEstimate;
}

export type MemoryStore = StoreApi<MemoryState>;

/** The answer takes milliseconds, but typing a number changes it with every digit. */
export const ESTIMATE_DELAY = 200;

type Question = Extract<EngineCommand, { type: 'memory.estimate' }>;

export interface EstimatedStores {
  readonly device: DeviceStore;
  readonly pack: PackStore;
  readonly runs: RunsStore;
  readonly comparison: ComparisonStore;
}

export function createMemoryStore(client: EngineClient, { device, pack, runs, comparison }: EstimatedStores): MemoryStore {
  const store = createStore<MemoryState>()(() => ({}));
  const asked: Partial<Record<Question['of'], { readonly about: string; readonly pack: PackSummary; timer?: ReturnType<typeof setTimeout> }>> = {};

  const ask = (of: Question['of'], question: Question | undefined): void => {
    const present = pack.getState().pack;
    const former = asked[of];
    if (!question || !present) {
      clearTimeout(former?.timer);
      delete asked[of];
      if (store.getState()[of]) store.setState({ [of]: undefined });
      return;
    }
    const about = whatMatters(question);
    if (former?.about === about && former.pack === present) return;
    clearTimeout(former?.timer);
    asked[of] = { about, pack: present, timer: setTimeout(() => client.send(question), ESTIMATE_DELAY) };
  };

  const askAnew = (): void => {
    const { config } = runs.getState();
    const present = pack.getState().pack;
    const canAsk = device.getState().status === 'ready' && present !== undefined && invalidRunField(config) === undefined && config.seqLen <= present.model.maxPositionEmbeddings;
    const { chosen, choices } = comparison.getState();
    const methods = METHOD_NAMES.filter((method) => chosen.has(method) && present && !lackingPart(choices[method], present.optional)).map((method) => choices[method]);
    ask('run', canAsk ? { type: 'memory.estimate', of: 'run', config } : undefined);
    ask('race', canAsk && methods.length > 0 ? { type: 'memory.estimate', of: 'race', config, methods } : undefined);
  };
  for (const observed of [device, pack, runs, comparison]) observed.subscribe(askAnew);

  client.subscribe((event) => {
    if (event.type !== 'memory.estimated' || !asked[event.of]) return;
    const { bytes, problem } = event;
    store.setState({ [event.of]: { bytes, problem } });
  });
  return store;
}

/** Two questions with the same text have the same answer. */
function whatMatters(question: Question): string {
  const { batchSize, seqLen, gradientAccumulation, recomputeActivations } = question.config;
  return JSON.stringify([batchSize, seqLen, gradientAccumulation, recomputeActivations, question.of === 'race' ? question.methods : []]);
}
