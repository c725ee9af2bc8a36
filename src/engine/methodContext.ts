// What a method may ask of the engine, for one run.
import type { RunConfig } from '../config/runConfig.ts';
import { clusterHistogram } from '../clusters/assign.ts';
import { createDocumentEncoder } from '../clusters/documentEncoder.ts';
import { documentWindows } from '../data/documentWindows.ts';
import { Pace } from '../data/pace.ts';
import type { Gpu } from '../gpu/device.ts';
import type { MethodContext } from '../methods/method.ts';
import type { EngineState } from './engineState.ts';
import { plainWeights } from './evaluationTasks.ts';
import { MAX_CLUSTER_WINDOWS } from './expertTasks.ts';
import type { RunRecorder } from './runRecorder.ts';
import type { RunText, RunWindows } from './runText.ts';

export interface RunFacts {
  readonly gpu: Gpu;
  readonly recorder: RunRecorder;
  readonly settings: RunConfig;
  readonly text: RunText;
  readonly windows: RunWindows;
  readonly signal: AbortSignal;
}

export function methodContext(state: EngineState, { gpu, recorder, settings, text, windows, signal }: RunFacts): MethodContext {
  const { pack, table } = state.requirePack();
  const { runId, notes } = recorder.record;
  const progress = (stage: string, done: number, total: number): void => state.emit({ type: 'run.progress', runId, stage, done, total });
  return {
    gpu, pack, table, settings, signal, progress,
    recalled: notes,
    plainWeights: () => plainWeights(state),
    domainWindows: () => windows.training(),
    note: (added) => recorder.note(added),
    spend: (spent) => recorder.spent(spent),
    histogram: async () => {
      const known = recorder.record.notes.histogram ?? (state.data?.summary.fingerprint === text.fingerprint && !text.part ? state.histogram?.shares : undefined);
      if (known) return known;
      state.encoder ??= await createDocumentEncoder(await pack.readEncoder(), { windowTokens: pack.windowTokens });
      const sampled = documentWindows(text.corpus, text.split.documents.train, pack.windowTokens, MAX_CLUSTER_WINDOWS);
      const pace = new Pace(signal);
      const { histogram } = await clusterHistogram(state.encoder, pack.centroids, sampled.windows, {
        windowTokens: pack.windowTokens, signal,
        onProgress: (done, total) => {
          progress('Embedding your text', done, total);
          return pace.breathe();
        },
      });
      return Array.from(histogram);
    },
  };
}
