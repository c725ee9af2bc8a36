import { expect, it } from 'vitest';
import { engineChoiceOf } from './engineChoice.ts';

it('reads the engine from an address', () => {
  expect(engineChoiceOf('?engine=wasm')).toBe('wasm');
  expect(engineChoiceOf('?theme=dark&engine=webgpu')).toBe('webgpu');
  for (const search of ['', '?engine=', '?engine=cuda', '?Engine=wasm']) expect(engineChoiceOf(search)).toBe('auto');
});
