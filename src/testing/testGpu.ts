// The device of the GPU tests: WebGPU's, or the WebAssembly engine's where vite.config.ts says so. A missing WebGPU is a failure, never a skip. Destroyed buffers and validation errors are
// checked for.
import { openGpu, type Gpu } from '../gpu/device.ts';
import { openWasm } from '../wasm/openWasm.ts';

let opened: Promise<Gpu> | undefined;

/** One device for a whole test file. @throws when WebGPU is missing: that fails the suite on purpose */
export function testGpu(): Promise<Gpu> {
  const engine = import.meta.env.TEST_ENGINE as string | undefined;
  opened ??= engine ? openWasm({ fused: engine === 'wasm-fused' }) : openGpu();
  return opened;
}

/** The WebAssembly engine on so many threads, opened anew. Browsers have them, Node has one. */
export function threadedGpu(threads: number): Promise<Gpu> {
  return openWasm({ threads });
}

/** The same device taken for a real adapter, on which kernels are measured and nothing is remembered yet; without the variants that cost a software one seconds to compile. */
export function asHardware(gpu: Gpu): Gpu {
  return { ...gpu, adapter: { ...gpu.adapter, isFallback: false }, without: new Set(['workgroupMemory']) };
}

/** Runs `body` inside a validation error scope and fails on any error the GPU reports. */
export async function withoutGpuErrors<T>(gpu: Gpu, body: () => Promise<T>): Promise<T> {
  gpu.device.pushErrorScope('validation');
  gpu.device.pushErrorScope('out-of-memory');
  let result: T;
  try {
    result = await body();
  } finally {
    const errors = [await gpu.device.popErrorScope(), await gpu.device.popErrorScope()];
    for (const error of errors) if (error) throw new Error(`GPU error: ${error.message}`);
  }
  return result;
}

/** Values in [-1, 1) from a seed. */
export function randomFloats(length: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2147483648 - 1;
  });
}
