import { expect, it } from 'vitest';
import { RunControl } from './runControl.ts';

it('lets steps through while running and ends when stopped', async () => {
  const control = new RunControl(false);
  expect(await control.mayStep()).toBe(true);
  control.stop();
  expect(await control.mayStep()).toBe(false);
});

it('grants single steps while paused', async () => {
  const control = new RunControl(true);
  control.grantStep();
  expect(await control.mayStep()).toBe(true);
  let resolved = false;
  const waiting = control.mayStep().then((may) => {
    resolved = true;
    return may;
  });
  await Promise.resolve();
  expect(resolved).toBe(false);
  control.resume();
  expect(await waiting).toBe(true);
  expect(control.isPaused).toBe(false);
});

it('wakes a paused run to stop it', async () => {
  const control = new RunControl(true);
  const waiting = control.mayStep();
  control.stop();
  expect(await waiting).toBe(false);
});
