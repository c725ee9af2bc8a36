// JavaScript memory of the page and its engine's worker after garbage collection, asked of Chromium's debugger.
import type { CDPSession, Page } from '@playwright/test';

interface HeapUsage {
  readonly usedSize: number;
  readonly backingStorageSize: number;
}

interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

export class HeapProbe {
  private readonly replies = new Map<number, (reply: Reply) => void>();
  private nextId = 1;

  private constructor(private readonly page: CDPSession, private readonly workerSession: string) {
    page.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
      if (sessionId !== workerSession) return;
      const reply = JSON.parse(message) as Reply;
      this.replies.get(reply.id)?.(reply);
      this.replies.delete(reply.id);
    });
  }

  /** Attaches to the page and to its one dedicated worker named "engine". */
  static async attach(page: Page): Promise<HeapProbe> {
    const session = await page.context().newCDPSession(page);
    const attached = new Promise<string>((resolve) => {
      session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
        if (targetInfo.type === 'worker') resolve(sessionId);
      });
    });
    // Without flattening, a worker's session is spoken to through the page's: Playwright offers no session of a worker's own.
    await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    return new HeapProbe(session, await attached);
  }

  private async askWorker(method: string): Promise<unknown> {
    const id = this.nextId++;
    const reply = new Promise<Reply>((resolve) => this.replies.set(id, resolve));
    await this.page.send('Target.sendMessageToTarget', { sessionId: this.workerSession, message: JSON.stringify({ id, method }) });
    const { result, error } = await reply;
    if (error) throw new Error(`${method} in the worker: ${error.message}`);
    return result;
  }

  /** Bytes in use by page and worker together: V8's heap and the memory of ArrayBuffers. */
  async bytes(): Promise<number> {
    await this.page.send('HeapProfiler.collectGarbage');
    await this.askWorker('HeapProfiler.collectGarbage');
    const usages = [await this.page.send('Runtime.getHeapUsage'), await this.askWorker('Runtime.getHeapUsage')] as HeapUsage[];
    return usages.reduce((sum, { usedSize, backingStorageSize }) => sum + usedSize + backingStorageSize, 0);
  }
}
