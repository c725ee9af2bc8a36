// wllama (llama.cpp in WebAssembly) on the same weights as GGUF: on its threads, or with all layers on WebGPU.
import { Wllama } from '@wllama/wllama';
import wasmUrl from '@wllama/wllama/esm/wasm/wllama.wasm?url';
import { ggufModel } from './ggufModel.ts';
import type { Contestant, Workload } from './workload.ts';

const END_OF_TEXT = '<|endoftext|>';
const QUIET = { debug: () => {}, log: () => {}, warn: () => {}, error: (...words: unknown[]) => console.error(...words) };

export async function createWllama({ config, weights, tokenizerJson, endOfText, decode }: Workload, runsOn: 'webgpu' | 'wasm', threads = navigator.hardwareConcurrency): Promise<Contestant> {
  // Without it llama.cpp says nothing and computes on the processor.
  if (runsOn === 'webgpu' && !(await navigator.gpu.requestAdapter())?.features.has('shader-f16')) throw new Error('llama.cpp needs 16-bit floats of a GPU');
  const wllama = new Wllama({ default: wasmUrl }, { suppressNativeLog: true, logger: QUIET });
  await wllama.loadModel([ggufModel(config, weights, tokenizerJson, endOfText)], {
    n_ctx: config.maxPositionEmbeddings, n_threads: threads, n_parallel: 1, seed: 1,
    ...(runsOn === 'wasm' ? { n_gpu_layers: 0 } : {}),
  });
  return {
    name: `wllama (${runsOn === 'webgpu' ? 'WebGPU' : `WebAssembly, threads: ${wllama.getNumThreads()}`})`,
    ours: false,
    runsOn,
    async generate(prompt, count) {
      // This llama.cpp server takes text alone; special tokens are read in it.
      const text = prompt.map((id) => (id === endOfText ? END_OF_TEXT : decode([id]))).join('');
      const { choices, usage } = await wllama.createCompletion({
        prompt: text, max_tokens: count, temperature: 0, top_k: 1, ignore_eos: true,
        // Or the second time it would not read the prompt.
        ...{ cache_prompt: false },
      });
      if (usage.prompt_tokens !== prompt.length) throw new Error(`wllama reads ${usage.prompt_tokens} tokens where ${prompt.length} were meant`);
      return choices[0].text;
    },
    dispose: () => wllama.exit(),
  };
}
