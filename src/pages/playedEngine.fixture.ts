// An engine played by hand, for tests of what drives one: it answers commands with listed events.
import type { EngineCommand, EngineCommandType } from '../protocol/commands.ts';
import type { EngineEvent, EventOf } from '../protocol/events.ts';

/** Events that answer a command, all at its next turn. */
export type Answers = { readonly [T in EngineCommandType]?: readonly EngineEvent[] | ((command: Extract<EngineCommand, { type: T }>) => readonly EngineEvent[]) };

const split = (tokens: number) => ({ documents: 1, tokens, bytes: 4 * tokens });
export const PACK = { model: { maxPositionEmbeddings: 64 }, optional: { mixtureExperts: 0, largeModel: false, reservoir: true } } as EventOf<'pack.loaded'>['pack'];
export const DATA = { documents: 9, splits: { train: split(800), validation: split(100), test: split(120) } } as unknown as EventOf<'data.loaded'>['data'];

/** Up to loaded text. */
export const PREPARED: Answers = {
  'engine.open': [{ type: 'device.ready', adapter: { name: 'test adapter' } as EventOf<'device.ready'>['adapter'] }],
  'pack.load': [{ type: 'pack.loaded', pack: PACK }],
  'data.load': [{ type: 'data.loaded', data: DATA, preview: {} as EventOf<'data.loaded'>['preview'] }],
};

/** An engine that answers every command at the next turn with the listed events. */
export function playedEngine(answers: Answers) {
  const sent: EngineCommand[] = [];
  const answersTo = (command: EngineCommand): readonly EngineEvent[] => {
    const answer = answers[command.type] as readonly EngineEvent[] | ((command: EngineCommand) => readonly EngineEvent[]) | undefined;
    return typeof answer === 'function' ? answer(command) : (answer ?? []);
  };
  const listeners = new Set<(event: EngineEvent) => void>();
  return {
    sent,
    listeners,
    send(command: EngineCommand) {
      sent.push(command);
      queueMicrotask(() => {
        for (const event of answersTo(command)) for (const listener of [...listeners]) listener(event);
      });
    },
    subscribe(listener: (event: EngineEvent) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
