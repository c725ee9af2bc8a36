// Which engine computes, WebGPU on the graphics adapter or WebAssembly on the processor, and what it is to do without.
import { OPTIONAL_MEANS, type OptionalMeans } from '../core/optionalMeans.ts';

export const ENGINE_CHOICES = ['auto', 'webgpu', 'wasm'] as const;

/** `auto`: WebGPU on a real graphics adapter, WebAssembly where there is none. */
export type EngineChoice = (typeof ENGINE_CHOICES)[number];

export interface EngineRequest {
  /** By default `auto`. */
  readonly engine?: EngineChoice;
  /** Switched off, though this browser may offer it. */
  readonly without?: readonly OptionalMeans[];
}

/** What a page's address asks for (`?engine=wasm&without=threads,fusedProducts`); names that mean nothing ask for nothing. */
export function engineRequestOf(search: string): Required<EngineRequest> {
  const asked = new URLSearchParams(search);
  const without = (asked.get('without') ?? '').split(',');
  return {
    engine: ENGINE_CHOICES.find((choice) => choice === asked.get('engine')) ?? 'auto',
    without: OPTIONAL_MEANS.filter((means) => without.includes(means)),
  };
}
