// A GPU that allocates and computes nothing: planning on it costs microseconds and counts, in the ledger, the bytes that the same plan takes on the real one.
// So an estimate of memory is the plan itself and cannot drift from it.
import { BufferLedger, type BufferView } from './buffers.ts';
import type { Gpu } from './device.ts';
import type { PipelineCache } from './pipelines.ts';

export interface DryRun {
  readonly gpu: Gpu;
  /** Bytes of the largest buffer asked for so far. */
  readonly largestBuffer: () => number;
  /** Bytes of the largest range bound to a kernel so far. */
  readonly largestBinding: () => number;
  /** Most ranges bound to one kernel so far. */
  readonly mostBindings: () => number;
}

export interface DryRunOptions {
  /** Compiles the shaders of what is planned on the real device, which keeps them: the same plan made in earnest then waits for none. */
  readonly compile?: boolean;
}

/** A stand-in with the limits, features and adapter of `gpu`. Only for planning: nothing can be submitted or read. */
export function dryRun(gpu: Gpu, { compile = false }: DryRunOptions = {}): DryRun {
  let largest = 0;
  let largestBound = 0;
  let mostBound = 0;
  const device = {
    limits: gpu.device.limits,
    features: gpu.device.features,
    queue: { writeBuffer: () => {} },
    createBuffer: ({ size }: GPUBufferDescriptor) => {
      largest = Math.max(largest, size);
      return { size, destroy: () => {} };
    },
    createBindGroup: ({ entries }: { readonly entries: readonly { readonly resource: BufferView }[] }) => {
      mostBound = Math.max(mostBound, entries.length);
      for (const { resource } of entries) largestBound = Math.max(largestBound, resource.size);
      return {};
    },
    pushErrorScope: () => {},
    popErrorScope: async () => null,
  } as unknown as GPUDevice;
  const pipelines = compile ? gpu.pipelines : ({ get: async () => ({ getBindGroupLayout: () => ({}) }) } as unknown as PipelineCache);
  return {
    gpu: { device, adapter: gpu.adapter, without: gpu.without, pipelines, buffers: new BufferLedger(device), lost: new Promise(() => {}) },
    largestBuffer: () => largest,
    largestBinding: () => largestBound,
    mostBindings: () => mostBound,
  };
}
