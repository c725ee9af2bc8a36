// The same device with lower limits: WebGPU opens no device under its defaults, and with those a model must be huge before anything is split. What breaks them throws,
// where a real device reports a validation error.
import { BufferLedger, type BufferView } from '../gpu/buffers.ts';
import { openGpu, type Gpu } from '../gpu/device.ts';
import { WEBGPU_DEFAULT_LIMITS, type MemoryLimits } from '../gpu/limits.ts';
import { openWasm } from '../wasm/openWasm.ts';

/** `gpu` with a ledger of its own. @throws Error, from createBuffer or createBindGroup, naming what is over the limits */
export function withLimits(gpu: Gpu, limits: MemoryLimits): Gpu {
  const require = (what: string, bytes: number, most: number): void => {
    if (!(bytes <= most)) throw new Error(`${what}: ${bytes} bytes are over the limit of ${most}`);
  };
  const { device } = gpu;
  const overrides: Record<string, unknown> = {
    limits: new Proxy(device.limits, { get: (native, key) => (Object.hasOwn(limits, key) ? limits[key as keyof MemoryLimits] : Reflect.get(native, key, native)) }),
    createBuffer(descriptor: GPUBufferDescriptor) {
      require(`buffer ${descriptor.label}`, descriptor.size, limits.maxBufferSize);
      return device.createBuffer(descriptor);
    },
    createBindGroup(descriptor: GPUBindGroupDescriptor) {
      for (const { resource } of descriptor.entries) require(`binding of ${descriptor.label}`, (resource as BufferView).size, limits.maxStorageBufferBindingSize);
      return device.createBindGroup(descriptor);
    },
  };
  const limited = new Proxy(device, {
    get(native, key) {
      if (Object.hasOwn(overrides, key)) return overrides[key as string];
      const value: unknown = Reflect.get(native, key, native);
      return typeof value === 'function' ? (value.bind(native) as unknown) : value;
    },
  });
  return { ...gpu, device: limited, buffers: new BufferLedger(limited) };
}

/** WebGPU enforces its default limits where none are asked for; the WebAssembly engine, which has none of its own, is held to them. @throws UserError as openGpu and openWasm */
export async function openWithDefaultLimits(engine: 'webgpu' | 'wasm'): Promise<Gpu> {
  return engine === 'webgpu' ? openGpu({ raiseLimits: false }) : withLimits(await openWasm(), WEBGPU_DEFAULT_LIMITS);
}
