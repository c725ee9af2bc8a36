// The weights that a training step's products read, as halves beside the f32 master weights in their arena, which the optimizer changes: a buffer per group of weights, written
// anew at the start of every step. Norm weights are too few to be worth it.
import type { BufferScope, BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { settleOps, type Op, type PendingOps } from '../gpu/dispatch.ts';
import { halfCopy } from '../kernels/halfCopy.ts';
import type { ArenaViews } from './arenaViews.ts';

export interface HalfWeights {
  /** Matrices and embedding as halves, norms as they are. */
  readonly views: ArenaViews;
  /** Bring the halves up to date. */
  readonly ops: readonly Op[];
}

export async function planHalfWeights(gpu: Gpu, master: ArenaViews, scope: BufferScope): Promise<HalfWeights> {
  const ops: PendingOps[] = [];
  const halvesOf = (name: string, numbers: BufferView): BufferView => {
    const halves = scope.halves(`half.${name}`, numbers.size / 4);
    ops.push(halfCopy(gpu, { numbers, halves }));
    return halves;
  };
  const layers = master.layers.map((layer, index) => {
    const half = (name: 'qkv' | 'output' | 'gateUp' | 'down'): BufferView => halvesOf(`layer.${index}.${name}`, layer[name]);
    return { ...layer, qkv: half('qkv'), output: half('output'), gateUp: half('gateUp'), down: half('down') };
  });
  const views = { ...master, embedding: halvesOf('embedding', master.embedding), layers };
  return { views, ops: await settleOps(ops) };
}
