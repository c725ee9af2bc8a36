import { describe, expect, it } from 'vitest';
import { file, gzip, load, pathsOf, prose, textsOf, zip } from './loading.fixture.ts';
import { FieldError } from './textField.ts';

const A = prose(11, 60);
const B = prose(12, 60);
const C = prose(13, 60);
const rows = [{ id: 1, note: 'x', story_text: A }, { id: 2, note: 'y', story_text: B }, { id: 3, note: 'z', story_text: C }];
const jsonLines = rows.map((row) => JSON.stringify(row)).join('\n');
const csv = ['id,note,story_text', ...rows.map((row) => `${row.id},${row.note},"${row.story_text.replaceAll('"', '""')}"`)].join('\r\n');
const chosen = (path: string) => [{ path, fields: ['id', 'note', 'story_text'], chosen: 'story_text' }];

describe('formats', () => {
  it.each(['a.txt', 'a.md', 'README', 'notes.unknown'])('reads %s as one document', async (path) => {
    const loaded = await load([file(path, A)]);
    expect(textsOf(loaded)).toEqual([A]);
    expect(pathsOf(loaded)).toEqual([path]);
    expect(loaded.report).toMatchObject({ files: 1, encodings: { 'UTF-8': 1 }, fields: [], failures: [] });
  });

  it('takes pasted text', async () => {
    expect(textsOf(await load([{ path: 'pasted text', text: ` \r\n${A}\r\n` }]))).toEqual([A]);
  });

  it.each(['r.jsonl', 'r.ndjson', 'r.json', 'r.data'])('reads JSON Lines in %s', async (path) => {
    const loaded = await load([file(path, jsonLines)]);
    expect(textsOf(loaded)).toEqual([A, B, C]);
    expect(pathsOf(loaded)).toEqual([`${path} #1`, `${path} #2`, `${path} #3`]);
    expect(loaded.report.fields).toEqual(chosen(path));
  });

  it.each([
    ['an array of objects', JSON.stringify(rows, null, 2), [A, B, C]],
    ['an array of strings', JSON.stringify([A, B]), [A, B]],
    ['an object with an array', JSON.stringify({ version: '1.0', data: rows, more: { a: 1 } }), [A, B, C]],
    ['objects by key', JSON.stringify({ first: { text: A }, second: { text: B, tags: ['q'] } }), [A, B]],
    ['one record', JSON.stringify({ title: 'x', text: A }), [A]],
  ])('reads .json: %s', async (_name, content, expected) => {
    expect(textsOf(await load([file('r.json', content)]))).toEqual(expected);
  });

  it('reads .csv and .tsv, quotes and all', async () => {
    const loaded = await load([file('r.csv', csv)]);
    expect(textsOf(loaded)).toEqual([A, B, C]);
    expect(loaded.report.fields).toEqual(chosen('r.csv'));
    const oneLine = (text: string) => text.replace(/\s+/g, ' ');
    const tsv = ['id\ttext', `1\t${oneLine(A)}`, `2\t${oneLine(B)}`].join('\n');
    expect(textsOf(await load([file('r.tsv', tsv)]))).toEqual([oneLine(A), oneLine(B)]);
    expect(textsOf(await load([file('semicolons.csv', `id;text\n1;${oneLine(A)}\n2;${oneLine(B)}\n`)]))).toEqual([oneLine(A), oneLine(B)]);
  });

  it('reads a table without column names', async () => {
    const oneLine = prose(14, 60).replace(/\s+/g, ' ');
    const loaded = await load([file('r.csv', `1,"${oneLine}"\n2,"${A.replace(/\s+/g, ' ')}"\n`)]);
    expect(loaded.report.fields).toEqual([{ path: 'r.csv', fields: ['column 1', 'column 2'], chosen: 'column 2' }]);
    expect(loaded.corpus.numDocuments).toBe(2);
  });

  it('reads .html as a reader sees it', async () => {
    const html = `<!doctype html><html><head><title>The T&amp;itle</title><style>p { color: red }</style><script>var x = "<p>no</p>";</script></head>
      <body><h1>Head</h1><p>One   <b>bold</b>\n word&nbsp;&eacute; &#x1F44D;.</p><div>Two<br>lines</div><ul><li>a</li><li>b</li></ul><pre>x\n  y</pre></body></html>`;
    expect(textsOf(await load([file('a.html', html)]))).toEqual(['The T&itle\n\nHead\n\nOne bold word é 👍.\n\nTwo\nlines\n\na\nb\n\nx\n  y']);
    expect(textsOf(await load([file('unnamed', html)]))[0]).toContain('One bold word');
  });

  it('reads gzip of any of them', async () => {
    expect(textsOf(await load([file('a.txt.gz', await gzip(A))]))).toEqual([A]);
    const loaded = await load([file('r.jsonl.gz', await gzip(jsonLines)), file('r.csv.gz', await gzip(csv.replaceAll(A, prose(15, 60)).replaceAll(B, prose(16, 60))))]);
    expect(loaded.corpus.numDocuments).toBe(5);
    expect(loaded.exactDuplicates).toBe(1);
    expect(loaded.report.fields.map(({ path }) => path)).toEqual(['r.jsonl.gz', 'r.csv.gz']);
  });

  it('reads zip of any of them, without the files systems leave behind', async () => {
    const archive = await zip({ 'a.txt': A, 'deep/b.md.gz': await gzip(B), 'deep/r.csv': `text\n"${C}"\n`, '__MACOSX/._a.txt': 'junk', 'deep/.DS_Store': 'junk', 'image.png': new Blob([new Uint8Array([137, 80, 78, 71, 0, 0])]) });
    const loaded = await load([file('all.zip', archive), file('.hidden.txt', 'hidden'), file('folder/Thumbs.db', 'x')]);
    expect(textsOf(loaded)).toEqual([A, B, C]);
    expect(pathsOf(loaded)).toEqual(['all.zip/a.txt', 'all.zip/deep/b.md.gz', 'all.zip/deep/r.csv #1']);
    expect(loaded.warnings).toEqual(['all.zip/image.png is not a text file: its bytes are binary data. It was left out.']);
  });
});

