// What comes before any training: device, pack and text, and the settings that suit them.
import { UserError } from '../core/invariant.ts';
import type { EngineRequest } from '../config/engineChoice.ts';
import { DEFAULT_DATA_CONFIG } from '../config/dataConfig.ts';
import { DEFAULT_RUN_CONFIG, presetForTokens, type RunConfig } from '../config/runConfig.ts';
import type { DataSource, PackSource } from '../protocol/commands.ts';
import type { AdapterSummary, DataSummary, PackSummary } from '../protocol/events.ts';
import { ask, type EngineLink } from './engineLink.ts';

export interface PreparationRequest {
  readonly pack: PackSource;
  readonly data: readonly DataSource[];
  /** Fails on an adapter that runs on the CPU. */
  readonly requireHardware: boolean;
  /** By default the one that suits the browser. */
  readonly engine?: EngineRequest;
}

/** What was asked for about training; what is absent follows from the amount of text. */
export interface AskedSettings {
  /** Optimizer steps at most. */
  readonly steps?: number;
  readonly seed?: number;
}

/** Size of the text after duplicates were dropped, as every report has it. */
export interface ReportedData {
  readonly documents: number;
  readonly tokens: { readonly train: number; readonly validation: number; readonly test: number };
}

/** Window length where the model's context allows it. */
const PREFERRED_SEQUENCE_LENGTH = 128;

/**
 * Opens the device and loads pack and text. Sends engine.open first, so the engine must be fresh.
 * @throws UserError with one sentence when any of it fails
 */
export async function prepare(engine: EngineLink, request: PreparationRequest): Promise<{ adapter: AdapterSummary; pack: PackSummary; data: DataSummary }> {
  const { adapter } = await ask(engine, { type: 'engine.open', request: request.engine }, 'device.ready');
  if (request.requireHardware && adapter.isFallback) throw new UserError(`This browser offers no hardware adapter for WebGPU, only ${adapter.name}.`);
  const { pack } = await ask(engine, { type: 'pack.load', source: request.pack }, 'pack.loaded');
  const { data } = await ask(engine, { type: 'data.load', sources: request.data, config: DEFAULT_DATA_CONFIG }, 'data.loaded');
  return { adapter, pack, data };
}

/** The run for this pack and data: defaults, the preset for the amount of training text, then what was asked for. */
export function runConfigFor(pack: PackSummary, data: DataSummary, asked: AskedSettings): RunConfig {
  const preset = { ...DEFAULT_RUN_CONFIG, ...presetForTokens(data.splits.train.tokens).config };
  const steps = asked.steps ?? preset.steps;
  return {
    ...preset,
    steps,
    seed: asked.seed ?? preset.seed,
    seqLen: Math.min(PREFERRED_SEQUENCE_LENGTH, pack.model.maxPositionEmbeddings),
    // A run shorter than the preset's interval is still evaluated once.
    evaluateEvery: Math.min(preset.evaluateEvery, steps),
  };
}

export const reportedData = ({ documents, splits: { train, validation, test } }: DataSummary): ReportedData => ({
  documents, tokens: { train: train.tokens, validation: validation.tokens, test: test.tokens },
});
