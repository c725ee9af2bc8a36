// The page `npm run specialize` drives in headless Chromium: files come in through its two file inputs (so that large ones are streamed), the
// request through window.specialize, progress goes out through window.reportProgress where the driver has installed it.
import { messageOf } from '../core/invariant.ts';
import type { ExpertStrategy } from '../config/runConfig.ts';
import type { NamedFile } from '../protocol/commands.ts';
import { openEngine } from '../client/engineClient.ts';
import { createProgressLines } from './progressLine.ts';
import { specialize, type SpecializeReport } from './specializeRun.ts';

/** What the driver asks for; names stand for the chosen files in the order of each input. */
export interface DrivenRequest {
  readonly dataNames: readonly string[];
  /** Empty: the bundled pack. */
  readonly packNames: readonly string[];
  readonly strategy: ExpertStrategy;
  readonly steps?: number;
  readonly seed?: number;
  /** Offers the exported zip as a download. */
  readonly exportModel: boolean;
  readonly requireHardware: boolean;
}

/** Failures come back as sentences, so that no stack crosses to the terminal. */
export type DrivenOutcome = { readonly report: SpecializeReport } | { readonly failure: string; /** No GPU device could be opened. */ readonly withoutDevice: boolean };

declare global {
  interface Window {
    specialize(request: DrivenRequest): Promise<DrivenOutcome>;
    reportProgress?(line: string): void;
  }
}

const log = document.querySelector('#progress') as HTMLElement;

function show(line: string): void {
  log.textContent += `${line}\n`;
  window.reportProgress?.(line);
}

function chosenFiles(inputId: string, names: readonly string[]): NamedFile[] {
  const files = (document.querySelector(`#${inputId}`) as HTMLInputElement).files;
  return names.map((path, index) => ({ path, file: files?.item(index) as File }));
}

function offerDownload(file: Blob, fileName: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = fileName;
  link.click();
}

window.specialize = async (request) => {
  const engine = openEngine();
  const progressLine = createProgressLines(() => performance.now());
  let withoutDevice = false;
  engine.subscribe((event) => {
    withoutDevice ||= event.type === 'device.unavailable';
    const line = progressLine(event);
    if (line) show(line);
  });
  try {
    const { report, exported } = await specialize(engine, {
      pack: request.packNames.length > 0
        ? { kind: 'files', files: chosenFiles('pack-files', request.packNames) }
        : { kind: 'url', url: new URL('packs/nano/', location.href).href },
      data: chosenFiles('data-files', request.dataNames).map((named) => ({ kind: 'file', ...named })),
      strategy: request.strategy,
      steps: request.steps,
      seed: request.seed,
      exportModel: request.exportModel,
      requireHardware: request.requireHardware,
    });
    if (exported) offerDownload(exported.file, exported.fileName);
    return { report };
  } catch (error) {
    return { failure: messageOf(error), withoutDevice };
  }
};
