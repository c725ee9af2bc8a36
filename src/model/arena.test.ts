// How arenas are cut and placed, on a device that only counts.
import { describe, expect, it } from 'vitest';
import type { ModelConfig } from '../config/modelConfig.ts';
import { BufferLedger, BufferScope } from '../gpu/buffers.ts';
import { WEBGPU_DEFAULT_LIMITS, type MemoryLimits } from '../gpu/limits.ts';
import { PAPER_SMALL_MODEL } from '../testing/paperModel.ts';
import { Arena, arenaBlocks } from './arena.ts';
import { arenaViews } from './arenaViews.ts';
import { createParameterTable } from './parameters.ts';

const CONFIG: ModelConfig = { vocabSize: 101, hiddenSize: 24, intermediateSize: 40, numHiddenLayers: 3, numAttentionHeads: 3, headDim: 8, maxPositionEmbeddings: 16, rmsNormEps: 1e-5, ropeTheta: 1e4 };
const table = createParameterTable(CONFIG);
/** The largest group is the embedding with its padding. */
const EMBEDDING_BYTES = 4 * Math.ceil((101 * 24) / 64) * 64;

function arenaUnder(limits: MemoryLimits, of = table): Arena {
  const device = { pushErrorScope: () => {}, popErrorScope: async () => null, createBuffer: ({ size, label }: GPUBufferDescriptor) => ({ size, label }) } as unknown as GPUDevice;
  return Arena.create(new BufferScope(new BufferLedger(device), 'test'), 'weights', of, limits);
}

describe('an arena', () => {
  it('is one buffer of two blocks, matrices and norms, where nothing is in the way', () => {
    const { parts, blocks } = arenaUnder(WEBGPU_DEFAULT_LIMITS);
    expect(parts.map(({ buffer, size }) => [buffer.label, size])).toEqual([['test.weights', table.length * 4]]);
    expect(blocks.map(({ offset, length, decays }) => [offset, length, decays])).toEqual([[0, table.decayLength, true], [table.decayLength, table.length - table.decayLength, false]]);
  });

  it.each([EMBEDDING_BYTES, EMBEDDING_BYTES + 256, 2 * EMBEDDING_BYTES])('has blocks of at most %i bytes without gaps, none of matrices and norms both', (maxStorageBufferBindingSize) => {
    const blocks = arenaBlocks(table, { maxStorageBufferBindingSize });
    expect(blocks.length).toBeGreaterThan(2);
    let end = 0;
    for (const { offset, length, decays } of blocks) {
      expect(offset).toBe(end);
      end += length;
      expect(length * 4).toBeLessThanOrEqual(maxStorageBufferBindingSize);
      expect(offset < table.decayLength).toBe(decays);
      expect(end <= table.decayLength).toBe(decays);
    }
    expect(end).toBe(table.length);
  });

  it('has the same blocks wherever they are placed, and finds each weight in them', () => {
    const binding = { maxStorageBufferBindingSize: EMBEDDING_BYTES };
    const whole = arenaUnder({ ...binding, maxBufferSize: 1e9 });
    const split = arenaUnder({ ...binding, maxBufferSize: EMBEDDING_BYTES + 1024 });
    expect(whole.parts).toHaveLength(1);
    expect(split.parts.length).toBeGreaterThan(3);
    for (const { size } of split.parts) expect(size).toBeLessThanOrEqual(EMBEDDING_BYTES + 1024);
    expect(split.parts.reduce((sum, { size }) => sum + size, 0)).toBe(table.length * 4);
    expect(split.blocks.map(({ offset, length }) => [offset, length])).toEqual(whole.blocks.map(({ offset, length }) => [offset, length]));
    const starts = new Map<GPUBuffer, number>();
    let start = 0;
    for (const { buffer, size } of split.parts) {
      starts.set(buffer, start);
      start += size;
    }
    for (const { offset, length } of table.slots.values()) {
      const view = split.range(offset, length);
      expect(starts.get(view.buffer)! + view.offset).toBe(offset * 4);
      expect(view.offset % 256 === 0 || /(k|v|up)_proj/.test(nameAt(offset))).toBe(true);
      expect(view.offset + view.size).toBeLessThanOrEqual(view.buffer.size);
    }
    expect(() => split.range(0, table.length)).toThrow(/lie in one block/);
  });

  it('is refused in one sentence where a weight is too large to bind or to hold', () => {
    expect(() => arenaUnder({ maxBufferSize: 1e9, maxStorageBufferBindingSize: EMBEDDING_BYTES - 256 })).toThrow(/^This graphics adapter binds at most .* at once, but model\.embed_tokens\.weight takes .*\.$/);
    expect(() => arenaUnder({ maxBufferSize: EMBEDDING_BYTES - 256, maxStorageBufferBindingSize: 1e9 })).toThrow(/^This graphics adapter allows buffers of/);
  });

  it('takes three buffers for the paper\'s small model under WebGPU\'s default limits', () => {
    const arena = arenaUnder(WEBGPU_DEFAULT_LIMITS, createParameterTable(PAPER_SMALL_MODEL));
    expect(arena.parts.map(({ buffer }) => buffer.label)).toEqual(['test.weights.0', 'test.weights.1', 'test.weights.2']);
    const { embedding, layers } = arenaViews(PAPER_SMALL_MODEL, arena);
    expect(embedding.size).toBe(32_000 * 1024 * 4);
    expect(layers[6].gateUp.size).toBe(2 * 4096 * 1024 * 4);
  });
});

const nameAt = (offset: number): string => [...table.slots.values()].find((slot) => slot.offset === offset)!.name;
