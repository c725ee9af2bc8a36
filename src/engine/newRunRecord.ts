// A run's record before its first step.
import { RUN_FORMAT_VERSION, type RunRecord } from '../config/runRecord.ts';
import type { EngineState } from './engineState.ts';
import type { RunText } from './runText.ts';

/** @throws UserError without a pack or GPU */
export function newRunRecord(state: EngineState, { fingerprint, label, part }: RunText, chosen: Pick<RunRecord, 'runId' | 'name' | 'method' | 'settings' | 'budget'>): RunRecord {
  const { pack } = state.requirePack();
  const now = new Date().toISOString();
  return {
    formatVersion: RUN_FORMAT_VERSION, ...chosen, createdAt: now, updatedAt: now, state: 'running',
    dataFingerprint: fingerprint, ...(part ? { trainingPart: part } : {}), dataLabel: label, packName: pack.name, packHash: pack.manifest.hash, adapter: state.requireGpu().adapter.name,
    curve: [], samples: [], phases: [], cost: { tokens: 0, flops: 0, seconds: 0, peakGpuBytes: 0 }, notes: {},
  };
}
