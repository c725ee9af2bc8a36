// Chooses the engine. A software graphics adapter is a processor that plays a GPU; the WebAssembly engine uses the same processor several times as well (bench/LOG.md), so it takes its place.
import type { EngineRequest } from '../config/engineChoice.ts';
import { UserError } from '../core/invariant.ts';
import type { OptionalMeans } from '../core/optionalMeans.ts';
import { openGpu, type Gpu } from '../gpu/device.ts';
import { openWasm } from './openWasm.ts';

/** Why WebAssembly computes although nobody asked for it. */
export interface EngineFallback {
  readonly because: 'noWebGpu' | 'softwareAdapter';
  /** Why there is no WebGPU, as a sentence; or the software adapter's name. */
  readonly reason: string;
}

export interface OpenedDevice {
  readonly gpu: Gpu;
  readonly fallback?: EngineFallback;
}

/** @throws UserError with one sentence when this browser offers nothing of what is asked for */
export async function openDevice({ engine: choice = 'auto', without }: EngineRequest): Promise<OpenedDevice> {
  if (choice === 'wasm') return { gpu: await openWasm({ without }) };
  const opened = await openGpu({ without }).catch((error: unknown) => {
    if (choice === 'auto' && error instanceof UserError) return error;
    throw error;
  });
  if (opened instanceof UserError) return { gpu: await insteadOf(opened, without), fallback: { because: 'noWebGpu', reason: opened.message } };
  if (choice === 'webgpu' || !opened.adapter.isFallback) return { gpu: opened };
  const wasm = await openWasm({ without }).catch(() => undefined);
  if (!wasm) return { gpu: opened };
  opened.device.destroy();
  return { gpu: wasm, fallback: { because: 'softwareAdapter', reason: opened.adapter.name } };
}

async function insteadOf(missing: UserError, without: readonly OptionalMeans[] | undefined): Promise<Gpu> {
  try {
    return await openWasm({ without });
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${missing.message} ${error.message}`);
    throw error;
  }
}
