// Opens the GPU and keeps what every kernel needs in one place: the device, its limits, a pipeline cache and a ledger of buffer bytes.
// The only module that reads navigator.gpu. https://www.w3.org/TR/webgpu/
import { UserError, messageOf } from '../core/invariant.ts';
import type { OptionalMeans } from '../core/optionalMeans.ts';
import { BufferLedger } from './buffers.ts';
import { PipelineCache } from './pipelines.ts';

export interface Gpu {
  readonly device: GPUDevice;
  readonly adapter: AdapterDescription;
  /** Not to be used, though the device may offer it. */
  readonly without: ReadonlySet<OptionalMeans>;
  readonly pipelines: Pick<PipelineCache, 'get'>;
  readonly buffers: BufferLedger;
  /** Resolves with a sentence when the device is lost (never rejects); also after an intended destroy(). */
  readonly lost: Promise<GpuLoss>;
}

export interface GpuLoss {
  readonly reason: 'destroyed' | 'unknown';
  readonly message: string;
}

export interface AdapterDescription {
  readonly engine: 'webgpu' | 'wasm';
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  readonly isFallback: boolean;
  readonly features: readonly string[];
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

const WANTED_FEATURES: readonly GPUFeatureName[] = ['timestamp-query', 'subgroups', 'shader-f16'];

/** Limits worth raising to what the adapter offers: large tensors and workgroup tiles need them. */
const RAISED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxStorageBuffersPerShaderStage',
] as const;

function describeAdapter(adapter: GPUAdapter, { maxBufferSize, maxStorageBufferBindingSize }: GPUSupportedLimits): AdapterDescription {
  const info = adapter.info;
  const name = [info.vendor, info.architecture, info.description].filter(Boolean).join(' ') || 'unnamed adapter';
  return {
    engine: 'webgpu',
    name,
    vendor: info.vendor,
    architecture: info.architecture,
    description: info.description,
    isFallback: info.isFallbackAdapter || /swiftshader|llvmpipe/i.test(name),
    features: [...adapter.features].sort(),
    maxBufferSize,
    maxStorageBufferBindingSize,
  };
}

export interface OpenOptions {
  /** Features named here are not asked of the device. */
  readonly without?: readonly OptionalMeans[];
  /** False keeps WebGPU's default limits, as an adapter has that offers no more. */
  readonly raiseLimits?: boolean;
}

/**
 * Opens the fastest adapter with its own limits.
 * @throws UserError in one sentence when the browser has no WebGPU, no adapter, or refuses the device
 */
export async function openGpu({ without = [], raiseLimits = true }: OpenOptions = {}): Promise<Gpu> {
  const entry = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!entry) throw new UserError('This browser does not offer WebGPU to this page.');
  const adapter = await entry.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new UserError('The browser offers WebGPU but found no graphics adapter it may use.');
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      label: 'studio.device',
      requiredFeatures: WANTED_FEATURES.filter((feature) => adapter.features.has(feature) && !without.some((means) => means === feature)),
      requiredLimits: raiseLimits ? Object.fromEntries(RAISED_LIMITS.map((limit) => [limit, adapter.limits[limit]])) : {},
    });
  } catch (error) {
    throw new UserError(`The graphics adapter refused to open: ${messageOf(error)}`);
  }
  const lost = device.lost.then((info): GpuLoss => ({
    reason: info.reason === 'destroyed' ? 'destroyed' : 'unknown',
    message: info.message || 'the browser gave no reason',
  }));
  return {
    device, adapter: describeAdapter(adapter, device.limits), without: new Set(without), pipelines: new PipelineCache(device), buffers: new BufferLedger(device), lost,
  };
}
