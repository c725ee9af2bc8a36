// Checkpoints come soon, and seldom where they are dear.
import { describe, expect, it } from 'vitest';
import { CheckpointPace } from './checkpointPace.ts';

describe('pace of checkpoints', () => {
  it('takes the first after five seconds, and the next five seconds after a quick one', async () => {
    let time = 0;
    const pace = new CheckpointPace(() => time);
    time = 4_999;
    expect(pace.isDue).toBe(false);
    time = 5_000;
    expect(pace.isDue).toBe(true);
    await pace.take(async () => { time += 10; });
    time = 10_009;
    expect(pace.isDue).toBe(false);
    time = 10_010;
    expect(pace.isDue).toBe(true);
  });

  it('spends at most a twentieth of the time on slow ones', async () => {
    let time = 0;
    const pace = new CheckpointPace(() => time);
    let spent = 0;
    for (time = 0; time < 1_000_000; time += 100) {
      if (!pace.isDue) continue;
      await pace.take(async () => { time += 3_000; });
      spent += 3_000;
    }
    expect(spent).toBeGreaterThan(0);
    expect(spent / time).toBeLessThanOrEqual(0.05);
  });
});
