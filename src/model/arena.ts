// Where the numbers of a parameter table lie on the GPU. On the CPU an arena is one array; here it may be several buffers, because adapters bound what a buffer holds
// (maxBufferSize) and what a kernel binds of it (maxStorageBufferBindingSize). It is cut into blocks, each of whole groups of weights, and blocks fill buffers in order.
// Kernels bind a group or a block, never a buffer, so that results do not depend on how blocks were placed.
import { formatBytes } from '../core/format.ts';
import { UserError, invariant } from '../core/invariant.ts';
import { subview, type BufferScope, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { WEBGPU_DEFAULT_LIMITS, type MemoryLimits } from '../gpu/limits.ts';
import { readFloats } from '../gpu/readback.ts';
import { writeFloats } from '../gpu/upload.ts';
import type { ParameterTable } from './parameters.ts';

/** A range of an arena that one kernel can bind, in float32 elements. */
export interface ArenaBlock {
  readonly offset: number;
  readonly length: number;
  /** Of matrices, which take weight decay, or of norms, which do not. */
  readonly decays: boolean;
}

/**
 * The blocks of an arena, in order and without gaps. No adapter binds less than WebGPU's default, and none gets larger blocks: so they are the same on every adapter, and
 * with them the order in which the gradient norm is added up.
 * @throws UserError naming a group of weights that is over the binding limit
 */
export function arenaBlocks({ groups, length, decayLength }: ParameterTable, { maxStorageBufferBindingSize }: Pick<MemoryLimits, 'maxStorageBufferBindingSize'>): ArenaBlock[] {
  const most = Math.min(maxStorageBufferBindingSize, WEBGPU_DEFAULT_LIMITS.maxStorageBufferBindingSize) / 4;
  const blocks: { offset: number; length: number; readonly decays: boolean }[] = [];
  for (const [index, { name, offset }] of groups.entries()) {
    const extent = (groups[index + 1]?.offset ?? length) - offset;
    if (extent * 4 > maxStorageBufferBindingSize) {
      throw new UserError(`This graphics adapter binds at most ${formatBytes(maxStorageBufferBindingSize)} at once, but ${name} takes ${formatBytes(extent * 4)}.`);
    }
    // A group over WebGPU's default, which this adapter binds, has a block of its own.
    const decays = offset < decayLength;
    const last = blocks.at(-1);
    if (last && last.decays === decays && last.length + extent <= most) last.length += extent;
    else blocks.push({ offset, length: extent, decays });
  }
  return blocks;
}

export interface PlacedBlock extends ArenaBlock {
  readonly view: BufferView;
}

export class Arena {
  private constructor(
    readonly table: ParameterTable,
    /** The buffers in order; one after the other they are the arena. */
    readonly parts: readonly BufferView[],
    readonly blocks: readonly PlacedBlock[],
  ) {}

  /** Makes the buffers, zero-filled; they belong to `scope`. @throws UserError when a group of weights is over the adapter's limits */
  static create(scope: BufferScope, name: string, table: ParameterTable, limits: MemoryLimits): Arena {
    const buffers = fillBuffers(arenaBlocks(table, limits), limits.maxBufferSize);
    const parts = buffers.map((blocks, index) => scope.floats(buffers.length === 1 ? name : `${name}.${index}`, blocks.reduce((sum, { length }) => sum + length, 0)));
    const placed = buffers.flatMap((blocks, index) => blocks.map((block) => ({ ...block, view: subview(parts[index], block.offset - blocks[0].offset, block.length) })));
    return new Arena(table, parts, placed);
  }

  get byteLength(): number {
    return this.table.length * 4;
  }

  /** Elements [offset, offset + length), which lie within one block: a weight, or a group of them. */
  range(offset: number, length: number): BufferView {
    const block = this.blocks.find((candidate) => offset >= candidate.offset && offset + length <= candidate.offset + candidate.length);
    invariant(block, `elements ${offset} to ${offset + length} lie in one block of the arena`);
    return subview(block.view, offset - block.offset, length);
  }

  /** A CPU copy, padding included. Nothing may write to the arena meanwhile: a large one is read in pieces. @throws as readFloats */
  read(gpu: Gpu): Promise<Float32Array> {
    return readFloats(gpu, this.parts);
  }

  /** Replaces everything by a CPU arena, which must stay as it is until this resolves (see writeFloats). */
  write(gpu: Gpu, values: Float32Array): Promise<void> {
    invariant(values.length === this.table.length, 'arena has the length of the parameter table');
    return writeFloats(gpu, this.parts, values);
  }
}

/** Blocks buffer by buffer. @throws UserError when a block alone is too large for a buffer */
function fillBuffers(blocks: readonly ArenaBlock[], maxBufferSize: number): ArenaBlock[][] {
  const buffers: ArenaBlock[][] = [];
  let bytes = Infinity;
  for (const block of blocks) {
    const size = block.length * 4;
    if (size > maxBufferSize) throw new UserError(`This graphics adapter allows buffers of ${formatBytes(maxBufferSize)}, but one weight of this model takes ${formatBytes(size)}.`);
    if (bytes + size > maxBufferSize) {
      buffers.push([]);
      bytes = 0;
    }
    buffers[buffers.length - 1].push(block);
    bytes += size;
  }
  return buffers;
}
