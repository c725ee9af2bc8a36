// SLM-pn: which expert vector the projection starts from. Two strategies of the paper (most frequent cluster, best pretrained) and two that go beyond it
// (mixture, fitted). Every choice says in a sentence what was chosen and why.
import { UserError } from '../core/invariant.ts';
import type { ExpertStrategy } from '../config/runConfig.ts';
import { explainBestPretrained, explainFitted, explainMixture, explainMostFrequent, explainOverride, lowestLoss, mixtureVector, mostFrequentCluster } from '../clusters/strategy.ts';
import type { Projector } from '../model/projection.ts';
import type { SmallModel } from '../model/smallModel.ts';
import type { PackCluster } from '../pack/packClusters.ts';
import type { FillBatch } from '../training/stepper.ts';
import { fitVector } from './fittedVector.ts';

export interface ExpertRequest {
  readonly strategy: ExpertStrategy;
  /** The user's own choice of a cluster; overrides the strategy. */
  readonly cluster?: number;
  readonly fittedSteps: number;
  /** Micro-batches per step of the fitted strategy; 1 unless given. */
  readonly microBatches?: number;
}

export interface DomainEvidence {
  readonly clusters: readonly PackCluster[];
  /** Shares of the training windows per cluster [k]. */
  readonly histogram: readonly number[];
  /** Mean loss of the model's present weights on a fixed part of the training text. */
  readonly trainingLoss: (signal?: AbortSignal) => Promise<number>;
  /** Training windows for the fitted strategy. */
  readonly fill: FillBatch;
}

export interface ChosenExpert {
  readonly strategy: ExpertStrategy;
  readonly vector: Float64Array;
  readonly cluster?: number;
  readonly overridden: boolean;
  readonly explanation: string;
  /** Loss per expert on the training text [k], where all were compared. */
  readonly losses?: readonly number[];
  readonly fittedCurve?: readonly number[];
}

export interface ChoiceOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (stage: string, done: number, total: number) => void;
}

/** Adam's step size for the fitted vector; entries of E are about 1. Chosen on the nano pack, see bench/LOG.md. */
const FITTED_LEARNING_RATE = 0.05;

/** Slices are kept on the GPU while fitting if they take at most this much. */
export const RESIDENT_SLICE_BYTES = 512 * 2 ** 20;

/** Chooses the vector; afterwards `model` holds its projection. `model` needs gradients for the fitted strategy. */
export async function chooseExpert(request: ExpertRequest, evidence: DomainEvidence, projector: Projector, model: SmallModel, options: ChoiceOptions = {}): Promise<ChosenExpert> {
  const { clusters, histogram } = evidence;
  const k = clusters.length;
  if (request.cluster !== undefined) {
    if (!(request.cluster >= 0 && request.cluster < k)) throw new UserError(`There is no cluster ${request.cluster}; this pack has clusters 0 to ${k - 1}.`);
    return fixedExpert(request, request.cluster, true, explainOverride(clusters, histogram, request.cluster), projector, model, options);
  }
  switch (request.strategy) {
    case 'mostFrequent': {
      const cluster = mostFrequentCluster(histogram);
      return fixedExpert(request, cluster, false, explainMostFrequent(clusters, histogram), projector, model, options);
    }
    case 'bestPretrained':
      return bestPretrained(request, evidence, projector, model, options);
    case 'mixture': {
      const vector = mixtureVector(projector.expertVectors, histogram);
      await projector.project(vector, model.weights, options.signal);
      return { strategy: 'mixture', vector: Float64Array.from(vector), overridden: false, explanation: explainMixture(clusters, histogram) };
    }
    case 'fitted':
      return fitted(request, evidence, projector, model, options);
  }
}

async function fixedExpert(request: ExpertRequest, cluster: number, overridden: boolean, explanation: string, projector: Projector, model: SmallModel, { signal }: ChoiceOptions): Promise<ChosenExpert> {
  const vector = projector.expertVector(cluster);
  await projector.project(vector, model.weights, signal);
  return { strategy: request.strategy, vector, cluster, overridden, explanation };
}

async function bestPretrained(request: ExpertRequest, evidence: DomainEvidence, projector: Projector, model: SmallModel, { signal, onProgress }: ChoiceOptions): Promise<ChosenExpert> {
  const losses: number[] = [];
  await projector.keepResident(RESIDENT_SLICE_BYTES);
  for (let expert = 0; expert < evidence.clusters.length; expert++) {
    onProgress?.('Comparing the experts', expert, evidence.clusters.length);
    // The shared weights are there from the first on.
    const vector = projector.expertVector(expert);
    await (expert === 0 ? projector.project(vector, model.weights, signal) : projector.reproject(vector, model.weights, signal));
    losses.push(await evidence.trainingLoss(signal));
  }
  const cluster = lowestLoss(losses);
  await projector.reproject(projector.expertVector(cluster), model.weights, signal);
  return {
    strategy: request.strategy, vector: projector.expertVector(cluster), cluster, overridden: false, losses,
    explanation: explainBestPretrained(evidence.clusters, evidence.histogram, losses),
  };
}

async function fitted(request: ExpertRequest, evidence: DomainEvidence, projector: Projector, model: SmallModel, { signal, onProgress }: ChoiceOptions): Promise<ChosenExpert> {
  await projector.keepResident(RESIDENT_SLICE_BYTES);
  const start = mixtureVector(projector.expertVectors, evidence.histogram);
  await projector.project(start, model.weights, signal);
  const lossBefore = await evidence.trainingLoss(signal);
  const { vector, curve } = await fitVector(model, projector, start, evidence.fill, {
    steps: request.fittedSteps,
    microBatches: request.microBatches ?? 1,
    learningRate: FITTED_LEARNING_RATE,
    signal,
    onStep: (step) => onProgress?.('Fitting the expert vector', step, request.fittedSteps),
  });
  const lossAfter = await evidence.trainingLoss(signal);
  const explanation = explainFitted({ steps: request.fittedSteps, vectorSize: vector.length, lossBefore, lossAfter });
  return { strategy: 'fitted', vector, overridden: false, explanation, fittedCurve: curve };
}
