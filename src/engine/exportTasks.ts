// Export: the best weights of a run as a zip that Hugging Face transformers reads, with a card that says where they come from.
import { UserError } from '../core/invariant.ts';
import { buildHuggingFaceZip } from '../export/huggingFace.ts';
import type { ModelCard } from '../export/modelCard.ts';
import { weightsHash } from '../formats/weightsHash.ts';
import { hostTensors } from '../model/parameters.ts';
import type { EngineState, Run } from './engineState.ts';

export async function exportModel(state: EngineState, run: Run): Promise<void> {
  if (!run.control.ended) throw new UserError('Stop the run before taking its model away.');
  const { pack, table } = state.requirePack();
  const tensors = hostTensors(table, run.best.weights);
  const file = await buildHuggingFaceZip({
    model: pack.model,
    contextLength: pack.model.maxPositionEmbeddings,
    tensors,
    tokenizerJsonText: pack.tokenizerJsonText,
    tokenizerConfigText: pack.tokenizerConfigText,
    card: modelCard(state, run, weightsHash(tensors)),
  });
  state.emit({ type: 'model.exported', runId: run.runId, file, fileName: `${pack.name}-specialized-${run.runId}.zip` });
}

function modelCard(state: EngineState, run: Run, hash: string): ModelCard {
  const { pack } = state.requirePack();
  const { summary } = run.data;
  const { expert, histogram } = run.projection;
  const { name, origin, provenance, projectedNetwork } = pack;
  return {
    title: `${name}, specialized`,
    date: new Date().toISOString(),
    pack: { name, origin, provenance, projectedNetwork },
    data: summary,
    expert: { ...expert, histogram, labels: pack.clusters.map(({ label }) => label) },
    settings: run.config,
    training: { steps: run.stepsTaken, bestStep: run.best.step, tokens: run.stepsTaken * run.tokensPerStep, seconds: run.seconds, reason: run.reason ?? 'interrupted' },
    curve: run.curve.map(({ step, train, validation }) => ({ step, trainLoss: train, validationLoss: validation.loss })),
    test: run.figures ?? [],
    adapter: run.adapterName,
    weightsHash: hash,
  };
}
