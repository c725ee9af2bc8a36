// One method or several side by side on the user's text, as "Compare methods" of the studio starts them: device, pack, text, the runs, their files. A run that
// fails leaves the others alone; whatever keeps all of them from going on ends the sequence with its sentence.
import { METHOD_NAMES, lackingPart, type MethodName } from '../config/method.ts';
import type { RunBudget } from '../config/runBudget.ts';
import type { RunRecord } from '../config/runRecord.ts';
import { choiceOf, type WrittenMethod } from '../config/writtenMethod.ts';
import { messageOf, UserError } from '../core/invariant.ts';
import type { EngineCommand, RunEntry } from '../protocol/commands.ts';
import type { EngineEvent, EventOf } from '../protocol/events.ts';
import { ask, failureOf, type EngineLink } from './engineLink.ts';
import { prepare, runConfigFor, type AskedSettings, type PreparationRequest } from './preparation.ts';
import { raceReport, type RaceReport, type SkippedMethod } from './raceReport.ts';

export interface RaceRequest extends PreparationRequest, AskedSettings {
  /** `all`: every method that the pack has the parts for, each with its defaults. */
  readonly methods: 'all' | readonly WrittenMethod[];
  /** What each run may use; absent: the steps. */
  readonly budget?: RunBudget;
  readonly exportRuns: boolean;
}

export interface RaceListeners {
  /** A method was left out of `all`. */
  onSkipped(skipped: SkippedMethod): void;
  /** A run's file, as soon as the run has ended: what comes after may take hours. */
  onRunFile(exported: EventOf<'run.exported'>): void;
}

/**
 * Runs the whole sequence. Sends engine.open first, so the engine must be fresh.
 * @throws UserError with one sentence when a method makes no sense or lacks a part of the pack, or no run could be started. A run that fails is in the report.
 */
export async function race(engine: EngineLink, request: RaceRequest, listeners: RaceListeners): Promise<RaceReport> {
  const started = performance.now();
  const asked = request.methods === 'all' ? METHOD_NAMES.map(withDefaults) : request.methods;
  // Unlike those of other invocations, so that all their files can be imported side by side.
  const idStem = `run-${Date.now().toString(36)}`;
  const candidates = asked.map((written, index): RunEntry => ({ runId: `${idStem}-${index + 1}`, name: written.text, method: choiceOf(written) }));
  const { adapter, pack, data } = await prepare(engine, request);

  const lackingOf = ({ method }: RunEntry): string | undefined => (request.methods === 'all' ? lackingPart(method, pack.optional) : undefined);
  const entries = candidates.filter((entry) => lackingOf(entry) === undefined);
  const skipped = candidates.map((entry) => ({ method: entry.method.method, lacking: lackingOf(entry) })).filter((entry): entry is SkippedMethod => entry.lacking !== undefined);
  skipped.forEach((method) => listeners.onSkipped(method));

  const unsaved = new Map<string, string>();
  let exports = Promise.resolve();
  const exportRun = ({ runId }: RunRecord): void => {
    exports = exports
      .then(async () => listeners.onRunFile(await ask(engine, { type: 'run.export', runId }, 'run.exported', exportFailureOf)))
      .catch((error: unknown) => void unsaved.set(runId, messageOf(error)));
  };
  const runs = await runToEnd(engine, { type: 'runs.start', runs: entries, config: runConfigFor(pack, data, request), budget: request.budget }, request.exportRuns ? exportRun : () => {});
  await exports;
  return raceReport({ adapter, data, runs, skipped, unsaved, seconds: (performance.now() - started) / 1000 });
}

/** A run's file is made from what is stored, so a lost device is no reason to give it up. */
const exportFailureOf = (event: EngineEvent): string | undefined => (event.type === 'device.lost' ? undefined : failureOf(event));

const withDefaults = (method: MethodName): WrittenMethod => ({ text: method, method, options: {} });

/**
 * Starts the runs and resolves with their last records, in the order of the command, when each has finished or failed.
 * @throws UserError when they could not be started, or the engine itself fails
 */
function runToEnd(engine: EngineLink, command: Extract<EngineCommand, { type: 'runs.start' }>, onEnded: (run: RunRecord) => void): Promise<RunRecord[]> {
  const runIds = command.runs.map(({ runId }) => runId);
  const latest = new Map<string, RunRecord>();
  const ended = new Set<string>();
  return new Promise((resolve, reject) => {
    const unsubscribe = engine.subscribe((event) => {
      // Once all have begun, a refusal is that of an export, which waits for it itself; and of a lost device every run tells in its own record.
      const allBegan = latest.size === runIds.length;
      const failure = allBegan && event.type !== 'engine.failed' ? undefined : failureOf(event);
      if (failure !== undefined) {
        unsubscribe();
        reject(new UserError(failure));
      } else if (event.type === 'run.changed' && runIds.includes(event.run.runId)) {
        const { run } = event;
        latest.set(run.runId, run);
        if ((run.state !== 'finished' && run.state !== 'failed') || ended.has(run.runId)) return;
        ended.add(run.runId);
        onEnded(run);
        if (ended.size < runIds.length) return;
        unsubscribe();
        resolve(runIds.map((runId) => latest.get(runId) as RunRecord));
      }
    });
    engine.send(command);
  });
}
