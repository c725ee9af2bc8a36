// The part of WebGPU's device that this project uses, over one WebAssembly memory: buffers are ranges of it, a pipeline is a kernel with its numbers, a dispatch a job for the queue.
// So everything above runs on it unchanged. What WebGPU has and nobody here uses is missing.
import { OutOfGpuMemoryError, type HostVisible } from '../gpu/buffers.ts';
import { WEBASSEMBLY_FEATURE, type ShaderSource, type SoftwareKernel } from '../gpu/pipelines.ts';
import { roundUp } from '../core/tensor.ts';
import { CommandQueue } from './commandQueue.ts';
import type { KernelJob, KernelRunner, Scratch } from './kernelJob.ts';
import type { LinearMemory } from './linearMemory.ts';

/** Bytes that one item of a copy or a clear moves. */
const BYTES_PER_ITEM = 2 ** 16;

interface BindGroup {
  readonly addresses: readonly number[];
  /** The dispatch it was made for, once there was one: plans are replayed thousands of times. */
  job?: KernelJob;
}

/** A range of memory in the place of a GPUBuffer. `start` is undefined where there was no room. */
class SoftwareBuffer implements HostVisible {
  readonly mapState = 'unmapped';

  constructor(readonly label: string, readonly size: number, readonly usage: number, readonly start: number | undefined, private readonly device: SoftwareDevice) {}

  /** @throws Error when there was no room for it */
  address(offset: number): number {
    if (this.start === undefined) throw new Error(`There was no memory for ${this.label}.`);
    return this.start + offset;
  }

  destroy(): void {
    this.device.release(this);
  }

  hostBytes(offset: number, size: number): Uint8Array | undefined {
    if (!this.device.memory.isShared) return undefined;
    const start = this.address(offset);
    this.device.memory.touch(start + size);
    return this.device.memory.bytes(start, size);
  }

  mapAsync(): Promise<void> {
    this.address(0);
    return this.device.queue.onSubmittedWorkDone();
  }

  /** A copy, because what may be kept, hashed or sent must not be shared memory. */
  getMappedRange(offset = 0, size = this.size - offset): ArrayBuffer {
    return this.device.memory.bytes(this.address(offset), size).slice().buffer;
  }

  unmap(): void {}
}

/** Collects jobs as a GPUCommandEncoder and its compute pass do. */
class SoftwareEncoder {
  private readonly jobs: KernelJob[] = [];
  private pipeline: SoftwareKernel | undefined;
  private bindGroup: BindGroup | undefined;

  constructor(private readonly memory: LinearMemory) {}

  beginComputePass(): this {
    return this;
  }

  end(): void {}

  setPipeline(pipeline: SoftwareKernel): void {
    this.pipeline = pipeline;
  }

  setBindGroup(_index: number, bindGroup: BindGroup): void {
    this.bindGroup = bindGroup;
  }

  dispatchWorkgroups(): void {
    const { pipeline, bindGroup } = this;
    if (!pipeline || !bindGroup) throw new Error('A dispatch needs a pipeline and a bind group.');
    if (bindGroup.job?.kernel !== pipeline.kernel) bindGroup.job = { kernel: pipeline.kernel, items: pipeline.items, args: [...bindGroup.addresses, ...pipeline.args] };
    this.jobs.push(bindGroup.job);
  }

  clearBuffer(buffer: SoftwareBuffer, offset = 0, size = buffer.size - offset): void {
    this.jobs.push({ kernel: 'clearBytes', items: Math.ceil(size / BYTES_PER_ITEM), args: [buffer.address(offset), size, BYTES_PER_ITEM] });
  }

  copyBufferToBuffer(source: SoftwareBuffer, sourceOffset: number, target: SoftwareBuffer, targetOffset: number, size: number): void {
    this.memory.touch(target.address(targetOffset) + size);
    this.jobs.push({ kernel: 'copyBytes', items: Math.ceil(size / BYTES_PER_ITEM), args: [source.address(sourceOffset), target.address(targetOffset), size, BYTES_PER_ITEM] });
  }

  finish(): readonly KernelJob[] {
    return this.jobs;
  }
}

interface ErrorScope {
  readonly filter: GPUErrorFilter;
  error: { readonly message: string } | null;
}

export class SoftwareDevice {
  readonly features: ReadonlySet<string> = new Set([WEBASSEMBLY_FEATURE]);
  readonly limits: Pick<GPUSupportedLimits, 'maxBufferSize' | 'maxStorageBufferBindingSize' | 'minStorageBufferOffsetAlignment' | 'maxComputeWorkgroupStorageSize'>;
  readonly lost: Promise<{ readonly reason: 'destroyed' | 'unknown'; readonly message: string }>;
  readonly queue: SoftwareQueue;
  readonly pipelines = { get: (source: ShaderSource) => this.pipelineOf(source) };
  private readonly commands: CommandQueue;
  private readonly scopes: ErrorScope[] = [];
  private readonly live = new Set<SoftwareBuffer>();
  private scratch: Scratch = { start: 0, stride: 0 };
  private destroyed = false;

