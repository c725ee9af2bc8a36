// One thread of the preparation pool: the tokenizer once, then batches of texts in, hashes and ids out.
import { DocumentPreparer } from '../data/prepareDocuments.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import type { PreparationReply, PreparationRequest } from './preparationPool.ts';

let preparer: DocumentPreparer | undefined;

self.addEventListener('message', ({ data }: MessageEvent<PreparationRequest>) => {
  if ('settings' in data) {
    const { tokenizerJson, tokenizerConfig, comparesNear } = data.settings;
    preparer = new DocumentPreparer(createTokenizer(tokenizerJson, tokenizerConfig), comparesNear);
    return;
  }
  // Whatever is thrown here reaches the pool as an error of this worker.
  if (!preparer) throw new Error('The settings come before the first batch.');
  const reply: PreparationReply = { id: data.id, batch: preparer.prepare(data.texts) };
  self.postMessage(reply, { transfer: Object.values(reply.batch).map(({ buffer }) => buffer) });
});
