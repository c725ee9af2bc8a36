// Training commands: one run from the projected weights to early stopping or the last step, with its best weights restored and tested.
import { invalidRunField } from '../config/runConfig.ts';
import { UserError, messageOf } from '../core/invariant.ts';
import { checkTrainable, TrainingWindows } from '../data/windows.ts';
import { OutOfGpuMemoryError } from '../gpu/buffers.ts';
import { hostTensors } from '../model/parameters.ts';
import type { SmallModel } from '../model/smallModel.ts';
import { tuneKernels } from '../model/tuneKernels.ts';
import { weightsHash } from '../formats/weightsHash.ts';
import type { EngineCommand } from '../protocol/commands.ts';
import type { FinishReason, LossFigure } from '../protocol/events.ts';
import { EarlyStopping } from '../training/earlyStopping.ts';
import { NotFiniteError, type Stepper } from '../training/stepper.ts';
import { createTrainee, type Trainee } from '../training/trainee.ts';
import { learningRateAt } from '../training/schedule.ts';
import { cachedFigure, evaluateSplit, plainWeights } from './evaluationTasks.ts';
import type { EngineState, Run } from './engineState.ts';
import { lossFigure } from './figures.ts';
import { refusalAfter, requireMemory, type MemoryNeeds } from './memoryCheck.ts';
import { RunControl } from './runControl.ts';
import { evaluateTest } from './testTasks.ts';

type TrainStart = Extract<EngineCommand, { type: 'train.start' }>;

export async function startTraining(state: EngineState, { runId, config, paused = false }: TrainStart): Promise<void> {
  const gpu = state.requireGpu();
  const { pack, table } = state.requirePack();
  const data = state.requireData();
  const projection = state.requireProjection();
  const invalid = invalidRunField(config);
  if (invalid) throw new UserError(invalid);
  if (config.seqLen > pack.model.maxPositionEmbeddings) throw new UserError(`The window length ${config.seqLen} is over the model's context of ${pack.model.maxPositionEmbeddings} tokens.`);
  checkTrainable(data.corpus, data.split, config.seqLen);
  state.forgetSpeakers();
  const memory: MemoryNeeds = { gpu, shapes: pack, runs: [{ settings: config }] };
  await requireMemory(memory);

  const control = new RunControl(paused);
  const run: Run = {
    runId, config, projection, data, control,
    adapterName: gpu.adapter.name,
    curve: [],
    tokensPerStep: config.batchSize * config.seqLen * config.gradientAccumulation,
    stepsTaken: 0,
    seconds: 0,
    best: { step: 0, weights: projection.weights },
  };
  state.run = run;
  const part = { split: 'validation', maxTokens: config.evaluationTokens } as const;
  let trainee: Trainee | undefined;
  const release = (): void => {
    trainee?.stepper.destroy();
    trainee?.model.destroy();
  };
  try {
    const shape = { batchSize: config.batchSize, seqLen: config.seqLen };
    await tuneKernels(gpu, pack.model, shape, { train: true });
    trainee = await createTrainee(gpu, pack.model, config);
    const { model, stepper } = trainee;
    const plain = await plainWeights(state);
    const slm = await cachedFigure(state, data, model, part, weightsHash(hostTensors(table, plain)), async () => plain);
    const projected = await cachedFigure(state, data, model, part, projection.weightsHash, async () => projection.weights);
    model.loadWeights(projection.weights);
    state.emit({ type: 'train.started', runId, config, gpuBytes: gpu.buffers.bytes, tokensPerStep: run.tokensPerStep, slm, projected });
    state.emit({ type: 'train.state', runId, state: paused ? 'paused' : 'running' });
    await trainLoop(state, run, model, stepper, projected);
  } catch (error) {
    control.ended = true;
    release();
    if (!(error instanceof UserError)) console.error(error);
    const isLost = state.gpu !== gpu;
    const refusal = error instanceof OutOfGpuMemoryError && !isLost ? await refusalAfter(error, memory) : undefined;
    const keptStep = run.best.step > 0 ? run.best.step : undefined;
    const kept = keptStep ? ` The best weights, of step ${keptStep}, are kept.` : '';
    const advice = error instanceof NotFiniteError ? ' A smaller learning rate usually helps.' : '';
    state.emit({ type: 'train.state', runId, state: 'failed' });
    state.emit({ type: 'train.failed', runId, message: `${isLost ? 'The graphics device was lost while training.' : messageOf(refusal ?? error)}${kept}${advice}`, keptStep, offer: refusal?.offer });
    return;
  } finally {
    release();
  }
  try {
    await evaluateTest(state, run);
  } catch (error) {
    // The run itself is done and its model kept, whatever happened to its test.
    console.error(error);
    state.emit({ type: 'engine.failed', command: 'test.evaluate', message: messageOf(error) });
  }
}

async function trainLoop(state: EngineState, run: Run, model: SmallModel, stepper: Stepper, projected: LossFigure): Promise<void> {
  const { runId, config, data, control } = run;
  const { tokenizer } = state.requirePack();
  const windows = new TrainingWindows(data.corpus, data.split.documents.train, { endOfText: tokenizer.endOfText, seqLen: config.seqLen, seed: config.seed });
  const fill = (tokens: Uint32Array, targets: Uint32Array): void => windows.next(config.batchSize, tokens, targets);
  const stopping = new EarlyStopping(config.patience);
  stopping.record(0, projected.loss);
  run.curve.push({ step: 0, validation: projected });
  let sinceEvaluation = { loss: 0, steps: 0 };

  const evaluate = async (): Promise<void> => {
    const { stepsTaken: step, seconds, tokensPerStep } = run;
    const validation = lossFigure(await evaluateSplit(state, data, model, { split: 'validation', maxTokens: config.evaluationTokens }));
    const best = stopping.record(step, validation.loss);
    // On the CPU, so that they outlive a lost device.
    if (best) run.best = { step, weights: await model.readWeights() };
    run.curve.push({ step, train: sinceEvaluation.loss / sinceEvaluation.steps, validation });
    sinceEvaluation = { loss: 0, steps: 0 };
    state.emit({ type: 'train.evaluated', runId, step, tokens: step * tokensPerStep, seconds, validation, best });
  };

  const trainStep = async (): Promise<void> => {
    const step = run.stepsTaken + 1;
    const learningRate = learningRateAt(step, config);
    const start = performance.now();
    const { loss, gradientNorm } = await stepper.step(step, learningRate, fill);
    const stepSeconds = (performance.now() - start) / 1000;
    run.stepsTaken = step;
    run.seconds += stepSeconds;
    sinceEvaluation.loss += loss;
    sinceEvaluation.steps++;
    state.emit({
      type: 'train.stepped', runId, step, tokens: step * run.tokensPerStep, seconds: run.seconds, loss, gradientNorm, learningRate,
      tokensPerSecond: run.tokensPerStep / stepSeconds, gpuBytes: model.gpu.buffers.bytes,
    });
  };

  let reason: FinishReason = 'steps';
  while (run.stepsTaken < config.steps) {
    if (!(await control.mayStep())) {
      reason = 'stopped';
      break;
    }
    await trainStep();
    if (run.stepsTaken % config.evaluateEvery === 0) await evaluate();
    if (stopping.shouldStop) {
      reason = 'earlyStopping';
      break;
    }
  }
  if (sinceEvaluation.steps > 0) await evaluate();
  control.ended = true;
  run.reason = reason;
  state.emit({ type: 'train.finished', runId, reason, step: run.stepsTaken, bestStep: run.best.step, seconds: run.seconds });
  state.emit({ type: 'train.state', runId, state: 'finished' });
}
