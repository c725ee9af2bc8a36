import { expect, it } from 'vitest';
import type { AdapterDescription } from '../gpu/device.ts';
import { usesBarriers } from './barriers.ts';

const adapter = (isFallback: boolean) => ({ isFallback }) as AdapterDescription;

it('meets at barriers on a real adapter, unless workgroup memory is switched off', () => {
  expect(usesBarriers({ adapter: adapter(false), without: new Set() })).toBe(true);
  expect(usesBarriers({ adapter: adapter(false), without: new Set(['workgroupMemory']) })).toBe(false);
  expect(usesBarriers({ adapter: adapter(false), without: new Set(['subgroups', 'measuring']) })).toBe(true);
  expect(usesBarriers({ adapter: adapter(true), without: new Set() })).toBe(false);
});
