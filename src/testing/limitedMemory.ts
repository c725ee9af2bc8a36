// A device with as much memory as a test says: what is over it is refused as a real adapter refuses it, with an out-of-memory error in the scope that is open and a
// buffer that is invalid. A real device cannot be brought to refuse without taking the machine's memory from everybody.

export interface LimitedMemory {
  /** Bytes of all buffers together; Infinity at first. */
  capacity: number;
  readonly used: () => number;
  /** The largest `used` so far. */
  readonly peak: () => number;
}

/** Limits `device` in place; to be called before it makes its first buffer. */
export function limitMemory(device: GPUDevice): LimitedMemory {
  const memory = { capacity: Infinity, used: 0, peak: 0 };
  const scopes: { readonly filter: GPUErrorFilter; refused: boolean }[] = [];
  const native = {
    push: device.pushErrorScope.bind(device), pop: device.popErrorScope.bind(device), create: device.createBuffer.bind(device),
  };
  device.pushErrorScope = (filter) => {
    scopes.push({ filter, refused: false });
    native.push(filter);
  };
  device.popErrorScope = async () => {
    const scope = scopes.pop();
    const error = await native.pop();
    return scope?.refused ? new GPUOutOfMemoryError('the test gives no more') : error;
  };
  device.createBuffer = (descriptor) => {
    if (memory.used + descriptor.size > memory.capacity) return refuse(descriptor);
    const buffer = native.create(descriptor);
    memory.used += descriptor.size;
    memory.peak = Math.max(memory.peak, memory.used);
    const destroy = buffer.destroy.bind(buffer);
    let isLive = true;
    buffer.destroy = () => {
      if (isLive) memory.used -= descriptor.size;
      isLive = false;
      destroy();
    };
    return buffer;
  };

  /** An invalid buffer: usage 0 is not allowed, and that error is swallowed. */
  function refuse({ label, size }: GPUBufferDescriptor): GPUBuffer {
    const scope = scopes.findLast(({ filter }) => filter === 'out-of-memory');
    if (!scope) throw new Error(`${label}: a buffer was refused and no out-of-memory scope is open to tell it`);
    scope.refused = true;
    native.push('validation');
    const buffer = native.create({ label, size, usage: 0 });
    void native.pop();
    return buffer;
  }

  return {
    get capacity() { return memory.capacity; },
    set capacity(bytes) { memory.capacity = bytes; },
    used: () => memory.used,
    peak: () => memory.peak,
  };
}