describe('the text field', () => {
  it('goes by name before length', async () => {
    const lines = [0, 1, 2].map((i) => JSON.stringify({ summary: 'long '.repeat(100) + i, Text: `${prose(20 + i, 30)}` })).join('\n');
    expect((await load([file('r.jsonl', lines)])).report.fields[0].chosen).toBe('Text');
  });

  it('can be chosen', async () => {
    const loaded = await load([file('r.csv', csv)], { fields: { 'r.csv': 'note' } });
    expect(textsOf(loaded)).toEqual(['x', 'y', 'z']);
    expect(loaded.report.fields[0].chosen).toBe('note');
  });

  it('names the columns when the chosen one is absent', async () => {
    const failing = load([file('good.txt', A), file('r.csv', csv)], { fields: { 'r.csv': 'body' } });
    await expect(failing).rejects.toThrow('r.csv has no column "body"; its columns are id, note, story_text.');
    const error = await failing.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FieldError);
    expect((error as FieldError).fields).toEqual(chosen('r.csv'));
  });

  it('skips lines that are not JSON and says so', async () => {
    const loaded = await load([file('r.jsonl', `${jsonLines}\n{broken\n\n42\n`)]);
    expect(loaded.corpus.numDocuments).toBe(3);
    expect(loaded.warnings).toEqual(['r.jsonl: 2 lines are no JSON object and were skipped.']);
  });

  it('keeps what came before a break in a .json file', async () => {
    const loaded = await load([file('r.json', JSON.stringify(rows).slice(0, -30))]);
    expect(textsOf(loaded)).toEqual([A, B]);
    expect(loaded.warnings[0]).toContain('r.json stops being valid JSON after 2 records');
  });
});
