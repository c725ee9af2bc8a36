// Compiles compute pipelines once per (shader text, constants), asynchronously and inside an error scope, so that a WGSL mistake is an exception
// with the compiler's words and the shader's label, never a silent no-op.

/** The feature of devices that run WebAssembly kernels (wasm/) and no shaders. */
export const WEBASSEMBLY_FEATURE = 'webassembly-kernels';

/**
 * The same computation for a device that runs WebAssembly kernels in the place of shaders (wasm/): called as kernel(first, end, scratch, ...addresses of the bindings, ...args). Its items do not
 * depend on each other: any thread computes any of them, with the same result.
 */
export interface SoftwareKernel {
  /** A name of wasm/kernels/index.as.ts. */
  readonly kernel: string;
  readonly items: number;
  /** Numbers after the bindings' addresses. */
  readonly args: readonly number[];
  /** Floats of memory of its own that each thread needs. */
  readonly scratchFloats?: number;
}

export interface ShaderSource {
  /** `owner.thing`, e.g. "rmsnorm.forward". */
  readonly label: string;
  readonly wgsl: string;
  readonly entryPoint?: string;
  /** Values of the shader's `override` constants. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Absent where no device without shaders computes it. */
  readonly software?: SoftwareKernel;
}

export class PipelineCache {
  private readonly cache = new Map<string, Promise<GPUComputePipeline>>();
  private readonly modules = new Map<string, GPUShaderModule>();

  constructor(private readonly device: GPUDevice) {}

  /** @throws Error naming the shader and quoting the compiler's messages */
  get(source: ShaderSource): Promise<GPUComputePipeline> {
    const key = JSON.stringify([source.wgsl, source.entryPoint ?? 'main', source.constants ?? {}]);
    let pipeline = this.cache.get(key);
    if (!pipeline) {
      pipeline = this.compile(source);
      // A failed compilation must not be remembered: the device may be gone, or the next text may be fixed.
      pipeline.catch(() => this.cache.delete(key));
      this.cache.set(key, pipeline);
    }
    return pipeline;
  }

  private async compile({ label, wgsl, entryPoint = 'main', constants }: ShaderSource): Promise<GPUComputePipeline> {
    let module = this.modules.get(wgsl);
    if (!module) {
      module = this.device.createShaderModule({ label, code: wgsl });
      this.modules.set(wgsl, module);
    }
    try {
      return await this.device.createComputePipelineAsync({ label, layout: 'auto', compute: { module, entryPoint, constants } });
    } catch (error) {
      const { messages } = await module.getCompilationInfo();
      const details = messages.map(({ type, lineNum, linePos, message }) => `${type} at ${lineNum}:${linePos}: ${message}`).join('; ');
      throw new Error(`Shader ${label} does not compile: ${details || String(error)}`, { cause: error });
    }
  }
}
