// Splitting by document needs documents of which none is a large part of the whole. How many there are is known only at the end, so documents are
// held back until they are plainly many; if they stay few, the long ones are cut at paragraphs.
import type { RawDocument } from './document.ts';
import { cutAtParagraphs } from './paragraphs.ts';
import { MAX_DOCUMENT_CHARACTERS, PIECE_CHARACTERS } from './plainText.ts';

/** A document longer than this share of the corpus (and than a piece) is cut. */
const MAX_SHARE = 1 / 20;
/** From so many characters on no document can be over that share, since none is longer than MAX_DOCUMENT_CHARACTERS. */
const HELD_CHARACTERS = MAX_DOCUMENT_CHARACTERS / MAX_SHARE;
/** With fewer documents than this even short ones are cut, into pieces of SHORT_PIECE_CHARACTERS. */
const MIN_DOCUMENTS = 10;
const SHORT_PIECE_CHARACTERS = 1024;

function cutLongerThan(documents: readonly RawDocument[], limit: number, piece: number): readonly RawDocument[] {
  return documents.flatMap((document) => {
    if (document.text.length <= limit) return [document];
    const pieces = cutAtParagraphs(document.text, piece);
    return pieces.map((text, i) => ({ path: document.path, part: document.part === 0 ? i + 1 : document.part, text: text.trim() })).filter(({ text }) => text !== '');
  });
}

export class DocumentHold<T extends RawDocument> {
  private held: T[] = [];
  private heldCharacters = 0;
  private isOpen = true;

  /** @returns the documents that are free to go, in order: none while it is undecided */
  add(document: T): readonly T[] {
    if (!this.isOpen) return [document];
    this.held.push(document);
    this.heldCharacters += document.text.length;
    if (this.heldCharacters <= HELD_CHARACTERS) return [];
    this.isOpen = false;
    const released = this.held;
    this.held = [];
    return released;
  }

  /** The documents still held: as they were added or, when one is too long for them, with long ones cut. */
  finish(): { readonly wereCut: false; readonly documents: readonly T[] } | { readonly wereCut: true; readonly documents: readonly RawDocument[] } {
    let documents = cutLongerThan(this.held, Math.max(PIECE_CHARACTERS, MAX_SHARE * this.heldCharacters), PIECE_CHARACTERS);
    if (documents.length < MIN_DOCUMENTS) documents = cutLongerThan(documents, 1.5 * SHORT_PIECE_CHARACTERS, SHORT_PIECE_CHARACTERS);
    return documents.length === this.held.length ? { wereCut: false, documents: this.held } : { wereCut: true, documents };
  }
}
