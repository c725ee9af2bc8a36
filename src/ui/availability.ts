// What each step waits for, as one sentence; undefined means it can be used. Pure, so that the rail, the sections and the tests agree.
import type { DeviceStatus } from '../stores/deviceStore.ts';
import { hasModel, type Run } from '../stores/runsStore.ts';
import type { StepId } from './steps.ts';

export interface StudioFacts {
  readonly device: DeviceStatus;
  readonly hasPack: boolean;
  readonly hasData: boolean;
  readonly hasProjection: boolean;
  readonly run?: Pick<Run, 'state' | 'figures' | 'keptStep'>;
}

const NO_GPU = 'This step computes through WebGPU or in WebAssembly, and this browser offers neither here. The notice at the top says how to get it.';
const LOST_GPU = 'This step needs the GPU or the engine that stands in for it, which the browser took away. The notice on this page opens it again.';

export function waitsFor(step: StepId, facts: StudioFacts): string | undefined {
  const { device, hasPack, hasData, hasProjection, run } = facts;
  if (step === 'pack') return undefined;
  if (step === 'data') return hasPack ? undefined : 'Waits for a model pack, because its tokenizer is what cuts your text into tokens.';
  if (step === 'expert') return hasData ? undefined : 'Waits for your text: the experts are compared on it.';
  // The kept runs stay readable whatever is loaded.
  if (step === 'compare') return undefined;
  // What was already computed stays readable after the GPU is gone.
  if (step === 'train' && run) return undefined;
  if (step === 'result' && run?.figures) return undefined;
  // The weights are kept in the engine's own memory, so a model can be taken away without a GPU.
  const trained = hasModel(run);
  if (step === 'export' && trained) return undefined;
  if (device === 'unavailable') return NO_GPU;
  if (device === 'lost') return LOST_GPU;
  if (step === 'train') return hasProjection ? undefined : 'Waits for a projected model: choose an expert and project it in step 3.';
  if (step === 'result') return trained ? undefined : 'Waits for the end of a run: all three models are then measured on text that none of them has seen.';
  if (step === 'samples') return trained ? undefined : 'Waits for the end of a run, so that both models can write from the same prompt.';
  return trained ? undefined : 'Waits for the end of a run: then your model is ready to be downloaded.';
}
