// onnxruntime-web on the same weights: prompt in one run, then a run for each token; on WebGPU keys and values stay in GPU buffers from run to run.
import type * as OnnxRuntime from 'onnxruntime-web';
import { onnxDecoder, type OnnxAttention } from './onnxDecoder.ts';
import type { Contestant, Workload } from './workload.ts';

type Provider = 'webgpu' | 'wasm';

export async function createOrt({ config, weights }: Workload, provider: Provider, { threads = navigator.hardwareConcurrency, attention }: { readonly threads?: number; readonly attention: OnnxAttention }): Promise<Contestant> {
  const { numAttentionHeads: NH, headDim: HS, numHiddenLayers: L } = config;
  const ort = (provider === 'webgpu' ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm')) as typeof OnnxRuntime;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
  const caches = Array.from({ length: L }, (_, layer) => [`${layer}.key`, `${layer}.value`]).flat();
  const session = await ort.InferenceSession.create(onnxDecoder(config, weights, attention), {
    executionProviders: [provider],
    logSeverityLevel: 3,
    intraOpNumThreads: threads,
    graphOptimizationLevel: 'all',
    preferredOutputLocation: provider === 'webgpu' ? Object.fromEntries(caches.map((name) => [`present.${name}`, 'gpu-buffer'])) : undefined,
  });
  const lengths = (total: number): Record<string, OnnxRuntime.Tensor> => ({
    seqlens_k: new ort.Tensor('int32', Int32Array.of(total - 1), [1]),
    total: new ort.Tensor('int32', Int32Array.of(total), []),
  });
  const positionsAndMask = (cached: number, T: number): Record<string, OnnxRuntime.Tensor> => {
    const width = cached + T;
    return {
      positions: new ort.Tensor('int64', BigInt64Array.from({ length: T }, (_, i) => BigInt(cached + i)), [T]),
      mask: new ort.Tensor('float32', Float32Array.from({ length: T * width }, (_, i) => (i % width <= cached + Math.floor(i / width) ? 0 : -1e30)), [T, width]),
    };
  };
  return {
    name: `onnxruntime-web ${ort.env.versions.web} (${provider === 'webgpu' ? 'WebGPU' : `WebAssembly, threads: ${threads}`}, ${attention} attention)`,
    ours: false,
    runsOn: provider,
    async generate(prompt, count) {
      const ids: number[] = [];
      let past: Record<string, OnnxRuntime.Tensor> = Object.fromEntries(caches.map((name) => [name, new ort.Tensor('float32', new Float32Array(0), [1, NH, 0, HS])]));
      let fresh: readonly number[] = prompt;
      let total = 0;
      while (ids.length < count) {
        total += fresh.length;
        const outputs = await session.run({
          tokens: new ort.Tensor('int64', BigInt64Array.from(fresh, BigInt), [1, fresh.length]),
          ...(attention === 'fused' ? lengths(total) : positionsAndMask(total - fresh.length, fresh.length)),
          ...Object.fromEntries(caches.map((name) => [`past.${name}`, past[name]])),
        });
        for (const name of caches) past[name].dispose();
        past = Object.fromEntries(caches.map((name) => [name, outputs[`present.${name}`]]));
        const id = Number((outputs.next.data as BigInt64Array)[0]);
        ids.push(id);
        fresh = [id];
      }
      for (const name of caches) past[name].dispose();
      return ids;
    },
    dispose: () => session.release(),
  };
}
