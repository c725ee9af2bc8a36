// Obeys commands and emits events. Quick commands act at once; long ones run as tasks, one of each kind at a time, and every failure becomes an event with
// one sentence.
import type { EngineRequest } from '../config/engineChoice.ts';
import { UserError, messageOf } from '../core/invariant.ts';
import type { EngineCommand } from '../protocol/commands.ts';
import type { EngineEvent } from '../protocol/events.ts';
import { openDevice } from '../wasm/openDevice.ts';
import { cancelData, loadData, previewDocumentOf, resplitData } from './dataTasks.ts';
import { EngineState, type Emit } from './engineState.ts';
import { analyzeClusters, projectExpert } from './expertTasks.ts';
import { exportModel } from './exportTasks.ts';
import { recallChoices } from './keptChoices.ts';
import { estimateMemory, MemoryRefusal, offerOf } from './memoryCheck.ts';
import { clearCache, loadPack } from './packTasks.ts';
import { prepareKernels } from './prepareKernels.ts';
import { RunKeeper } from './runKeeper.ts';
import { RunsDesk } from './runsDesk.ts';
import { generateSamples } from './sampleTasks.ts';
import { evaluateTest } from './testTasks.ts';
import { startTraining } from './trainTasks.ts';

type Failure = (message: string, error: unknown) => EngineEvent;

export class Session {
  private readonly state: EngineState;
  private readonly keeper: RunKeeper;
  private readonly runs: RunsDesk;

  constructor(emit: Emit) {
    this.state = new EngineState(emit);
    this.keeper = new RunKeeper(emit);
    this.runs = new RunsDesk(this.state, this.keeper);
  }

  handle(command: EngineCommand): void {
    const { state, runs } = this;
    const engineFailure: Failure = (message) => ({ type: 'engine.failed', command: command.type, message });
    switch (command.type) {
      case 'engine.open':
        return this.task('engine', (message) => ({ type: 'device.unavailable', reason: message }), () => this.open(command.request));
      case 'pack.load':
        return this.task('pack', (message) => ({ type: 'pack.failed', message }), (signal) => loadPack(state, command.source, signal));
      case 'pack.clearCache':
        return this.task('cache', engineFailure, () => clearCache(state));
      case 'data.load':
        return this.task('data', (message) => ({ type: 'data.failed', message }), (signal) => loadData(state, command.sources, command.config, signal));
      case 'data.resplit':
        return this.task('data', (message) => ({ type: 'data.failed', message }), async () => resplitData(state, command.config));
      case 'data.cancel':
        return cancelData(state);
      case 'data.preview':
        return this.task('preview', engineFailure, async () => previewDocumentOf(state, command.document));
      case 'expert.analyze':
        return this.task('analyze', (message) => ({ type: 'expert.failed', message }), (signal) => analyzeClusters(state, signal));
      case 'expert.project':
        return this.task('project', (message) => ({ type: 'expert.failed', message }), (signal) => projectExpert(state, command.choice, signal));
      case 'expert.cancel':
        return this.cancelExpert();
      case 'train.start':
        if (state.isBusy) return state.emit({ type: 'train.failed', runId: command.runId, message: 'Stop the present run before starting another.' });
        return this.task('train', (message, error) => ({ type: 'train.failed', runId: command.runId, message, offer: offerOf(error) }), () => startTraining(state, this.keeper, command));
      case 'train.pause':
      case 'train.step':
      case 'train.resume':
      case 'train.stop':
        return this.task('control', engineFailure, async () => this.controlRun(command.type, command.runId));
      case 'test.evaluate':
        return this.task('test', engineFailure, (signal) => evaluateTest(state, state.requireRun(command.runId), signal));
      case 'memory.estimate':
        return this.task(`memory.${command.of}`, (problem) => ({ type: 'memory.estimated', of: command.of, problem }), async (signal) => {
          await estimateMemory(state, command, signal);
          if (command.of === 'run') this.task('kernels', (problem) => ({ type: 'kernels.prepared', problem }), (stale) => prepareKernels(state, command.config, stale));
        });
      case 'sample.start':
        return this.task('sample', (message) => ({ type: 'sample.failed', sampleId: command.sampleId, message }), (signal) => generateSamples(state, command.sampleId, command.config, signal));
      case 'sample.stop':
        state.running.get('sample')?.abort();
        return;
      case 'model.export':
        return this.task('export', (message) => ({ type: 'model.exportFailed', runId: command.runId, message }), () => exportModel(state, state.requireRun(command.runId)));
      case 'runs.list':
        return this.runsTask(() => runs.list());
      case 'runs.start':
        return this.runsTask(() => runs.start(command.runs, command.config, command.budget), command.runs.map(({ runId }) => runId));
      case 'runs.takeUp':
        return this.runsTask(() => runs.takeUp(command.runIds, command.memory), command.runIds);
      case 'runs.pause':
        return runs.pause(command.runIds);
      case 'runs.resume':
        return runs.resume(command.runIds);
      case 'runs.stop':
        return runs.stop(command.runIds);
      case 'run.rename':
        return this.runsTask(() => runs.rename(command.runId, command.name));
      case 'run.delete':
        return this.runsTask(() => runs.delete(command.runId));
      case 'run.export':
        return this.runsTask(() => runs.export(command.runId));
      case 'run.import':
        return this.runsTask(() => runs.import(command.file, command.fileName));
    }
  }

