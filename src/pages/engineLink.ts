// A conversation with an engine through the letterbox: one command, and the event that answers it.
import { UserError } from '../core/invariant.ts';
import type { EngineCommand } from '../protocol/commands.ts';
import type { EngineEvent, EngineEventType, EventOf } from '../protocol/events.ts';

/** The side of an engine client this needs. */
export interface EngineLink {
  send(command: EngineCommand): void;
  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: EngineEvent) => void): () => void;
}

/** The sentence of an event that leaves a command without its answer, or undefined. */
export function failureOf(event: EngineEvent): string | undefined {
  switch (event.type) {
    case 'device.unavailable': return event.reason;
    case 'device.lost': return `The GPU was lost: ${event.reason}`;
    case 'pack.failed':
    case 'data.failed':
    case 'expert.failed':
    case 'train.failed':
    case 'model.exportFailed':
    case 'engine.failed': return event.message;
    // With a run's id it is news of that run, not an answer.
    case 'runs.failed': return event.runId === undefined ? event.message : undefined;
    default: return undefined;
  }
}

/**
 * Sends a command and resolves with the first event of type `answer`.
 * @param failure the sentence of an event that ends the waiting
 * @throws UserError with that sentence
 */
export function ask<T extends EngineEventType>(engine: EngineLink, command: EngineCommand, answer: T, failure: (event: EngineEvent) => string | undefined = failureOf): Promise<EventOf<T>> {
  return new Promise((resolve, reject) => {
    const unsubscribe = engine.subscribe((event) => {
      const sentence = failure(event);
      if (sentence === undefined && event.type !== answer) return;
      unsubscribe();
      if (sentence === undefined) resolve(event as EventOf<T>);
      else reject(new UserError(sentence));
    });
    engine.send(command);
  });
}
