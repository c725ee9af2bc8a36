// The runs kept in this browser, those that go on now, and the next race's settings.
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { EngineClient } from '../client/engineClient.ts';
import { DEFAULT_CHOICES, METHOD_NAMES, type MethodChoice, type MethodName } from '../config/method.ts';
import type { RunBudget } from '../config/runBudget.ts';
import type { RunRecord } from '../config/runRecord.ts';
import { formatPercent } from '../core/format.ts';
import type { EngineCommand } from '../protocol/commands.ts';
import type { EventOf, RefusedRuns } from '../protocol/events.ts';
import { commandFailure } from './engineFailure.ts';
import type { RunsStore } from './runsStore.ts';

export interface ComparisonState {
  /** The newest first. Undefined before they were listed. */
  readonly runs?: readonly RunRecord[];
  /** Last step of each run that goes on. */
  readonly live: ReadonlyMap<string, EventOf<'run.stepped'>>;
  /** What a run is at where it is not training: choosing an expert, fetching a model. */
  readonly progress: ReadonlyMap<string, EventOf<'run.progress'>>;
  readonly storedBytes?: number;
  /** Why a request was not met, or something could not be stored. */
  readonly error?: string;
  /** Runs that did not fit the GPU where gentler settings do, until something else is asked for. */
  readonly refused?: RefusedRuns;
  readonly choices: { readonly [M in MethodName]: MethodChoice };
  /** Methods of the next race. */
  readonly chosen: ReadonlySet<MethodName>;
  readonly budget: RunBudget;
  /** Runs on the chart and in the table. */
  readonly compared: ReadonlySet<string>;
  readonly exported?: EventOf<'run.exported'>;
  list(): void;
  toggleMethod(method: MethodName): void;
  changeChoice(choice: MethodChoice): void;
  changeBudget(budget: RunBudget): void;
  startRace(): void;
  /** Trains this method on nested parts of the training text side by side, with the settings of step 4. @param shares above 0, at most 1 */
  startScaling(method: MethodName, shares: readonly number[]): void;
  /** Starts the refused runs, or takes them up again, with the offered settings; a race brings them to step 4, whose settings it has. */
  acceptOffer(): void;
  /** Starts a run of the same method and settings again. */
  repeat(runId: string): void;
  takeUp(runIds: readonly string[]): void;
  pause(runIds: readonly string[]): void;
  resume(runIds: readonly string[]): void;
  stop(runIds: readonly string[]): void;
  rename(runId: string, name: string): void;
  remove(runId: string): void;
  exportRun(runId: string): void;
  importRun(file: Blob, fileName: string): void;
  toggleCompared(runId: string): void;
}

type RunsStart = Extract<EngineCommand, { type: 'runs.start' }>;

export type ComparisonStore = StoreApi<ComparisonState>;

/** Enough to see curves part on the nano pack, a few minutes on a CPU. */
const DEFAULT_BUDGET: RunBudget = { unit: 'tokens', amount: 50_000 };

export const isActiveRun = ({ state }: RunRecord): boolean => state === 'running' || state === 'paused';

