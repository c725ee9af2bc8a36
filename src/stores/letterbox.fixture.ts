// Tests only: a letterbox without an engine behind it. Records what the stores send and says what a test lets it say.
import type { EngineClient, EngineListener } from '../client/engineClient.ts';
import type { EngineCommand, EngineCommandType } from '../protocol/commands.ts';
import type { EngineEvent } from '../protocol/events.ts';

export interface Letterbox {
  readonly client: EngineClient;
  readonly sent: EngineCommand[];
  /** Types of everything sent so far, in order. */
  sentTypes(): EngineCommandType[];
  say(...events: EngineEvent[]): void;
}

export function createLetterbox(): Letterbox {
  const listeners = new Set<EngineListener>();
  const sent: EngineCommand[] = [];
  return {
    sent,
    sentTypes: () => sent.map((command) => command.type),
    client: {
      send: (command) => sent.push(command),
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    say: (...events) => {
      for (const event of events) for (const listener of listeners) listener(event);
    },
  };
}
