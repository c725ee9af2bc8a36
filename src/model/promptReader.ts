// Reads a prompt in one forward pass in place of a pass for each of its tokens: keys and values of all of them go to generation's caches. Planned for lengths of powers of two, each at
// its first use; what follows the prompt up to that length is read, too, and written over token by token later, before anything looks at it.
import type { ModelConfig } from '../config/modelConfig.ts';
import { BufferScope, subview, type BufferView } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Op } from '../gpu/dispatch.ts';
import { cacheRows } from '../kernels/cacheRows.ts';
import type { ArenaViews } from './arenaViews.ts';
import { createForwardBuffers, planForward } from './forward.ts';

/** Of one layer, [maxT, C] each. */
export interface KeyValueCache {
  readonly keys: BufferView;
  readonly values: BufferView;
}

/** Fewer tokens are read sooner one by one than kernels for so many are compiled. */
export const LEAST_TOKENS_AT_ONCE = 16;

export class PromptReader {
  private readonly plans = new Map<number, Promise<readonly Op[]>>();
  private readonly scopes: BufferScope[] = [];

  /** `tokens`: u32 [more than maxT]; the prompt is written to it before the operations run. */
  constructor(
    private readonly gpu: Gpu, private readonly config: ModelConfig, private readonly weights: ArenaViews, private readonly tokens: BufferView, private readonly caches: readonly KeyValueCache[],
    private readonly label: string,
  ) {}

  /** What reads the first `count` tokens, LEAST_TOKENS_AT_ONCE or more and no more than the context holds. @throws OutOfGpuMemoryError */
  ops(count: number): Promise<readonly Op[]> {
    const length = Math.min(this.config.maxPositionEmbeddings, 2 ** Math.ceil(Math.log2(count)));
    let plan = this.plans.get(length);
    if (!plan) {
      plan = this.plan(length);
      // Without room now there may be some later.
      plan.catch(() => this.plans.delete(length));
      this.plans.set(length, plan);
    }
    return plan;
  }

  destroy(): void {
    for (const scope of this.scopes) scope.destroy();
  }

  private async plan(length: number): Promise<readonly Op[]> {
    const { gpu, config, weights, caches } = this;
    const shape = { batchSize: 1, seqLen: length };
    const scope = new BufferScope(gpu.buffers, `${this.label}.prompt.${length}`);
    this.scopes.push(scope);
    const buffers = { ...createForwardBuffers(gpu, config, shape, scope, { kept: 'none', storage: 'f32' }), tokens: subview(this.tokens, 0, length) };
    const { ops } = await planForward(gpu, config, shape, { table: weights.embedding, weights }, buffers, {
      kept: 'none',
      keep: (layer, qkv) => cacheRows(gpu, { qkv, keyCache: caches[layer].keys, valueCache: caches[layer].values }, { rows: length, C: config.hiddenSize }),
    });
    await scope.allocatedOrFreed();
    return ops;
  }
}