  /** Starts a task; one of the same kind that is still under way is aborted first and waited for. */
  private task(kind: string, failure: Failure, body: (signal: AbortSignal) => Promise<void>): void {
    const { state } = this;
    const before = this.tails.get(kind);
    state.running.get(kind)?.abort();
    const controller = new AbortController();
    state.running.set(kind, controller);
    const run = async (): Promise<void> => {
      await before;
      try {
        await body(controller.signal);
      } catch (error) {
        if (!controller.signal.aborted) {
          // Our own mistakes keep their stack in the console; what the person reads stays one sentence.
          if (!(error instanceof UserError)) console.error(error);
          state.emit(failure(messageOf(error), error));
        }
      } finally {
        if (state.running.get(kind) === controller) state.running.delete(kind);
      }
    };
    this.tails.set(kind, run());
  }

  /** Requests about runs are all met, one after another: none takes the place of the one before. */
  private runsTask(body: () => Promise<void>, runIds: readonly string[] = []): void {
    const before = this.runsTail;
    this.runsTail = (async () => {
      await before;
      try {
        await body();
      } catch (error) {
        if (!(error instanceof UserError)) console.error(error);
        this.state.emit({ type: 'runs.failed', message: messageOf(error), ...(error instanceof MemoryRefusal ? { refused: { runIds, offer: error.offer } } : {}) });
      }
    })();
  }

  private runsTail: Promise<void> = Promise.resolve();
  private readonly tails = new Map<string, Promise<void>>();

  private async open(request: EngineRequest = {}): Promise<void> {
    const { state } = this;
    const { gpu, fallback } = await openDevice(request);
    await recallChoices(gpu);
    state.gpu = gpu;
    state.emit({ type: 'device.ready', adapter: gpu.adapter, fallback });
    void gpu.lost.then(({ message }) => {
      if (state.gpu !== gpu) return;
      state.gpu = undefined;
      state.speakers = [];
      state.emit({ type: 'device.lost', reason: message });
    });
  }

  private cancelExpert(): void {
    const tasks = ['analyze', 'project'].map((kind) => this.state.running.get(kind)).filter((task) => task !== undefined);
    for (const task of tasks) task.abort();
    if (tasks.length > 0) this.state.emit({ type: 'expert.cancelled' });
  }

  private controlRun(command: 'train.pause' | 'train.step' | 'train.resume' | 'train.stop', runId: string): void {
    const { control, kept } = this.state.requireRun(runId);
    if (control.ended) throw new UserError('That run has ended.');
    if (command === 'train.pause') control.pause();
    else if (command === 'train.step') control.grantStep();
    else if (command === 'train.resume') control.resume();
    else control.stop();
    if (command === 'train.stop') return;
    const now = control.isPaused ? 'paused' : 'running';
    this.state.emit({ type: 'train.state', runId, state: now });
    kept.enter(now);
  }
}
