// The runs of this browser and those that go on now: starts them side by side on one GPU, stores what becomes of them, takes interrupted ones up again.
import { invalidMethodField, lackingPart } from '../config/method.ts';
import { invalidBudget, plannedForBudget, usedShare, type RunBudget } from '../config/runBudget.ts';
import { invalidRunField, type MemorySettings, type RunConfig } from '../config/runConfig.ts';
import type { RunRecord } from '../config/runRecord.ts';
import { UserError, messageOf } from '../core/invariant.ts';
import { OutOfGpuMemoryError } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { phasesOf } from '../methods/phasesOf.ts';
import type { RunEntry } from '../protocol/commands.ts';
import { exportRun, importRun } from '../runs/runFile.ts';
import type { RunParts } from '../runs/runStore.ts';
import type { RunCheckpoint } from '../runs/runCheckpoint.ts';
import { withinMemory } from '../training/memory.ts';
import { NotFiniteError } from '../training/stepper.ts';
import type { EngineState } from './engineState.ts';
import { GpuShare } from './gpuShare.ts';
import { packShapes, peakBytes, refusalAfter, requireMemory, type MemoryNeeds } from './memoryCheck.ts';
import { methodContext } from './methodContext.ts';
import { MethodRun } from './methodRun.ts';
import { newRunRecord } from './newRunRecord.ts';
import { RunControl } from './runControl.ts';
import type { KeptRun, RunKeeper } from './runKeeper.ts';
import { RunRecorder } from './runRecorder.ts';
import { completeSample, samplePrompt } from './runSample.ts';
import { findText, keptText, partOfText, runWindows, textOf, type RunText } from './runText.ts';

interface ActiveRun {
  readonly control: RunControl;
  readonly abort: AbortController;
  readonly kept: KeptRun;
  /** With the run's own ledger. */
  readonly gpu: Gpu;
  /** What it takes at its largest. */
  readonly peakBytes: number;
}

export class RunsDesk {
  private readonly active = new Map<string, ActiveRun>();
  private readonly share = new GpuShare();

  constructor(private readonly state: EngineState, private readonly keeper: RunKeeper) {}

  async list(): Promise<void> {
    const store = await this.store();
    this.state.emit({ type: 'runs.listed', runs: await store.list(), ...(await store.storageUse()) });
  }

  /** Starts runs side by side; each is told by its own events, so one that fails leaves the others alone. */
  async start(entries: readonly RunEntry[], config: RunConfig, budget?: RunBudget): Promise<void> {
    const { state } = this;
    const invalid = invalidRunField(config) ?? (budget && invalidBudget(budget)) ?? entries.map(invalidEntry).find((sentence) => sentence !== undefined);
    if (invalid) throw new UserError(invalid);
    if (state.isTraining) throw new UserError('Stop the present run before starting others.');
    const { pack, tokenizer } = state.requirePack();
    for (const { method } of entries) {
      const lacking = lackingPart(method, pack.optional);
      if (lacking) throw new UserError(`${method.method} needs ${lacking}, which this pack does not have.`);
    }
    const text = textOf(state.requireData());
    const shapes = await packShapes(pack, entries.map(({ method }) => method));
    await requireMemory({ gpu: state.requireGpu(), shapes, runs: entries.map(({ method }) => ({ method, settings: config })), reserved: this.reservedBytes() });
    const corpus = keptText(text, tokenizer);
    // Before the first run begins: a part that is too short is refused together with the rest.
    const parts = entries.map(({ trainingShare }) => (trainingShare === undefined ? text : partOfText(text, trainingShare, config)));
    for (const [index, { runId, name, method }] of entries.entries()) {
      const planned = budget ? plannedForBudget(method, config, budget, { small: pack.model, large: shapes.large }) : { method, settings: config };
      await this.begin(newRunRecord(state, parts[index], { runId, name, ...planned, ...(budget ? { budget } : {}) }), parts[index], { corpus });
    }
  }

  /** @param memory each run goes on with at most so many windows at once, and recomputation where it says so; its steps stay the same steps */
  async takeUp(runIds: readonly string[], memory?: MemorySettings): Promise<void> {
    if (this.state.isTraining) throw new UserError('Stop the present run before taking others up again.');
    const store = await this.store();
    const { pack } = this.state.requirePack();
    const records: RunRecord[] = [];
    for (const runId of runIds) {
      const record = await store.get(runId);
      if (!record) throw new UserError('That run is not stored any more.');
      if (record.state !== 'interrupted' && record.state !== 'failed') throw new UserError(`The run “${record.name}” is ${record.state}; only an interrupted run can be taken up again.`);
      if (record.packHash !== pack.manifest.hash) throw new UserError(`The run “${record.name}” was made with another pack (${record.packName}); load that one first.`);
      records.push(memory ? { ...record, settings: withinMemory(record.settings, memory) } : record);
    }
    const shapes = await packShapes(pack, records.map(({ method }) => method));
    await requireMemory({ gpu: this.state.requireGpu(), shapes, runs: records, reserved: this.reservedBytes() });
    for (const record of records) {
      const whole = await findText(this.state, store, record.dataFingerprint, record.dataLabel);
      const text = record.trainingPart ? partOfText(whole, record.trainingPart.share, record.settings) : whole;
      const checkpoint = await store.checkpoint(record.runId);
      await this.begin(checkpoint ? { ...record, state: 'running', error: undefined } : fromItsBeginning(record), text, {}, checkpoint);
    }
  }

  pause(runIds: readonly string[]): void {
    for (const run of this.activeOf(runIds)) {
      run.control.pause();
      run.kept.enter('paused');
    }
  }

