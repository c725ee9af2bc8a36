// The page of `node bench/projectScale.mjs`: hands the driver's calls to the worker.
import type { EngineChoice } from '../../src/config/engineChoice.ts';
import type { NetworkPlace, OpenedNetwork, ProjectScale } from './worker.ts';

declare global {
  interface Window {
    __projectScale: Omit<ProjectScale, 'open'> & { open(place: NetworkPlace, engine: Exclude<EngineChoice, 'auto'>): Promise<OpenedNetwork> };
  }
}

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
let calls = 0;

function call<Name extends keyof ProjectScale>(name: Name, ...args: Parameters<ProjectScale[Name]>): ReturnType<ProjectScale[Name]> {
  const id = ++calls;
  return new Promise<unknown>((resolve, reject) => {
    worker.addEventListener('message', function answered({ data: [answer, result, error] }: MessageEvent<[number, unknown, string?]>) {
      if (answer !== id) return;
      worker.removeEventListener('message', answered);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    });
    worker.postMessage([id, name, args]);
  }) as ReturnType<ProjectScale[Name]>;
}

window.__projectScale = {
  open(place, engine) {
    const file = document.querySelector<HTMLInputElement>('#file')?.files?.[0];
    if (!file) throw new Error('No file was chosen');
    return call('open', file, place, engine);
  },
  read: () => call('read'),
  project: (expert) => call('project', expert),
};
