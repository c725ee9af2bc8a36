// wllama (llama.cpp in WebAssembly) on the same weights as GGUF: on its threads, or with all layers on WebGPU.
import { Wllama } from '@wllama/wllama';
import wasmUrl from '@wllama/wllama/esm/wasm/wllama.wasm?url';
import { ggufModel } from './ggufModel.ts';
import type { Contestant, Workload } from './workload.ts';

const QUIET = { debug: () => {}, log: () => {}, warn: () => {}, error: (...words: unknown[]) => console.error(...words) };

export async function createWllama({ config, weights, tokenizerJson, endOfText }: Workload, runsOn: 'webgpu' | 'wasm'): Promise<Contestant> {
  const wllama = new Wllama({ default: wasmUrl }, { suppressNativeLog: true, logger: QUIET });
  await wllama.loadModel([ggufModel(config, weights, tokenizerJson, endOfText)], {
    n_ctx: config.maxPositionEmbeddings, n_threads: navigator.hardwareConcurrency, n_parallel: 1, seed: 1,
    ...(runsOn === 'wasm' ? { n_gpu_layers: 0 } : {}),
  });
  return {
    name: `wllama (${runsOn === 'webgpu' ? 'WebGPU' : `WebAssembly, ${wllama.getNumThreads()} threads`})`,
    ours: false,
    runsOn,
    async generate(prompt, count) {
      const { choices } = await wllama.createCompletion({
        // llama.cpp's server takes ids as well as text.
        prompt: prompt as unknown as string[],
        max_tokens: count, temperature: 0, top_k: 1, ignore_eos: true,
        // Or the second time it would not read the prompt.
        ...{ cache_prompt: false },
      });
      return choices[0].text;
    },
    dispose: () => wllama.exit(),
  };
}
