// Training commands: one run from the projected weights to early stopping or the last step, with its best weights restored and tested. It is kept in this
// browser like the runs of a race, and can be taken up there after its tab was closed.
import { invalidRunField } from '../config/runConfig.ts';
import type { RunNotes } from '../config/runRecord.ts';
import { UserError, messageOf } from '../core/invariant.ts';
import { OutOfGpuMemoryError } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { hostTensors } from '../model/parameters.ts';
import { weightsHash } from '../formats/weightsHash.ts';
import type { EngineCommand } from '../protocol/commands.ts';
import type { LossFigure } from '../protocol/events.ts';
import type { BestWeights } from '../runs/runStore.ts';
import { Phase, type PhaseStep } from '../training/phase.ts';
import { NotFiniteError } from '../training/stepper.ts';
import { tuneTrainee } from '../training/trainee.ts';
import { CheckpointPace } from './checkpointPace.ts';
import { cachedFigure, plainWeights } from './evaluationTasks.ts';
import type { EngineState, LoadedPack, Projection, Run } from './engineState.ts';
import { lossFigure } from './figures.ts';
import { refusalAfter, requireMemory, type MemoryNeeds } from './memoryCheck.ts';
import { phaseKey } from './methodRun.ts';
import { newRunRecord } from './newRunRecord.ts';
import { RunControl } from './runControl.ts';
import type { RunKeeper } from './runKeeper.ts';
import { RunRecorder } from './runRecorder.ts';
import { keptText, runWindows, textOf } from './runText.ts';
import { StepRate } from './stepRate.ts';
import { evaluateTest } from './testTasks.ts';

type TrainStart = Extract<EngineCommand, { type: 'train.start' }>;

export async function startTraining(state: EngineState, keeper: RunKeeper, { runId, config, paused = false }: TrainStart): Promise<void> {
  const whole = state.requireGpu();
  const gpu: Gpu = { ...whole, buffers: whole.buffers.part() };
  const { pack, table, tokenizer } = state.requirePack();
  const data = state.requireData();
  const projection = state.requireProjection();
  const invalid = invalidRunField(config);
  if (invalid) throw new UserError(invalid);
  if (config.seqLen > pack.model.maxPositionEmbeddings) throw new UserError(`The window length ${config.seqLen} is over the model's context of ${pack.model.maxPositionEmbeddings} tokens.`);
  const text = textOf(data);
  const windows = runWindows(text, config, tokenizer.endOfText);
  state.forgetSpeakers();
  const memory: MemoryNeeds = { gpu, shapes: pack, runs: [{ settings: config }] };
  await requireMemory(memory);

  const { choice } = projection;
  const recorder = new RunRecorder(newRunRecord(state, text, { runId, name: choice.method, method: choice, settings: config }));
  recorder.note(startOf(projection));
  recorder.spent(projection.cost);
  const kept = keeper.keep(recorder);
  const control = new RunControl(paused);
  const run: Run = {
    runId, config, projection, data, control, kept,
    adapterName: gpu.adapter.name,
    curve: [],
    tokensPerStep: config.batchSize * config.seqLen * config.gradientAccumulation,
    stepsTaken: 0,
    seconds: 0,
    best: { step: 0, weights: projection.weights },
  };
  state.run = run;
  // Not waited for: a large text takes a while to be written.
  void kept.store({ corpus: keptText(text, tokenizer) });
  const part = { split: 'validation', maxTokens: config.evaluationTokens } as const;
  let phase: Phase | undefined;
  try {
    await tuneTrainee(gpu, pack.model, config);
    phase = await Phase.create(gpu, { model: pack.model, weights: projection.weights, windows: windows.training(), validation: windows.validation, settings: config, judged: true });
    recorder.beginPhase('fineTuning', pack.model, config, undefined, false);
    const stored = phase.model.storage === 'f16' ? { storage: phase.model.storage } : {};
    recorder.note(stored);
    const plain = await plainWeights(state);
    const slm = await cachedFigure(state, data, phase.model, part, weightsHash(hostTensors(table, plain)), async () => plain);
    const projected = await cachedFigure(state, data, phase.model, part, projection.weightsHash, async () => projection.weights);
    await phase.model.loadWeights(projection.weights);
    state.emit({ type: 'train.started', runId, config, gpuBytes: gpu.buffers.bytes, tokensPerStep: run.tokensPerStep, ...stored, slm, projected });
    state.emit({ type: 'train.state', runId, state: paused ? 'paused' : 'running' });
    kept.enter(paused ? 'paused' : 'running');
    await trainLoop(state, run, phase, projected);
  } catch (error) {
    control.ended = true;
    gpu.buffers.destroyAll();
    if (!(error instanceof UserError)) console.error(error);
    const isLost = state.gpu !== whole;
    const refusal = error instanceof OutOfGpuMemoryError && !isLost ? await refusalAfter(error, memory) : undefined;
    const keptStep = run.best.step > 0 ? run.best.step : undefined;
    const told = keptStep ? ` The best weights, of step ${keptStep}, are kept.` : '';
    const advice = error instanceof NotFiniteError ? ' A smaller learning rate usually helps.' : '';
    const message = `${isLost ? 'The graphics device was lost while training.' : messageOf(refusal ?? error)}${told}${advice}`;
    const bestWeights = keptStep ? namedBestWeights(state.loaded, run) : undefined;
    kept.enter('failed', message);
    void kept.store({ bestWeights });
    state.emit({ type: 'train.state', runId, state: 'failed' });
    state.emit({ type: 'train.failed', runId, message, keptStep, offer: refusal?.offer });
    return;
  } finally {
    phase?.destroy();
  }
  try {
    await evaluateTest(state, run);
  } catch (error) {
    // The run itself is done and its model kept, whatever happened to its test.
    console.error(error);
    state.emit({ type: 'engine.failed', command: 'test.evaluate', message: messageOf(error) });
  }
}

