// Which engine computes: WebGPU on the graphics adapter, or WebAssembly on the processor.

export const ENGINE_CHOICES = ['auto', 'webgpu', 'wasm'] as const;

/** `auto`: WebGPU on a real graphics adapter, WebAssembly where there is none. */
export type EngineChoice = (typeof ENGINE_CHOICES)[number];

/** The choice in a page's address (`?engine=wasm`); `auto` where there is none or it is no such thing. */
export function engineChoiceOf(search: string): EngineChoice {
  const asked = new URLSearchParams(search).get('engine');
  return ENGINE_CHOICES.find((choice) => choice === asked) ?? 'auto';
}
