// Tests only: events as an engine sends them for the nano pack and a small text, in the order of a real session.
import { DEFAULT_RUN_CONFIG, type RunConfig } from '../config/runConfig.ts';
import type { DataSummary, EventOf, LossFigure, PackSummary, TestFigure } from '../protocol/events.ts';

export const figureOf = (perplexity: number): LossFigure => ({
  loss: Math.log(perplexity), perplexity, bitsPerByte: Math.log2(perplexity) / 3.9, tokens: 2048,
});

export const PACK: PackSummary = {
  name: 'nano',
  origin: 'http://localhost/packs/nano/',
  model: {
    vocabSize: 4096, hiddenSize: 128, intermediateSize: 384, numHiddenLayers: 4, numAttentionHeads: 4, headDim: 32,
    maxPositionEmbeddings: 256, rmsNormEps: 1e-5, ropeTheta: 10_000,
  },
  projectedNetwork: { h: 8, k: 2, m: 16 },
  parametersBefore: 5_507_968,
  parametersAfter: 1_377_408,
  bytes: 14_968_503,
  downloadedBytes: 0,
  clusters: [
    { index: 0, label: 'law', topTerms: ['shall'], genericShare: 0.25, genericTokens: 100 },
    { index: 1, label: 'verse', topTerms: ['thou'], genericShare: 0.75, genericTokens: 300 },
  ],
  provenance: 'test',
  optional: { mixtureExperts: 0, largeModel: false, reservoir: false },
};

export const DATA: DataSummary = {
  fingerprint: '9f86d081884c7d65',
  files: 1,
  bytesRead: 82_432,
  documents: 48,
  tokens: 20_911,
  bytes: 81_200,
  bytesPerToken: 3.88,
  exactDuplicates: 0,
  nearDuplicates: 1,
  splits: {
    train: { documents: 38, tokens: 16_702, bytes: 64_900 },
    validation: { documents: 5, tokens: 2_120, bytes: 8_200 },
    test: { documents: 5, tokens: 2_089, bytes: 8_100 },
  },
  lengthHistogram: [{ from: 256, to: 512, count: 48 }],
  fields: [],
  encodings: { 'utf-8': 1 },
  warnings: [],
  seconds: 0.4,
};

export const packLoaded = (pack: PackSummary = PACK): EventOf<'pack.loaded'> => ({ type: 'pack.loaded', pack });

export const dataLoaded = (trainTokens = DATA.splits.train.tokens): EventOf<'data.loaded'> => ({
  type: 'data.loaded',
  data: { ...DATA, splits: { ...DATA.splits, train: { ...DATA.splits.train, tokens: trainTokens } } },
  preview: { document: 0, path: 'tide-mill.jsonl', split: 'train', numTokens: 3, tokens: ['A', ' tide', ' mill'], truncated: false },
});

export const projected = (): EventOf<'model.projected'> => ({
  type: 'model.projected', weightsHash: 'c2d80f1e66ab9034', slm: figureOf(149.2), projected: figureOf(138.4), projectionSeconds: 0.2, bytesRead: 9_437_184,
});

export const trainStarted = (runId: string, config: RunConfig = DEFAULT_RUN_CONFIG): EventOf<'train.started'> => ({
  type: 'train.started', runId, config, gpuBytes: 61_000_000, tokensPerStep: 512, slm: figureOf(149.2), projected: figureOf(138.4),
});

export const trainStepped = (runId: string, step: number, loss: number): EventOf<'train.stepped'> => ({
  type: 'train.stepped', runId, step, tokens: step * 512, seconds: step * 0.03, loss, gradientNorm: 1, learningRate: 1e-3, tokensPerSecond: 17_000, gpuBytes: 61_000_000,
});

export const trainEvaluated = (runId: string, step: number, perplexity: number, best: boolean): EventOf<'train.evaluated'> => ({
  type: 'train.evaluated', runId, step, tokens: step * 512, seconds: step * 0.03, validation: figureOf(perplexity), best,
});

export const testFigure = (model: TestFigure['model'], perplexity: number, interval: readonly [number, number]): TestFigure => ({
  ...figureOf(perplexity), model, interval, weightsHash: '0be9137ac5d2884f', documents: 5,
});
