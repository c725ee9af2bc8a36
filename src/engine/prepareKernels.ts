// Warm-up: while the user looks at the data, the kernels of the run that the settings describe are measured and compiled, so that its first step begins at once.
import type { RunConfig } from '../config/runConfig.ts';
import { dryRun } from '../gpu/dryRun.ts';
import { createTrainee, tuneTrainee } from '../training/trainee.ts';
import type { EngineState } from './engineState.ts';
import { keepChoices } from './keptChoices.ts';

/** Answers with kernels.prepared. A lost device or settings that fit no adapter are for those to tell who really train. */
export async function prepareKernels(state: EngineState, config: RunConfig, signal: AbortSignal): Promise<void> {
  const gpu = state.requireGpu();
  const { pack } = state.requirePack();
  const started = performance.now();
  // A measurement beside a run would disturb both; that run has measured already.
  if (!state.isBusy) {
    await tuneTrainee(gpu, pack.model, config);
    await keepChoices(gpu);
  }
  signal.throwIfAborted();
  await createTrainee(dryRun(gpu, { compile: true }).gpu, pack.model, config);
  signal.throwIfAborted();
  state.emit({ type: 'kernels.prepared', seconds: (performance.now() - started) / 1000 });
}
