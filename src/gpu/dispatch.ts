// A step is planned once as a list of operations (dispatches, clears, copies) with their bind groups made, and replayed as often as wanted.
import { ceilDivide } from '../core/tensor.ts';
import type { BufferView } from './buffers.ts';
import type { Gpu } from './device.ts';
import type { ShaderSource } from './pipelines.ts';

export interface DispatchOp {
  readonly kind: 'dispatch';
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

export interface ClearOp {
  readonly kind: 'clear';
  readonly label: string;
  readonly view: BufferView;
}

export interface CopyOp {
  readonly kind: 'copy';
  readonly label: string;
  readonly source: BufferView;
  readonly target: BufferView;
}

export type Op = DispatchOp | ClearOp | CopyOp;

/** Operations whose pipelines may still be compiling. Plans collect these, so that all shaders of a step compile side by side. */
export type PendingOps = Promise<Op | readonly Op[]>;

/** Waits for every pipeline; the order is kept. @throws the first compilation failure */
export async function settleOps(pending: readonly PendingOps[]): Promise<Op[]> {
  return (await Promise.all(pending)).flat();
}

/**
 * Makes a dispatch: `bindings[i]` becomes @binding(i) of @group(0). A binding that the shader does not use statically must not be passed.
 * Workgroup counts above 65,535 along x are folded into y; shaders that may see that compute their index as
 * `id.x + id.y * num_workgroups.x * workgroup_size` (see linearWorkgroups).
 */
export async function createDispatch(
  gpu: Gpu,
  source: ShaderSource,
  bindings: readonly BufferView[],
  workgroups: readonly [number, number?, number?],
): Promise<DispatchOp> {
  const pipeline = await gpu.pipelines.get(source);
  const bindGroup = gpu.device.createBindGroup({
    label: source.label,
    layout: pipeline.getBindGroupLayout(0),
    entries: bindings.map(({ buffer, offset, size }, binding) => ({ binding, resource: { buffer, offset, size } })),
  });
  return { kind: 'dispatch', label: source.label, pipeline, bindGroup, workgroups: [workgroups[0], workgroups[1] ?? 1, workgroups[2] ?? 1] };
}

const MAX_WORKGROUPS_PER_DIMENSION = 65_535;

/** Workgroup counts [x, y] for `numInvocations` in groups of `workgroupSize`, folded into two dimensions past the limit of one. */
export function linearWorkgroups(numInvocations: number, workgroupSize: number): readonly [number, number] {
  const groups = ceilDivide(numInvocations, workgroupSize);
  if (groups <= MAX_WORKGROUPS_PER_DIMENSION) return [groups, 1];
  const y = ceilDivide(groups, MAX_WORKGROUPS_PER_DIMENSION);
  return [ceilDivide(groups, y), y];
}

/** Records `ops` in order. Consecutive dispatches share a compute pass; WebGPU orders their memory accesses. */
export function encodeOps(encoder: GPUCommandEncoder, ops: readonly Op[], timestampWrites?: GPUComputePassTimestampWrites): void {
  let pass: GPUComputePassEncoder | undefined;
  for (const op of ops) {
    if (op.kind === 'dispatch') {
      pass ??= encoder.beginComputePass({ label: op.label, timestampWrites });
      pass.setPipeline(op.pipeline);
      pass.setBindGroup(0, op.bindGroup);
      pass.dispatchWorkgroups(...op.workgroups);
      continue;
    }
    pass?.end();
    pass = undefined;
    if (op.kind === 'clear') encoder.clearBuffer(op.view.buffer, op.view.offset, op.view.size);
    else encoder.copyBufferToBuffer(op.source.buffer, op.source.offset, op.target.buffer, op.target.offset, op.source.size);
  }
  pass?.end();
}

/** Encodes and submits `ops` as one command buffer. */
export function submitOps(gpu: Gpu, label: string, ops: readonly Op[]): void {
  const encoder = gpu.device.createCommandEncoder({ label });
  encodeOps(encoder, ops);
  gpu.device.queue.submit([encoder.finish()]);
}
