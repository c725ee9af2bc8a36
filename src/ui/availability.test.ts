// Which step can be used when, and that a step that cannot says why.
import { describe, expect, it } from 'vitest';
import { waitsFor, type StudioFacts } from './availability.ts';
import { STEPS, type StepId } from './steps.ts';

const usable = (facts: StudioFacts): StepId[] => STEPS.map(({ id }) => id).filter((id) => waitsFor(id, facts) === undefined);

const nothing: StudioFacts = { device: 'ready', hasPack: false, hasData: false, hasProjection: false };
const ready: StudioFacts = { device: 'ready', hasPack: true, hasData: true, hasProjection: true };

describe('waitsFor', () => {
  it('opens the steps one after the other; the kept runs can always be looked at', () => {
    expect(usable(nothing)).toEqual(['pack', 'compare']);
    expect(usable({ ...nothing, hasPack: true })).toEqual(['pack', 'data', 'compare']);
    expect(usable({ ...nothing, hasPack: true, hasData: true })).toEqual(['pack', 'data', 'expert', 'compare']);
    expect(usable(ready)).toEqual(['pack', 'data', 'expert', 'train', 'compare']);
    expect(usable({ ...ready, run: { state: 'running' } })).toEqual(['pack', 'data', 'expert', 'train', 'compare']);
    expect(usable({ ...ready, run: { state: 'finished' } })).toEqual(STEPS.map(({ id }) => id));
  });

  it('leaves pack, text and the comparison of clusters without a GPU, and says why the rest cannot', () => {
    const facts: StudioFacts = { ...nothing, device: 'unavailable', hasPack: true, hasData: true };
    expect(usable(facts)).toEqual(['pack', 'data', 'expert', 'compare']);
    for (const id of ['train', 'result', 'samples', 'export'] as const) expect(waitsFor(id, facts)).toContain('WebGPU');
  });

  it('lets the best weights of a failed run be used, and only those', () => {
    expect(usable({ ...ready, run: { state: 'failed' } })).toEqual(['pack', 'data', 'expert', 'train', 'compare']);
    expect(usable({ ...ready, run: { state: 'failed', keptStep: 20 } })).toEqual(STEPS.map(({ id }) => id));
    expect(usable({ ...ready, device: 'lost', run: { state: 'failed', keptStep: 20 } })).toEqual(['pack', 'data', 'expert', 'train', 'export', 'compare']);
  });

  it('keeps curves and figures readable after the GPU was lost', () => {
    const facts: StudioFacts = { ...ready, device: 'lost', run: { state: 'finished', figures: [] } };
    expect(usable(facts)).toEqual(['pack', 'data', 'expert', 'train', 'result', 'export', 'compare']);
    expect(waitsFor('samples', facts)).toContain('opens it again');
  });
});
