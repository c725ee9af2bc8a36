// Expert commands: where the domain lies among the clusters, which vector to project, and how the projection compares with the plain model.
import type { ChoiceOf } from '../config/method.ts';
import { DEFAULT_FITTED_STEPS, DEFAULT_RUN_CONFIG } from '../config/runConfig.ts';
import { UserError } from '../core/invariant.ts';
import { clusterHistogram } from '../clusters/assign.ts';
import { createDocumentEncoder } from '../clusters/documentEncoder.ts';
import { Pace } from '../data/pace.ts';
import { documentWindows } from '../data/documentWindows.ts';
import { TrainingWindows } from '../data/windows.ts';
import { weightsHash } from '../formats/weightsHash.ts';
import { choiceCost } from '../methods/choiceCost.ts';
import { chooseExpert, type ChosenExpert } from '../methods/expertChoice.ts';
import { domainEvidence, withProjector } from '../methods/projectedExpert.ts';
import { hostTensors } from '../model/parameters.ts';
import type { Projector } from '../model/projection.ts';
import type { SmallModel } from '../model/smallModel.ts';
import type { ExpertChoice } from '../protocol/commands.ts';
import { cachedFigure, plainWeights } from './evaluationTasks.ts';
import type { EngineState } from './engineState.ts';

/** Windows that are embedded at most; a larger text is sampled evenly. */
export const MAX_CLUSTER_WINDOWS = 4096;

export async function analyzeClusters(state: EngineState, signal: AbortSignal): Promise<void> {
  const { pack } = state.requirePack();
  const data = state.requireData();
  state.encoder ??= await createDocumentEncoder(await pack.readEncoder(), { windowTokens: pack.windowTokens });
  const text = documentWindows(data.corpus, data.split.documents.train, pack.windowTokens, MAX_CLUSTER_WINDOWS);
  const pace = new Pace(signal);
  const { histogram, windows } = await clusterHistogram(state.encoder, pack.centroids, text.windows, {
    windowTokens: pack.windowTokens,
    signal,
    onProgress: (done, total) => {
      if (pace.isDue || done === total) state.emit({ type: 'expert.progress', stage: 'Embedding your text', done, total });
      return pace.breathe();
    },
  });
  signal.throwIfAborted();
  if (state.data !== data) return;
  state.histogram = { shares: Array.from(histogram), windows };
  state.emit({ type: 'expert.analyzed', histogram: state.histogram.shares, windows });
}

export async function projectExpert(state: EngineState, choice: ExpertChoice, signal: AbortSignal): Promise<void> {
  const gpu = state.requireGpu();
  const { pack, table, tokenizer } = state.requirePack();
  const data = state.requireData();
  if (state.isTraining) throw new UserError('Stop the training run before projecting again.');
  if (!state.histogram) await analyzeClusters(state, signal);
  const { histogram } = state;
  if (!histogram) throw new UserError('The text changed while it was compared with the clusters; try again.');
  const shape = { batchSize: DEFAULT_RUN_CONFIG.batchSize, seqLen: Math.min(DEFAULT_RUN_CONFIG.seqLen, pack.model.maxPositionEmbeddings) };
  state.emit({ type: 'expert.progress', stage: 'Preparing the GPU', done: 0, total: 1 });
  const needsGradients = choice.strategy === 'fitted' && choice.cluster === undefined;
  await withProjector(gpu, pack, table, shape, { train: needsGradients }, async ({ model, projector }) => {
    const windows = new TrainingWindows(data.corpus, data.split.documents.train, { endOfText: tokenizer.endOfText, seqLen: shape.seqLen, seed: DEFAULT_RUN_CONFIG.seed });
    const evidence = domainEvidence(pack, windows, histogram.shares, model);
    const started = performance.now();
    const request = { ...choice, fittedSteps: choice.fittedSteps ?? DEFAULT_FITTED_STEPS };
    const expert = await chooseExpert(request, evidence, projector, model, {
      signal,
      onProgress: (stage, done, total) => state.emit({ type: 'expert.progress', stage, done, total }),
    });
    const sizes = { seqLen: shape.seqLen, comparedTokens: evidence.compared.numTokens, tokensPerFittingStep: model.rows };
    const cost = { ...choiceCost(pack, expert, sizes), seconds: (performance.now() - started) / 1000 };
    // Timed apart from the choice: one projection of the chosen vector, streamed from the file, as anyone would do who knows it already.
    const timed = await timeProjection(projector, expert.vector, model);
    const weights = await model.readWeights();
    const hash = weightsHash(hostTensors(table, weights));
    const plain = await plainWeights(state);
    const part = { split: 'validation', maxTokens: DEFAULT_RUN_CONFIG.evaluationTokens } as const;
    state.emit({ type: 'expert.progress', stage: 'Validating', done: 0, total: 2 });
    const projected = await cachedFigure(state, data, model, part, hash, async () => weights, signal);
    state.emit({ type: 'expert.progress', stage: 'Validating', done: 1, total: 2 });
    const slm = await cachedFigure(state, data, model, part, weightsHash(hostTensors(table, plain)), async () => plain, signal);
    signal.throwIfAborted();
    if (state.data !== data) return;
    state.forgetProjection();
    state.projection = { expert, histogram: histogram.shares, weights, weightsHash: hash, choice: methodChoice(request, expert), cost };
    const { strategy, cluster, overridden, explanation, losses, vector, fittedCurve } = expert;
    state.emit({ type: 'expert.chosen', strategy, cluster, overridden, explanation, losses, vector: Array.from(vector), fittedCurve });
    state.emit({ type: 'model.projected', weightsHash: hash, slm, projected, projectionSeconds: timed.seconds, bytesRead: timed.bytesRead });
  });
}

/** The choice as a method of kept runs, with the options that mattered. */
function methodChoice({ strategy, cluster, fittedSteps }: ExpertChoice, { overridden }: ChosenExpert): ChoiceOf<'SLM-pn'> {
  return { method: 'SLM-pn', strategy, ...(overridden ? { cluster } : strategy === 'fitted' ? { fittedSteps } : {}) };
}

async function timeProjection(projector: Projector, vector: ArrayLike<number>, model: SmallModel): Promise<{ seconds: number; bytesRead: number }> {
  projector.releaseResident();
  const start = performance.now();
  const bytesRead = await projector.project(vector, model.weights);
  await model.gpu.device.queue.onSubmittedWorkDone();
  return { seconds: (performance.now() - start) / 1000, bytesRead };
}
