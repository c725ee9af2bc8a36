// The window's end of the letterbox: typed commands out, typed events in. Whatever goes wrong with the worker itself arrives as an
// `engine.failed` event too, so that the stores have one place to listen.
import type { EngineCommand } from '../protocol/commands.ts';
import type { EngineEvent } from '../protocol/events.ts';

export type EngineListener = (event: EngineEvent) => void;

export interface EngineClient {
  send(command: EngineCommand): void;
  /** Listeners are called in the order they subscribed. Returns the function that ends the subscription. */
  subscribe(listener: EngineListener): () => void;
}

/** `command` of the `engine.failed` events that report the worker itself rather than a command it was given. */
export const ENGINE_WORKER = 'engine.worker';

/** The part of a Worker the client uses. */
export type WorkerPort = Pick<Worker, 'postMessage' | 'addEventListener'>;

export function createEngineClient(worker: WorkerPort): EngineClient {
  const listeners = new Set<EngineListener>();
  const emit = (event: EngineEvent): void => {
    for (const listener of listeners) listener(event);
  };
  const emitFailure = (message: string): void => emit({ type: 'engine.failed', command: ENGINE_WORKER, message });

  worker.addEventListener('message', (message) => emit((message as MessageEvent<EngineEvent>).data));
  worker.addEventListener('error', (error) => {
    const { message } = error as ErrorEvent;
    emitFailure(message ? `The engine met an unexpected error: ${message}` : 'The engine could not be started: its script did not load.');
  });
  worker.addEventListener('messageerror', () => emitFailure('The engine sent a message that this browser could not read.'));

  return {
    send: (command) => {
      try {
        worker.postMessage(command);
      } catch (error) {
        // A file handle that cannot be cloned, for instance. Told like every other failure of a command.
        emit({ type: 'engine.failed', command: command.type, message: `The browser could not hand this to the engine: ${String(error)}` });
      }
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Starts the engine in its own worker. */
export function openEngine(): EngineClient {
  return createEngineClient(new Worker(new URL('../engine/engine.worker.ts', import.meta.url), { type: 'module', name: 'engine' }));
}