/** @param settings whose settings a race takes over: those of the training panel */
export function createComparisonStore(client: EngineClient, settings: RunsStore): ComparisonStore {
  let runsStarted = 0;
  const nextRunId = (): string => `run-${Date.now().toString(36)}-${++runsStarted}`;
  // What was asked for last, in case it is refused.
  let lastStart: { readonly command: RunsStart; readonly isRace: boolean } | undefined;

  const send = (command: RunsStart, isRace: boolean): void => {
    lastStart = { command, isRace };
    client.send(command);
  };

  const store = createStore<ComparisonState>()((set, get) => ({
    live: new Map(),
    progress: new Map(),
    choices: DEFAULT_CHOICES,
    chosen: new Set<MethodName>(['SLM', 'SLM-pn']),
    budget: DEFAULT_BUDGET,
    compared: new Set<string>(),
    list: () => client.send({ type: 'runs.list' }),
    toggleMethod: (method) => set({ chosen: toggled(get().chosen, method) }),
    changeChoice: (choice) => set({ choices: { ...get().choices, [choice.method]: choice } }),
    changeBudget: (budget) => set({ budget }),
    startRace: () => {
      const { chosen, choices, budget } = get();
      const runs = METHOD_NAMES.filter((method) => chosen.has(method)).map((method) => ({ runId: nextRunId(), name: method, method: choices[method] }));
      set({ error: undefined, refused: undefined, compared: new Set(runs.map(({ runId }) => runId)) });
      send({ type: 'runs.start', runs, config: settings.getState().config, budget }, true);
    },
    startScaling: (method, shares) => {
      const choice = get().choices[method];
      const runs = shares.map((share) => ({ runId: nextRunId(), name: `${method}, ${partWords(share)}`, method: choice, trainingShare: share }));
      set({ error: undefined, refused: undefined, compared: new Set(runs.map(({ runId }) => runId)) });
      send({ type: 'runs.start', runs, config: settings.getState().config }, true);
    },
    acceptOffer: () => {
      const { refused } = get();
      if (!refused?.offer) return;
      const { runIds, offer: { settings: memory } } = refused;
      set({ error: undefined, refused: undefined });
      // Runs that were begun are stored and go on; others are asked for again.
      const wereBegun = get().runs?.some(({ runId }) => runId === runIds[0]) ?? false;
      if (wereBegun || !lastStart) return client.send({ type: 'runs.takeUp', runIds, memory });
      const { command, isRace } = lastStart;
      if (isRace) settings.getState().changeConfig(memory);
      send({ ...command, config: { ...command.config, ...memory } }, isRace);
    },
    repeat: (runId) => {
      const run = get().runs?.find((candidate) => candidate.runId === runId);
      if (!run) return;
      const entry = { runId: nextRunId(), name: `${run.name} again`, method: run.method, ...(run.trainingPart ? { trainingShare: run.trainingPart.share } : {}) };
      set({ error: undefined, refused: undefined, compared: new Set([...get().compared, entry.runId]) });
      send({ type: 'runs.start', runs: [entry], config: run.settings, ...(run.budget ? { budget: run.budget } : {}) }, false);
    },
    takeUp: (runIds) => {
      set({ error: undefined, refused: undefined });
      client.send({ type: 'runs.takeUp', runIds });
    },
    pause: (runIds) => client.send({ type: 'runs.pause', runIds }),
    resume: (runIds) => client.send({ type: 'runs.resume', runIds }),
    stop: (runIds) => client.send({ type: 'runs.stop', runIds }),
    rename: (runId, name) => client.send({ type: 'run.rename', runId, name }),
    remove: (runId) => client.send({ type: 'run.delete', runId }),
    exportRun: (runId) => client.send({ type: 'run.export', runId }),
    importRun: (file, fileName) => client.send({ type: 'run.import', file, fileName }),
    toggleCompared: (runId) => set({ compared: toggled(get().compared, runId) }),
  }));

  client.subscribe((event) => {
    const { runs, live, progress, compared } = store.getState();
    switch (event.type) {
      case 'runs.listed':
        store.setState({ runs: event.runs, storedBytes: event.bytes });
        break;
      case 'run.changed': {
        const { run } = event;
        const known = runs?.some(({ runId }) => runId === run.runId);
        store.setState({
          runs: known ? runs?.map((former) => (former.runId === run.runId ? run : former)) : [run, ...(runs ?? [])],
          ...(isActiveRun(run) ? {} : { live: without(live, run.runId), progress: without(progress, run.runId) }),
        });
        // What all runs take has changed with it.
        if (run.state === 'finished' && runs?.find(({ runId }) => runId === run.runId)?.state !== 'finished') client.send({ type: 'runs.list' });
        break;
      }
      case 'run.stepped':
        store.setState({ live: new Map(live).set(event.runId, event), progress: without(progress, event.runId) });
        break;
      case 'run.progress':
        store.setState({ progress: new Map(progress).set(event.runId, event) });
        break;
      case 'run.deleted':
        store.setState({ runs: runs?.filter(({ runId }) => runId !== event.runId), compared: new Set([...compared].filter((runId) => runId !== event.runId)) });
        break;
      case 'run.exported':
        store.setState({ exported: event });
        break;
      case 'runs.failed':
        store.setState({ error: event.message, refused: event.refused });
        break;
      case 'engine.failed': {
        const failure = commandFailure(event, 'run.', 'runs.');
        if (failure?.error) store.setState({ error: failure.error });
        break;
      }
    }
  });
  return store;
}

/** E.g. "1/4 of the text". */
const partWords = (share: number): string => (share === 1 ? 'all of the text' : Number.isInteger(1 / share) ? `1/${1 / share} of the text` : `${formatPercent(share)} of the text`);

function toggled<T>(set: ReadonlySet<T>, item: T): ReadonlySet<T> {
  const changed = new Set(set);
  if (!changed.delete(item)) changed.add(item);
  return changed;
}

function without<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  if (!map.has(key)) return map;
  const changed = new Map(map);
  changed.delete(key);
  return changed;
}
