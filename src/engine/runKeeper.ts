// Keeps runs in this browser while they go on, and tells the window of every change. Training never waits for or fails over what cannot be stored: the
// window is told, and the run goes on.
import type { RunState } from '../config/runRecord.ts';
import { messageOf } from '../core/invariant.ts';
import type { EngineEvent } from '../protocol/events.ts';
import { openRunStore, type RunParts, type RunStore } from '../runs/runStore.ts';
import type { RunRecorder } from './runRecorder.ts';

export class RunKeeper {
  private opened: Promise<RunStore> | undefined;

  constructor(private readonly emit: (event: EngineEvent) => void) {}

  /** Opened once; tried again after a failure. @throws UserError where the browser keeps nothing for this page */
  store(): Promise<RunStore> {
    this.opened ??= openRunStore().catch((error: unknown) => {
      this.opened = undefined;
      throw error;
    });
    return this.opened;
  }

  keep(recorder: RunRecorder): KeptRun {
    return new KeptRun(this.emit, () => this.store(), recorder);
  }
}

export class KeptRun {
  private stored: Promise<void> = Promise.resolve();
  /** Of the best weights that are really stored: a record must never name others. */
  private storedWeightsHash: string | undefined;

  constructor(private readonly emit: (event: EngineEvent) => void, private readonly open: () => Promise<RunStore>, readonly recorder: RunRecorder) {
    this.storedWeightsHash = recorder.record.bestWeightsHash;
  }

  /** Tells the window what the record is now. */
  tell(): void {
    this.emit({ type: 'run.changed', run: this.recorder.record });
  }

  enter(state: RunState, error?: string): void {
    this.recorder.end(state, error);
    this.tell();
  }

  /** Stores the record as it is at this moment with these parts, after everything stored before. Never rejects. */
  store(parts: RunParts = {}): Promise<void> {
    const { record } = this.recorder;
    const before = this.stored;
    this.stored = (async () => {
      await before;
      try {
        const bestWeightsHash = parts.bestWeights?.hash ?? this.storedWeightsHash;
        await (await this.open()).put({ ...record, bestWeightsHash }, parts);
        this.storedWeightsHash = bestWeightsHash;
      } catch (error) {
        this.emit({ type: 'runs.failed', runId: record.runId, message: messageOf(error) });
      }
    })();
    return this.stored;
  }
}
