// The engine house's door: commands in, events out. Everything else is in session.ts.
import type { EngineCommand } from '../protocol/commands.ts';
import type { EngineEvent } from '../protocol/events.ts';
import { Session } from './session.ts';

const session = new Session((event: EngineEvent) => self.postMessage(event));
self.addEventListener('message', (message: MessageEvent<EngineCommand>) => session.handle(message.data));
