// Cutting a long text where a reader would: at blank lines, else at line ends, sentence ends, spaces. Pieces joined give the text back.

/** A number that depends on the text just after a boundary alone (FNV-1a over its first characters). */
function contentOrder(text: string, boundary: number): number {
  let hash = 0x811c9dc5;
  for (let i = boundary; i < Math.min(text.length, boundary + 32); i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/**
 * The end of the paragraph to cut after, between half and one and a half times the target. Which one is decided by the text around it rather than by
 * its place, so that a passage that occurs twice is soon cut alike both times and its pieces are found to be duplicates.
 */
function paragraphEnd(text: string, from: number, target: number): number | undefined {
  let best: number | undefined;
  let bestOrder = Infinity;
  for (let at = text.indexOf('\n\n', from + target / 2); at >= 0 && at < from + 1.5 * target; at = text.indexOf('\n\n', at + 2)) {
    const order = contentOrder(text, at + 2);
    if (order < bestOrder) [best, bestOrder] = [at + 2, order];
  }
  return best;
}

/** Where to cut `text` so that the piece from `from` has about `target` characters. @returns an index in (from, from + 2 * target] */
function cutAfter(text: string, from: number, target: number): number {
  const paragraph = paragraphEnd(text, from, target);
  if (paragraph !== undefined) return paragraph;
  for (const separator of ['\n', '. ', ' ']) {
    const before = text.lastIndexOf(separator, from + target - separator.length);
    if (before >= from + target / 2) return before + separator.length;
  }
  const end = from + target;
  const code = text.charCodeAt(end - 1);
  // Never between the halves of a surrogate pair.
  return code >= 0xd800 && code <= 0xdbff ? end + 1 : end;
}

/**
 * Cuts off pieces of about `target` characters while more than twice that remains.
 * @returns the pieces and what is left, at most 2 * target characters
 */
export function takePieces(text: string, target: number): { pieces: string[]; rest: string } {
  const pieces: string[] = [];
  let from = 0;
  while (text.length - from > 2 * target) {
    const end = cutAfter(text, from, target);
    pieces.push(text.slice(from, end));
    from = end;
  }
  return { pieces, rest: text.slice(from) };
}

/** The whole text in pieces of about `target` characters. */
export function cutAtParagraphs(text: string, target: number): string[] {
  const { pieces, rest } = takePieces(text, target);
  if (rest.length > 1.5 * target) {
    const end = cutAfter(rest, 0, Math.ceil(rest.length / 2));
    if (end < rest.length) return [...pieces, rest.slice(0, end), rest.slice(end)];
  }
  return rest === '' ? pieces : [...pieces, rest];
}