async function trainLoop(state: EngineState, run: Run, phase: Phase, projected: LossFigure): Promise<void> {
  const { runId, control, kept } = run;
  const { recorder } = kept;
  phase.noteLoss(projected.loss);
  run.curve.push({ step: 0, validation: projected });
  // Computed before, perhaps for another run: it costs this one nothing.
  recorder.evaluated(projected.loss, 0, 0);
  let sinceEvaluation = { loss: 0, steps: 0 };
  const checkpoints = new CheckpointPace();
  const rate = new StepRate();

  const evaluate = async (): Promise<void> => {
    const { stepsTaken: step, seconds, tokensPerStep } = run;
    const start = performance.now();
    const { result, best } = await phase.evaluate();
    const validation = lossFigure(result);
    if (best) run.best = { step, weights: phase.bestWeights };
    run.curve.push({ step, train: sinceEvaluation.loss / sinceEvaluation.steps, validation });
    sinceEvaluation = { loss: 0, steps: 0 };
    recorder.evaluated(result.loss, result.tokens, (performance.now() - start) / 1000);
    state.emit({ type: 'train.evaluated', runId, step, tokens: step * tokensPerStep, seconds, validation, best });
    kept.tell();
  };

  const told = ({ step, loss, gradientNorm, learningRate }: PhaseStep, stepSeconds: number): void => {
    run.stepsTaken = step;
    run.seconds += stepSeconds;
    sinceEvaluation.loss += loss;
    sinceEvaluation.steps++;
    const { bytes: gpuBytes, peakBytes } = phase.model.gpu.buffers;
    recorder.stepped(run.tokensPerStep, loss, stepSeconds, peakBytes);
    state.emit({
      type: 'train.stepped', runId, step, tokens: step * run.tokensPerStep, seconds: run.seconds, loss, gradientNorm, learningRate,
      tokensPerSecond: rate.next(run.tokensPerStep, stepSeconds), gpuBytes,
    });
  };

  /** The next step, or, where it was taken ahead and another is not wanted, the rest of it. */
  const takeStep = async (step: () => Promise<PhaseStep> | undefined): Promise<void> => {
    const start = performance.now();
    const taken = await step();
    if (taken) told(taken, (performance.now() - start) / 1000);
  };
  const settle = (): Promise<void> => takeStep(() => phase.settle());

  let isStopped = false;
  while (!phase.isOver) {
    isStopped = !(await control.mayStep());
    if (isStopped) break;
    await takeStep(() => phase.step({ ahead: !control.isPaused && !checkpoints.isDue }));
    const { isDue } = checkpoints;
    if (isDue) await settle();
    if (phase.isEvaluationDue) await evaluate();
    if (isDue) await checkpoints.take(async () => kept.store({ checkpoint: { phase: phaseKey(0, 'fineTuning'), ...(await phase.checkpoint()) } }));
  }
  await settle();
  if (!phase.isEvaluated) await evaluate();
  control.ended = true;
  run.reason = isStopped ? 'stopped' : phase.stopsEarly ? 'earlyStopping' : 'steps';
  const bestWeights = namedBestWeights(state.loaded, run);
  kept.enter('finished');
  void kept.store({ bestWeights });
  state.emit({ type: 'train.finished', runId, reason: run.reason, step: run.stepsTaken, bestStep: run.best.step, seconds: run.seconds });
  state.emit({ type: 'train.state', runId, state: 'finished' });
}

/** What the run's record tells about the weights it began with. */
function startOf({ expert, histogram, choice }: Projection): RunNotes {
  const { cluster, overridden, explanation, losses, vector } = expert;
  return { expert: { strategy: choice.strategy, cluster, overridden, explanation, losses }, vector: Array.from(vector), histogram };
}

/** The run's best weights by name, and their hash on its record. */
function namedBestWeights(loaded: LoadedPack | undefined, { best, kept }: Run): BestWeights | undefined {
  if (!loaded) return undefined;
  const tensors = hostTensors(loaded.table, best.weights);
  const hash = weightsHash(tensors);
  kept.recorder.change({ bestWeightsHash: hash });
  return { hash, tensors };
}
