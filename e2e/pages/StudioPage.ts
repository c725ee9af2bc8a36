// The studio as a person uses it: one method per thing they can do, one locator per thing they look at.
import { expect, type Download, type Locator, type Page } from '@playwright/test';
import type { EngineChoice } from '../../src/config/engineChoice.ts';
import type { ExpertStrategy, RUN_RANGES, RunConfig } from '../../src/config/runConfig.ts';
import { EngineLog } from './engineLog.ts';

type NumericRunField = keyof typeof RUN_RANGES;
export type RunSettings = Partial<Pick<RunConfig, NumericRunField>>;

/** A file that exists only for the test. */
export interface MadeFile {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

export const textFile = (name: string, text: string): MadeFile => ({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });

export class StudioPage {
  private constructor(readonly page: Page, readonly engine: EngineLog) {}

  /** Records the engine's messages from the first on. */
  static async create(page: Page): Promise<StudioPage> {
    return new StudioPage(page, await EngineLog.install(page));
  }

  part(testId: string): Locator {
    return this.page.getByTestId(testId);
  }

  /** Opens the page and waits for the bundled pack. The engine is WebGPU's unless another is asked for: left to itself, the page would not use a software adapter. */
  async open(engine: EngineChoice = 'webgpu'): Promise<void> {
    await this.page.goto(`./?engine=${engine}`);
    await expect(this.part('pack-ready')).toBeVisible({ timeout: 120_000 });
  }

  /** Drops files or a folder of this machine on a part of the page, as the desktop would. */
  async drop(testId: string, paths: readonly string[]): Promise<void> {
    const zone = this.part(testId);
    await zone.scrollIntoViewIfNeeded();
    const box = await zone.boundingBox();
    if (!box) throw new Error(`${testId} is not on the page.`);
    const [x, y] = [box.x + box.width / 2, box.y + Math.min(box.height / 2, 40)];
    const session = await this.page.context().newCDPSession(this.page);
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
      await session.send('Input.dispatchDragEvent', { type, x, y, data: { items: [], files: [...paths], dragOperationsMask: 1 } });
      // The browser carries a drag from process to process; a drop sent at once would be dropped before the zone has accepted.
      await this.page.waitForTimeout(150);
    }
    await session.detach();
  }

  async chooseData(files: MadeFile | readonly MadeFile[] | string): Promise<void> {
    await this.part('data-file-input').setInputFiles(files as MadeFile);
  }

  async dataIsReady(timeout = 120_000): Promise<void> {
    await expect(this.part('data-ready')).toBeVisible({ timeout });
  }

  async useSample(): Promise<void> {
    await this.part('data-use-sample').click();
    await this.dataIsReady();
  }

  /** Projects with a strategy and waits for the weights. */
  async project(strategy: ExpertStrategy): Promise<void> {
    await this.engine.waitFor('expert.analyzed');
    await this.page.locator(`input[type="radio"][value="${strategy}"]`).check({ force: true });
    await this.part('expert-project').click();
    await this.engine.waitFor('model.projected');
  }

  async setRun(settings: RunSettings): Promise<void> {
    await this.openDisclosure('run-more');
    for (const [field, value] of Object.entries(settings)) await this.fill(`run-${field}`, value);
  }

  /** Splits the data anew and waits for it. */
  async setShares(shares: { readonly validationShare?: number; readonly testShare?: number }): Promise<void> {
    for (const [field, value] of Object.entries(shares)) {
      const loaded = (await this.engine.of('data.loaded')).length;
      await this.fill(`data-${field}`, value);
      await this.engine.waitFor('data.loaded', { count: loaded + 1 });
    }
  }

  private async fill(testId: string, value: number): Promise<void> {
    await this.part(testId).fill(String(value));
  }

  async openDisclosure(disclosure: string): Promise<void> {
    const details = this.part(disclosure);
    if ((await details.getAttribute('open')) === null) await details.locator('summary').first().click();
  }

  /** Drops a pack's folder where the page takes one. */
  async dropPack(folder: string): Promise<void> {
    await this.openDisclosure('pack-change');
    await this.drop('pack-drop', [folder]);
  }

  async startTraining(): Promise<void> {
    await this.part('train-start').click();
    await this.engine.waitFor('train.started');
  }

  /** Completes a prompt with both models and waits for both texts. */
  async sample(prompt: string): Promise<{ projected: string; fineTuned: string }> {
    const done = (await this.engine.of('sample.finished')).length;
    await this.part('sample-prompt').fill(prompt);
    await this.part('sample-start').click();
    await this.engine.waitFor('sample.finished', { count: done + 2 });
    const text = (model: string): Promise<string> => this.part(`sample-${model}`).innerText();
    return { projected: await text('projected'), fineTuned: await text('fineTuned') };
  }

  /** Clicks the export button and waits for the browser's download. */
  async exportModel(): Promise<Download> {
    const download = this.page.waitForEvent('download', { timeout: 120_000 });
    await this.part('export-button').click();
    return download;
  }

  /** The sentence the page shows about what went wrong: with data, or anywhere. */
  async errorSentence(where: 'data-error' | 'anywhere'): Promise<string> {
    const notice = (where === 'anywhere' ? this.page.getByRole('alert') : this.part(where)).first();
    await expect(notice).toBeVisible({ timeout: 60_000 });
    return (await notice.innerText()).trim();
  }
}