  /** @param maxBytes of all buffers together */
  constructor(readonly memory: LinearMemory, private readonly runner: KernelRunner, maxBytes: number) {
    this.limits = { maxBufferSize: maxBytes, maxStorageBufferBindingSize: maxBytes, minStorageBufferOffsetAlignment: 256, maxComputeWorkgroupStorageSize: 0 };
    this.commands = new CommandQueue(runner, () => this.scratch);
    this.queue = new SoftwareQueue(memory, this.commands);
    this.lost = runner.lost.then((message) => {
      this.commands.fail(message);
      return { reason: this.destroyed ? 'destroyed' : 'unknown', message };
    });
  }

  createBuffer({ label = '', size, usage }: GPUBufferDescriptor): GPUBuffer {
    const start = this.memory.allocate(size);
    if (start === undefined) this.report('out-of-memory', `There are no ${size} bytes for ${label}.`);
    const buffer = new SoftwareBuffer(label, size, usage, start, this);
    this.live.add(buffer);
    return buffer as unknown as GPUBuffer;
  }

  /** Gives a buffer's memory back once what was submitted no longer uses it. */
  release(buffer: SoftwareBuffer): void {
    const { start, size } = buffer;
    if (!this.live.delete(buffer) || start === undefined) return;
    this.commands.act(() => this.memory.release(start, size, false));
  }

  createBindGroup({ entries }: { readonly entries: Iterable<{ readonly resource: { readonly buffer: SoftwareBuffer; readonly offset?: number; readonly size?: number } }> }): BindGroup {
    const addresses = Array.from(entries, ({ resource: { buffer, offset = 0, size = buffer.size - offset } }) => {
      if (buffer.start === undefined) return 0;
      this.memory.touch(buffer.start + offset + size);
      return buffer.start + offset;
    });
    return { addresses };
  }

  createCommandEncoder(): SoftwareEncoder {
    return new SoftwareEncoder(this.memory);
  }

  pushErrorScope(filter: GPUErrorFilter): void {
    this.scopes.push({ filter, error: null });
  }

  async popErrorScope(): Promise<{ readonly message: string } | null> {
    return this.scopes.pop()?.error ?? null;
  }

  destroy(): void {
    this.destroyed = true;
    this.runner.destroy();
  }

  /** A kernel's pipeline is its description; the memory of its own that each thread needs is made here. @throws OutOfGpuMemoryError */
  private async pipelineOf({ label, software }: ShaderSource): Promise<GPUComputePipeline> {
    if (!software) throw new Error(`${label} has no WebAssembly kernel.`);
    const stride = roundUp(4 * (software.scratchFloats ?? 0), 256);
    if (stride > this.scratch.stride) this.growScratch(stride, label);
    return { ...software, getBindGroupLayout: () => ({}) } as unknown as GPUComputePipeline;
  }

  private growScratch(stride: number, label: string): void {
    const { runner: { numThreads }, scratch: old } = this;
    const start = this.memory.allocate(stride * numThreads);
    if (start === undefined) throw new OutOfGpuMemoryError(label, stride * numThreads, 'The WebAssembly engine');
    this.memory.touch(start + stride * numThreads);
    this.scratch = { start, stride };
    if (old.stride > 0) this.commands.act(() => this.memory.release(old.start, old.stride * numThreads));
  }

  private report(filter: GPUErrorFilter, message: string): void {
    const scope = this.scopes.findLast((candidate) => candidate.filter === filter);
    if (scope) scope.error ??= { message };
    else console.error(message);
  }
}

class SoftwareQueue {
  constructor(private readonly memory: LinearMemory, private readonly commands: CommandQueue) {}

  submit(buffers: readonly (readonly KernelJob[])[]): void {
    for (const jobs of buffers) this.commands.submit(jobs);
  }

  /** As GPUQueue.writeBuffer: dataOffset and size count elements of a typed array, bytes of a buffer. */
  writeBuffer(buffer: SoftwareBuffer, bufferOffset: number, data: ArrayBuffer | ArrayBufferView, dataOffset = 0, size?: number): void {
    const unit = ArrayBuffer.isView(data) && !(data instanceof DataView) ? (data as Uint8Array).BYTES_PER_ELEMENT : 1;
    const whole = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
    const begin = dataOffset * unit;
    const bytes = whole.subarray(begin, size === undefined ? undefined : begin + size * unit);
    if (bufferOffset + bytes.length > buffer.size) throw new RangeError(`${bytes.length} bytes at ${bufferOffset} are more than ${buffer.label} holds.`);
    const address = buffer.address(bufferOffset);
    this.memory.touch(address + bytes.length);
    if (this.commands.isIdle) return this.memory.bytes(address, bytes.length).set(bytes);
    const copy = bytes.slice();
    this.commands.act(() => this.memory.bytes(address, copy.length).set(copy));
  }

  onSubmittedWorkDone(): Promise<void> {
    return this.commands.idle();
  }
}
