// This project's generation on one of its devices, as the studio runs it.
import type { Gpu } from '../../src/gpu/device.ts';
import { Generator } from '../../src/model/generation.ts';
import { createParameterTable, packArena } from '../../src/model/parameters.ts';
import type { Contestant, Workload } from './workload.ts';

/** Modules of one tree of this project: this one, or another commit's. */
export interface Tree {
  readonly Generator: typeof Generator;
}

const THIS_TREE: Tree = { Generator };

export async function createOurs(gpu: Gpu, { config, weights }: Workload, name: string, tree: Tree = THIS_TREE): Promise<Contestant> {
  const arena = packArena(createParameterTable(config), new Map([...weights].map(([tensor, data]) => [tensor, { data }])));
  const generator = await tree.Generator.create(gpu, config, arena, 'bench');
  return {
    name,
    ours: tree === THIS_TREE,
    runsOn: gpu.adapter.engine,
    async generate(prompt, count) {
      const ids: number[] = [];
      // Older trees yield one id at a time.
      for await (const group of generator.generate(prompt, { maxTokens: count, temperature: 0, topP: 1, seed: 1, endOfText: -1 }) as AsyncIterable<number | Iterable<number>>) {
        if (typeof group === 'number') ids.push(group);
        else ids.push(...group);
      }
      return ids;
    },
    dispose: () => {
      generator.destroy();
      gpu.device.destroy();
    },
  };
}
