// Which store an `engine.failed` event belongs to: the one whose commands begin with its prefix. A failure of the worker itself ends
// everybody's waiting, but only the device store shows its sentence.
import { ENGINE_WORKER } from '../client/engineClient.ts';
import type { EngineEvent } from '../protocol/events.ts';

export type CommandPrefix = 'engine.' | 'pack.' | 'data.' | 'expert.' | 'train.' | 'test.' | 'sample.' | 'model.' | 'run.' | 'runs.';

export interface CommandFailure {
  /** The sentence to show in the section, absent when the device store shows it. */
  readonly error?: string;
}

/** The failure of a command that begins with one of `prefixes`, or undefined when `event` is something else. */
export function commandFailure(event: EngineEvent, ...prefixes: CommandPrefix[]): CommandFailure | undefined {
  if (event.type !== 'engine.failed') return undefined;
  if (event.command === ENGINE_WORKER) return {};
  return prefixes.some((prefix) => event.command.startsWith(prefix)) ? { error: event.message } : undefined;
}
