import { describe, expect, it } from 'vitest';
import { GpuShare } from './gpuShare.ts';

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** Takes `steps` steps that cost `cost` each of a budget of 1; writes its name at every step. */
async function race(share: GpuShare, name: string, cost: number, steps: number, log: string[]): Promise<void> {
  let used = 0;
  for (let step = 0; step < steps; step++) {
    await share.turn(() => used, async () => {
      log.push(name);
      await pause();
      used += cost;
    });
  }
}

describe('GpuShare', () => {
  it('gives a run alone every turn at once', async () => {
    const log: string[] = [];
    await race(new GpuShare(), 'a', 0.1, 5, log);
    expect(log).toEqual(['a', 'a', 'a', 'a', 'a']);
  });

  it('lets one body run at a time', async () => {
    const share = new GpuShare();
    let inside = 0;
    let most = 0;
    const body = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await pause();
      inside--;
    };
    await Promise.all(Array.from({ length: 6 }, (_, i) => share.turn(() => i, body)));
    expect(most).toBe(1);
  });

  it('keeps the used shares of budgets together, whatever a step costs', async () => {
    const share = new GpuShare();
    const log: string[] = [];
    await Promise.all([race(share, 'cheap', 0.01, 60, log), race(share, 'dear', 0.03, 20, log)]);
    const used = { cheap: 0, dear: 0 };
    for (const name of log.slice(0, -1)) {
      if (name === 'cheap') used.cheap += 0.01;
      else used.dear += 0.03;
      expect(Math.abs(used.cheap - used.dear)).toBeLessThan(0.0301);
    }
  });

  it('gives the turn on when a body fails', async () => {
    const share = new GpuShare();
    const failing = share.turn(() => 0, async () => {
      await pause();
      throw new Error('lost');
    });
    const other = share.turn(() => 0, async () => 'went on');
    await expect(failing).rejects.toThrow('lost');
    expect(await other).toBe('went on');
  });
});
