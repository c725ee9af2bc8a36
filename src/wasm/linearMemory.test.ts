import { describe, expect, it } from 'vitest';
import { createRandom } from '../core/random.ts';
import { createMemory, LinearMemory } from './linearMemory.ts';

const open = (maxBytes = 2 ** 24) => new LinearMemory(new WebAssembly.Memory({ initial: 1, maximum: 1024 }), 1000, maxBytes);

describe('LinearMemory', () => {
  it('gives ranges that do not overlap, aligned, and their memory back', () => {
    const memory = open();
    const random = createRandom(1);
    const live = new Map<number, number>();
    for (let round = 0; round < 2000; round++) {
      if (random.integer(2) === 0 || live.size === 0) {
        const size = 1 + random.integer(5000);
        const start = memory.allocate(size)!;
        expect(start % 256).toBe(0);
        expect(start).toBeGreaterThanOrEqual(1000);
        for (const [other, length] of live) expect(start + size <= other || other + length <= start).toBe(true);
        live.set(start, size);
      } else {
        const start = [...live.keys()][random.integer(live.size)];
        memory.release(start, live.get(start)!);
        live.delete(start);
      }
    }
    for (const [start, size] of live) memory.release(start, size);
    // All of it is one range again.
    expect(memory.allocate(2 ** 23)).toBe(1024);
  });

  it('gives zeros, also where something lay before', () => {
    const memory = open();
    const first = memory.allocate(600)!;
    memory.bytes(first, 600).fill(7);
    memory.release(first, 600);
    const second = memory.allocate(600)!;
    expect(second).toBe(first);
    expect(memory.bytes(second, 600).every((byte) => byte === 0)).toBe(true);
  });

  it('says when there is no room, and goes on', () => {
    const memory = open(2 ** 20);
    expect(memory.allocate(2 ** 20)).toBeUndefined();
    const half = memory.allocate(2 ** 19)!;
    expect(memory.allocate(2 ** 19)).toBeUndefined();
    memory.release(half, 2 ** 19);
    expect(memory.allocate(2 ** 19)).toBe(half);
  });

  it('addresses up to 4 GB', () => {
    const { maxBytes } = createMemory(false);
    expect(maxBytes).toBeGreaterThanOrEqual(2 ** 31);
    expect(maxBytes).toBeLessThan(2 ** 32);
  });
});
