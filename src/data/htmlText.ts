// The text of an .html file as it streams: scripts and styles dropped, block elements as paragraphs, white space as a browser shows it.
import { Parser } from 'htmlparser2';

/** Elements whose content is not text to read. */
const DROPPED = new Set(['script', 'style', 'noscript', 'template', 'svg', 'math', 'iframe', 'object', 'canvas', 'select', 'button']);
/** Elements that begin and end a paragraph. */
const BLOCKS = new Set([
  'title', 'p', 'div', 'section', 'article', 'aside', 'header', 'footer', 'main', 'nav', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'dl', 'table', 'blockquote',
  'pre', 'figure', 'figcaption', 'form', 'fieldset', 'details', 'summary', 'address', 'hr', 'body', 'head',
]);
/** Elements that begin and end a line. */
const LINES = new Set(['li', 'dt', 'dd', 'tr', 'caption', 'option']);
/** Elements set apart by a space from what follows on the line. */
const CELLS = new Set(['td', 'th']);

/** @param chunks the source text of one HTML file; yields its readable text in pieces */
export async function* readHtmlText(chunks: AsyncIterable<string>): AsyncGenerator<string, void, void> {
  let out = '';
  /** What separates the text written so far from what comes: at most one of these is due at a time. */
  let due: '' | ' ' | '\n' | '\n\n' = '';
  let droppedDepth = 0;
  let preDepth = 0;
  let hasText = false;
  const separate = (separator: ' ' | '\n' | '\n\n'): void => {
    if (separator.length > due.length || (separator !== ' ' && due === ' ')) due = separator;
  };
  const write = (text: string): void => {
    if (text === '') return;
    if (hasText) out += due;
    out += text;
    hasText = true;
    due = '';
  };
  const boundary = (name: string): void => {
    if (BLOCKS.has(name)) separate('\n\n');
    else if (LINES.has(name)) separate('\n');
    else if (CELLS.has(name)) separate(' ');
  };
  const parser = new Parser({
    onopentagname: (name) => {
      if (DROPPED.has(name)) droppedDepth++;
      if (name === 'pre') preDepth++;
      if (name === 'br') separate('\n');
      boundary(name);
    },
    onclosetag: (name) => {
      if (DROPPED.has(name)) droppedDepth = Math.max(0, droppedDepth - 1);
      if (name === 'pre') preDepth = Math.max(0, preDepth - 1);
      boundary(name);
    },
    ontext: (text) => {
      if (droppedDepth > 0) return;
      if (preDepth > 0) {
        write(text);
        return;
      }
      const collapsed = text.replace(/[ \t\n\f\u00a0]+/g, ' ');
      if (collapsed.startsWith(' ')) separate(' ');
      write(collapsed.trim());
      if (collapsed.length > 1 && collapsed.endsWith(' ')) separate(' ');
    },
  }, { decodeEntities: true });
  for await (const chunk of chunks) {
    parser.write(chunk);
    if (out !== '') yield out;
    out = '';
  }
  parser.end();
  if (out !== '') yield out;
}
