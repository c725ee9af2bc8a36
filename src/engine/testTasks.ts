// The honest headline: plain, projected and fine-tuned model on the same held-out test documents, each figure with a bootstrap interval over documents and
// the hash of the weights that it was computed with.
import type { RunTestFigure } from '../config/runRecord.ts';
import { UserError } from '../core/invariant.ts';
import { weightsHash } from '../formats/weightsHash.ts';
import { hostTensors } from '../model/parameters.ts';
import { SmallModel } from '../model/smallModel.ts';
import type { TestFigure, TestedModel } from '../protocol/events.ts';
import { evaluateSplit, plainWeights } from './evaluationTasks.ts';
import type { EngineState, Run } from './engineState.ts';
import { testFigure } from './figures.ts';

export async function evaluateTest(state: EngineState, run: Run, signal?: AbortSignal): Promise<void> {
  if (state.isTraining) throw new UserError('The test figures are computed when the run has ended.');
  const gpu = state.requireGpu();
  const { pack, table } = state.requirePack();
  const { config, data, projection, runId } = run;
  const rows: [TestedModel, Float32Array][] = [
    ['slm', await plainWeights(state)],
    ['projected', projection.weights],
    ['fineTuned', run.best.weights],
  ];
  const evaluator = await SmallModel.create(gpu, pack.model, { batchSize: config.batchSize, seqLen: config.seqLen }, { train: false });
  try {
    const tested: RunTestFigure[] = [];
    for (const [model, weights] of rows) {
      await evaluator.loadWeights(weights);
      const result = await evaluateSplit(state, data, evaluator, { split: 'test', maxTokens: Infinity }, {
        signal,
        onProgress: (tokensDone, tokensTotal) => state.emit({ type: 'test.progress', runId, model, tokensDone, tokensTotal }),
      });
      tested.push(testFigure(result, weightsHash(hostTensors(table, weights))));
    }
    const [, before, after] = tested;
    run.kept.recorder.change({ test: { before, after }, startingWeightsHash: before.weightsHash });
    run.kept.tell();
    // Shown is what is kept.
    await run.kept.store();
    const figures = tested.map((figure, index): TestFigure => shownFigure(rows[index][0], figure));
    run.figures = figures;
    state.emit({ type: 'test.evaluated', runId, figures });
  } finally {
    evaluator.destroy();
  }
}

const shownFigure = (model: TestedModel, { loss, perplexity, bitsPerByte, tokens, interval, weightsHash: hash, documents }: RunTestFigure): TestFigure =>
  ({ model, loss, perplexity, bitsPerByte, tokens, interval, weightsHash: hash, documents });
