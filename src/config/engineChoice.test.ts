import { expect, it } from 'vitest';
import { engineRequestOf } from './engineChoice.ts';

it('reads the engine from an address', () => {
  expect(engineRequestOf('?engine=wasm').engine).toBe('wasm');
  expect(engineRequestOf('?theme=dark&engine=webgpu').engine).toBe('webgpu');
  for (const search of ['', '?engine=', '?engine=cuda', '?Engine=wasm']) expect(engineRequestOf(search)).toEqual({ engine: 'auto', without: [] });
});

it('reads from an address what an engine is to do without', () => {
  expect(engineRequestOf('?engine=wasm&without=threads,fusedProducts')).toEqual({ engine: 'wasm', without: ['fusedProducts', 'threads'] });
  for (const search of ['?without=', '?without=warps', '?without=Threads']) expect(engineRequestOf(search)).toEqual({ engine: 'auto', without: [] });
  expect(engineRequestOf('?without=warps,subgroups').without).toEqual(['subgroups']);
});
