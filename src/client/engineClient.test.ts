// The letterbox against a worker that only records: order, unsubscribing, and every way a worker can fail.
import { describe, expect, it } from 'vitest';
import type { EngineEvent } from '../protocol/events.ts';
import { createEngineClient, ENGINE_WORKER, type WorkerPort } from './engineClient.ts';

function recordingWorker() {
  const handlers = new Map<string, (event: unknown) => void>();
  const posted: unknown[] = [];
  let refuse = false;
  const port = {
    postMessage: (message: unknown) => {
      if (refuse) throw new Error('could not be cloned');
      posted.push(message);
    },
    addEventListener: (type: string, handler: (event: unknown) => void) => handlers.set(type, handler),
  } as unknown as WorkerPort;
  return {
    port, posted,
    fire: (type: string, event: unknown) => handlers.get(type)?.(event),
    refuseMessages: () => {
      refuse = true;
    },
  };
}

describe('engine client', () => {
  it('posts commands and hands events to every listener until it unsubscribes', () => {
    const worker = recordingWorker();
    const client = createEngineClient(worker.port);
    const first: EngineEvent[] = [];
    const second: EngineEvent[] = [];
    const leave = client.subscribe((event) => first.push(event));
    client.subscribe((event) => second.push(event));
    client.send({ type: 'engine.open' });
    expect(worker.posted).toEqual([{ type: 'engine.open' }]);

    worker.fire('message', { data: { type: 'data.cancelled' } });
    leave();
    worker.fire('message', { data: { type: 'expert.cancelled' } });
    expect(first.map((event) => event.type)).toEqual(['data.cancelled']);
    expect(second.map((event) => event.type)).toEqual(['data.cancelled', 'expert.cancelled']);
  });

  it('turns failures of the worker and of posting into engine.failed events', () => {
    const worker = recordingWorker();
    const client = createEngineClient(worker.port);
    const events: EngineEvent[] = [];
    client.subscribe((event) => events.push(event));
    worker.fire('error', { message: 'x is not a function' });
    worker.fire('messageerror', {});
    worker.refuseMessages();
    client.send({ type: 'pack.clearCache' });
    expect(events.map((event) => (event.type === 'engine.failed' ? event.command : event.type))).toEqual([ENGINE_WORKER, ENGINE_WORKER, 'pack.clearCache']);
    expect(events[0]).toMatchObject({ message: expect.stringContaining('x is not a function') });
  });
});
