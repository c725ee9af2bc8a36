// For the tests of this folder only: runs with every field filled, their weights and checkpoints, and Web Locks for Node.
import { DEFAULT_CHOICES } from '../config/method.ts';
import { DEFAULT_RUN_CONFIG } from '../config/runConfig.ts';
import type { RunRecord, RunTestFigure } from '../config/runRecord.ts';
import { createRandom } from '../core/random.ts';
import type { HostTensors } from '../core/tensor.ts';
import { weightsHash } from '../formats/weightsHash.ts';
import type { RunCheckpoint } from './runCheckpoint.ts';
import type { LockSource } from './runLocks.ts';
import type { BestWeights } from './runStore.ts';

export function floats(length: number, seed: number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length }, () => random.normal());
}

/** Views of one arena with padding between them, as the engine's weights are. */
export function tensorsOf(seed: number): HostTensors {
  const arena = floats(200, seed);
  return new Map([
    ['model.embed_tokens.weight', { shape: [8, 6], data: arena.subarray(0, 48) }],
    ['model.layers.0.mlp.gate_proj.weight', { shape: [10, 6], data: arena.subarray(64, 124) }],
    ['model.norm.weight', { shape: [6], data: arena.subarray(128, 134) }],
  ]);
}

export function bestOf(seed: number): BestWeights {
  const tensors = tensorsOf(seed);
  return { hash: weightsHash(tensors), tensors };
}

export function testFigure(seed: number): RunTestFigure {
  const random = createRandom(seed);
  const documentTokens = Array.from({ length: 12 }, () => 20 + random.integer(300));
  const documentNats = documentTokens.map((tokens) => tokens * (2.5 + random.next()));
  const tokens = documentTokens.reduce((a, b) => a + b, 0);
  const nats = documentNats.reduce((a, b) => a + b, 0);
  const bytes = tokens * 4;
  const perplexity = Math.exp(nats / tokens);
  return {
    loss: nats / tokens, perplexity, bitsPerByte: nats / Math.LN2 / bytes, interval: [perplexity * 0.9, perplexity * 1.1], intervalSeed: 1, tokens, bytes, documents: 12,
    weightsHash: weightsHash(tensorsOf(seed)), documentNats, documentTokens,
  };
}

/** A finished run of SLM-pn with everything a record may hold but an error; its best weights are bestOf(2). */
export function finishedRun(change: Partial<RunRecord> = {}): RunRecord {
  return {
    formatVersion: 1, runId: 'run-1', name: 'Contracts, most frequent', createdAt: '2026-03-04T05:06:07.000Z', updatedAt: '2026-03-04T05:36:07.123Z', state: 'finished',
    method: { ...DEFAULT_CHOICES['SLM-pn'], cluster: 3 }, settings: { ...DEFAULT_RUN_CONFIG, seed: 77 }, budget: { unit: 'tokens', amount: 8000 },
    dataFingerprint: 'f00dcafe', trainingPart: { share: 0.25, documents: 12, tokens: 3456 }, dataLabel: 'contracts.jsonl', packName: 'nano', packHash: 'ab'.repeat(32), adapter: 'Google SwiftShader',
    startingWeightsHash: weightsHash(tensorsOf(1)), bestWeightsHash: weightsHash(tensorsOf(2)),
    curve: [
      { step: 0, tokens: 0, seconds: 0, flops: 0, validationLoss: 4.25 },
      { step: 10, tokens: 5120, seconds: 3.5, flops: 4.2e10, trainLoss: 3.9, validationLoss: 3.75 },
      { step: 15, tokens: 7680, seconds: 5.25, flops: 6.3e10, trainLoss: 3.5 },
    ],
    samples: [{ prompt: 'The parties', text: ' agree as follows: “…” \u2028', seed: 5 }],
    deployed: { parameters: 1_377_408, tokensPerSecond: 84.5, measuredTokens: 40 },
    test: { before: testFigure(1), after: testFigure(2) },
    phases: [{ name: 'fine-tuning', steps: 15, tokens: 7680, flops: 6.3e10, seconds: 5.25 }],
    cost: { tokens: 7680, flops: 6.3e10, seconds: 5.25, peakGpuBytes: 123_456_789 },
    notes: {
      expert: { strategy: 'mostFrequent', cluster: 3, overridden: true, explanation: 'Your own choice.', losses: [4, 3.5, 3.25, 3] },
      vector: [0.25, -1.5], histogram: [0.25, 0.75], histogramBefore: [0.5, 0.5], histogramAfter: [0.26, 0.74], repeats: [7, 3, 1], storage: 'f16', warning: 'Half of the text lies in one cluster.',
    },
    ...change,
  };
}

/** A run under way without weights of its own yet. */
export function runningRun(runId: string, change: Partial<RunRecord> = {}): RunRecord {
  const { bestWeightsHash: _none, test: _untested, ...rest } = finishedRun();
  return { ...rest, runId, name: runId, state: 'running', ...change };
}

export function checkpointAt(step: number, length = 300): RunCheckpoint {
  return {
    phase: 'fine-tuning', step, windowsConsumed: step * 4, stopping: { bestLoss: step === 0 ? Infinity : 3 + 1 / step, bestStep: step, sinceBest: 1 },
    weights: floats(length, step + 1), moments: { first: floats(length, step + 2), second: floats(length, step + 3) }, bestWeights: floats(length, step + 4),
    otherWeights: { teacher: floats(length * 2, step + 5) },
  };
}

/** Exclusive locks asked for with ifAvailable, as navigator.locks grants them; Node 20 has none. Tabs share one. */
export class SharedLocks implements LockSource {
  private readonly names = new Set<string>();

  async request(name: string, _options: { readonly ifAvailable: true }, callback: (lock: unknown) => Promise<void>): Promise<unknown> {
    await Promise.resolve();
    if (this.names.has(name)) return callback(null);
    this.names.add(name);
    try {
      return await callback({ name });
    } finally {
      this.names.delete(name);
    }
  }

  /** As when a tab dies: its locks are gone at once, whatever it still holds on to. */
  breakAll(): void {
    this.names.clear();
  }
}