  resume(runIds: readonly string[]): void {
    for (const run of this.activeOf(runIds)) {
      run.control.resume();
      run.kept.enter('running');
    }
  }

  stop(runIds: readonly string[]): void {
    for (const { control } of this.activeOf(runIds)) control.stop();
  }

  async rename(runId: string, name: string): Promise<void> {
    const run = await (await this.store()).rename(runId, name);
    this.active.get(runId)?.kept.recorder.change({ name: run.name });
    this.state.emit({ type: 'run.changed', run });
  }

  async delete(runId: string): Promise<void> {
    await (await this.store()).delete(runId);
    this.state.emit({ type: 'run.deleted', runId });
  }

  async export(runId: string): Promise<void> {
    const store = await this.store();
    const record = await store.get(runId);
    if (!record) throw new UserError('That run is not stored any more.');
    const file = await exportRun({ record, tensors: (await store.bestWeights(runId))?.tensors });
    this.state.emit({ type: 'run.exported', runId, file, fileName: `${record.packName}-${record.method.method}-${runId}.run.zip` });
  }

  async import(file: Blob, fileName: string): Promise<void> {
    const { record, tensors } = await importRun(file, fileName);
    const bestWeights = tensors && record.bestWeightsHash ? { hash: record.bestWeightsHash, tensors } : undefined;
    this.state.emit({ type: 'run.changed', run: await (await this.store()).add(record, { bestWeights }) });
  }

  private store(): ReturnType<RunKeeper['store']> {
    return this.keeper.store();
  }

  private activeOf(runIds: readonly string[]): ActiveRun[] {
    return runIds.map((runId) => this.active.get(runId)).filter((run) => run !== undefined);
  }

  /** What runs that go on, but for one, may still ask for: each is counted at its largest. */
  private reservedBytes(except?: ActiveRun): number {
    return [...this.active.values()].filter((run) => run !== except).reduce((sum, { gpu, peakBytes: peak }) => sum + Math.max(0, peak - gpu.buffers.bytes), 0);
  }

  /** Stores the run and lets it go on by itself; what happens to it is told in events. @throws when it cannot be stored or prepared */
  private async begin(record: RunRecord, text: RunText, parts: RunParts, checkpoint?: RunCheckpoint): Promise<void> {
    const { state } = this;
    const store = await this.store();
    const recorder = new RunRecorder(record);
    const abort = new AbortController();
    const kept = this.keeper.keep(recorder);
    const { settings, budget, method } = record;
    const whole = state.requireGpu();
    const gpu: Gpu = { ...whole, buffers: whole.buffers.part() };
    const { pack, tokenizer } = state.requirePack();
    const need: MemoryNeeds = { gpu, shapes: await packShapes(pack, [method]), runs: [{ method, settings }] };
    const run: ActiveRun = { control: new RunControl(false), abort, kept, gpu, peakBytes: await peakBytes(gpu, need.shapes, need.runs) };
    const windows = runWindows(text, settings, tokenizer.endOfText);
    await store.put(record, parts);
    this.active.set(record.runId, run);
    state.activeRuns = this.active.size;
    const share = (): number => (budget ? usedShare(budget, recorder.record.cost) : recorder.stepsTaken / settings.steps);
    const methodRun = new MethodRun(recorder, {
      gpu, share: this.share, control: run.control, keep: (learnt) => kept.store(learnt), onChange: () => kept.tell(), usedShare: share,
      isSpent: (upTo) => budget !== undefined && share() >= upTo,
      validation: windows.validation, test: windows.test,
      complete: (model, weights) => completeSample(gpu, model, weights, tokenizer, samplePrompt(text)),
      onStep: (step) => state.emit({ type: 'run.stepped', runId: record.runId, ...step, cost: recorder.record.cost, gpuBytes: gpu.buffers.bytes }),
    }, checkpoint);
    kept.tell();
    const context = methodContext(state, { gpu, recorder, settings, text, windows, signal: abort.signal });
    void methodRun.go(phasesOf(method, context), abort.signal).catch(async (error: unknown) => {
      if (!(error instanceof UserError || error instanceof NotFiniteError)) console.error(error);
      gpu.buffers.destroyAll();
      const isLost = state.gpu !== whole;
      const refusal = error instanceof OutOfGpuMemoryError && !isLost ? await refusalAfter(error, { ...need, reserved: this.reservedBytes(run) }) : undefined;
      recorder.end('failed', isLost ? 'The graphics device was lost while training.' : messageOf(refusal ?? error));
      await kept.store();
      if (refusal) state.emit({ type: 'runs.failed', runId: record.runId, message: refusal.message, refused: { runIds: [record.runId], offer: refusal.offer } });
    }).finally(() => {
      this.active.delete(record.runId);
      state.activeRuns = this.active.size;
      kept.tell();
    });
  }
}

/** One sentence about what makes no sense about a run to be started, or undefined. */
function invalidEntry({ method, trainingShare = 1 }: RunEntry): string | undefined {
  return invalidMethodField(method) ?? (trainingShare > 0 && trainingShare <= 1 ? undefined : `The part of the training text must be above 0 and at most 1, not ${trainingShare}.`);
}

/** A run without a checkpoint starts over: nothing of what it did is left. */
const fromItsBeginning = (record: RunRecord): RunRecord => ({
  ...record, state: 'running', error: undefined, curve: [], phases: [], notes: {}, cost: { tokens: 0, flops: 0, seconds: 0, peakGpuBytes: 0 },
});
