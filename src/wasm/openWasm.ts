// Opens the WebAssembly device: for browsers without WebGPU, and for those whose only graphics adapter is a processor playing one.
import type { OptionalMeans } from '../core/optionalMeans.ts';
import { BufferLedger } from '../gpu/buffers.ts';
import type { AdapterDescription, Gpu } from '../gpu/device.ts';
import { createInlineRunner } from './inlineRunner.ts';
import { loadKernels } from './kernelBuild.ts';
import type { KernelRunner } from './kernelJob.ts';
import { createMemory, LinearMemory } from './linearMemory.ts';
import { SoftwareDevice } from './softwareDevice.ts';
import { createThreadPool } from './threadPool.ts';

/** More threads than this wait for each other more than they help. */
const MOST_THREADS = 16;
/** Start of memory, which the compiler keeps for its tables. */
const STATIC_BYTES = 65_536;
/** Kept free for what threads need of their own. */
const RESERVED_BYTES = 32 * 2 ** 20;

export interface WasmOptions {
  /** By default one for each processor core that the browser reports, and 1 where a page may not share memory between threads. */
  readonly threads?: number;
  /** Whether to multiply and add in one instruction; by default where the browser can. */
  readonly fused?: boolean;
  /** Switched off, unless the two above say otherwise. */
  readonly without?: readonly OptionalMeans[];
}

const ONE_THREAD = 'On one thread, because the server of this page does not send the two headers that let threads share memory.';

/** Pages share memory between threads only where two headers isolate them (README). */
const canShareMemory = (): boolean => globalThis.crossOriginIsolated === true && typeof Worker === 'function';

const isDeniedThreads = (): boolean => typeof Worker === 'function' && !canShareMemory();

/** @throws UserError in one sentence when this browser cannot run it */
export async function openWasm({ without = [], threads = without.includes('threads') ? 1 : undefined, fused = without.includes('fusedProducts') ? false : undefined }: WasmOptions = {}): Promise<Gpu> {
  const numThreads = canShareMemory() ? Math.min(MOST_THREADS, threads ?? navigator.hardwareConcurrency) : 1;
  const shared = numThreads > 1;
  const build = await loadKernels({ shared, fused });
  const { memory, maxBytes } = createMemory(shared);
  const ranges = new LinearMemory(memory, STATIC_BYTES, maxBytes);
  const runner: KernelRunner = shared ? await createThreadPool(build.module, memory, ranges, numThreads) : createInlineRunner(build.module, memory);
  const software = new SoftwareDevice(ranges, runner, maxBytes - RESERVED_BYTES);
  const device = software as unknown as GPUDevice;
  return {
    device, adapter: describe(runner.numThreads, build.fused, software), without: new Set(without), pipelines: software.pipelines,
    buffers: new BufferLedger(device, undefined, 'The WebAssembly engine'), lost: software.lost,
  };
}

function describe(numThreads: number, fused: boolean, { features, limits }: SoftwareDevice): AdapterDescription {
  return {
    engine: 'wasm',
    name: `WebAssembly, ${numThreads} ${numThreads === 1 ? 'thread' : 'threads'}`,
    vendor: '', architecture: 'wasm32',
    description: `On the processor, four numbers at a time${fused ? ', multiplying and adding in one instruction' : ''}.${isDeniedThreads() ? ` ${ONE_THREAD}` : ''}`,
    isFallback: true,
    features: [...features],
    maxBufferSize: limits.maxBufferSize,
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
  };
}
