// Hugging Face's Rust tokenizer library through its npm package, as a filter: for node_backend.py, where Python's is absent.
//
//   node node_tokenizer.mjs merges FOLDER        one JSON string a line, and null at the end -> a JSON list of merges, the most
//                                                frequent first; the folder is for files in between, and is removed
//   node node_tokenizer.mjs encode FILE.json     a JSON list of strings a line -> for each string its number of ids (uint32)
//                                                and its ids (uint16), little-endian
//
// Lines are ASCII (JSON escapes the rest): Node's readline would also break a line at U+2028.
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { BPE, Tokenizer, byteLevelAlphabet, byteLevelPreTokenizer, whitespaceSplitPreTokenizer } from 'tokenizers';

const jsonLines = createInterface({ input: process.stdin, crlfDelay: Infinity });
const [mode, path] = process.argv.slice(2);
if (mode === 'merges') await writeMerges(path);
else if (mode === 'encode') await encodeLines(path);
else throw new Error(`unknown mode ${mode}`);

/**
 * The package trains from files alone, which it cuts at line ends; a word like "\n\n" would never be seen. So the words are cut here and
 * written in the byte alphabet, which has no white space, with spaces between them. A first line holds the whole alphabet.
 */
async function writeMerges(folder) {
  try {
    const wordsFile = join(folder, 'words.txt');
    const words = openSync(wordsFile, 'w');
    writeSync(words, `${byteLevelAlphabet().join(' ')}\n`);
    const cutIntoWords = byteLevelPreTokenizer(false, true);
    let isWhole = false;
    for await (const line of jsonLines) {
      const text = JSON.parse(line);
      isWhole = text === null;
      if (isWhole) break;
      writeSync(words, `${cutIntoWords.preTokenizeString(text).map(([word]) => word).join(' ')}\n`);
    }
    closeSync(words);
    if (!isWhole) throw new Error('the input ended early');
    const tokenizer = new Tokenizer(BPE.empty());
    tokenizer.setPreTokenizer(whitespaceSplitPreTokenizer());
    // It prints empty lines to standard output, which JSON allows before a value.
    tokenizer.train([wordsFile]);
    const trained = join(folder, 'tokenizer.json');
    tokenizer.save(trained);
    process.stdout.write(JSON.stringify(JSON.parse(readFileSync(trained, 'utf8')).model.merges));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function encodeLines(tokenizerFile) {
  const tokenizer = Tokenizer.fromFile(tokenizerFile);
  for await (const line of jsonLines) {
    for (const encoding of await tokenizer.encodeBatch(JSON.parse(line), { addSpecialTokens: false })) {
      const ids = encoding.getIds();
      process.stdout.write(new Uint8Array(Uint32Array.of(ids.length).buffer));
      process.stdout.write(new Uint8Array(Uint16Array.from(ids).buffer));
    }
  }
}
