// Finds out which documents of a file the studio set aside, by asking its engine for every document's preview and matching them with the file.
import type { DocumentPreview } from '../../src/protocol/events.ts';
import type { SplitName } from '../../src/config/dataConfig.ts';
import type { StudioPage } from './StudioPage.ts';

/** Previews of all documents, in the engine's order. */
async function allPreviews(studio: StudioPage, numDocuments: number): Promise<DocumentPreview[]> {
  const before = (await studio.engine.of('data.previewed')).length;
  for (let document = 0; document < numDocuments; document++) {
    await studio.engine.send({ type: 'data.preview', document });
    await studio.engine.waitFor('data.previewed', { count: before + document + 1, polling: 20 });
  }
  return (await studio.engine.of('data.previewed')).slice(before).map(({ preview }) => preview);
}

/**
 * Texts of one side of the split, in the engine's order. The engine keeps the file's order and may have dropped duplicates, so the file's texts are walked
 * along with the previews and matched by their number of tokens and their beginning.
 */
export async function documentsOf(studio: StudioPage, split: SplitName, texts: readonly string[], numTokens: (text: string) => number): Promise<string[]> {
  const { data } = await studio.engine.last('data.loaded');
  const found: string[] = [];
  let at = 0;
  for (const preview of await allPreviews(studio, data.documents)) {
    const isThis = (text: string): boolean => text.startsWith(preview.tokens[0]) && numTokens(text) === preview.numTokens;
    while (at < texts.length && !isThis(texts[at].trim())) at++;
    if (at === texts.length) throw new Error(`Document ${preview.document} of the studio (${preview.numTokens} tokens, "${preview.tokens.slice(0, 8).join('')}") is not in the file.`);
    if (preview.split === split) found.push(texts[at].trim());
    at++;
  }
  return found;
}
