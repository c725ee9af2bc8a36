// From what the user gave to documents: archives opened, encodings and formats recognised, each file sent to its reader. One bad file among good
// ones is left out with a sentence; hostile archives and a wrongly chosen field stop everything.
import { UserError } from '../core/invariant.ts';
import { gunzipped, openZip } from './archives.ts';
import { blobFile, blobOf, isSystemFile, readHead, type ByteFile, type OnBytes, type TextSource } from './byteFile.ts';
import { readDelimited } from './delimited.ts';
import type { DocumentBatches, RawDocument } from './document.ts';
import { ExpansionError, type ExpansionLimits } from './expansionGuard.ts';
import { archiveFormatOf, fileFormatOf, refusalOf } from './fileFormat.ts';
import { readHtmlText } from './htmlText.ts';
import { readJsonDocument } from './jsonDocument.ts';
import { readJsonLines } from './jsonLines.ts';
import type { Pace } from './pace.ts';
import { cutAtParagraphs } from './paragraphs.ts';
import { MAX_DOCUMENT_CHARACTERS, PIECE_CHARACTERS, readPlainText } from './plainText.ts';
import { ENCODING_NAMES, decodedText, detectText } from './textEncoding.ts';
import { FieldError, documentsOfRecords, type FieldChoice } from './textField.ts';

/** What reading found out besides the documents; filled while they are read. */
export interface ReadingReport {
  /** Files that gave documents. */
  files: number;
  readonly fields: FieldChoice[];
  /** Files per encoding. */
  readonly encodings: Record<string, number>;
  readonly warnings: string[];
  /** One sentence per file that was left out. */
  readonly failures: string[];
}

export const emptyReport = (): ReadingReport => ({ files: 0, fields: [], encodings: {}, warnings: [], failures: [] });

export interface ReadSettings {
  /** Field chosen per path; absent: guessed. */
  readonly fields: Readonly<Record<string, string>>;
  readonly limits: ExpansionLimits;
  readonly pace: Pace;
  /** Told of every file and of its bytes as they are read. */
  readonly onBytes: (path: string, bytes: number) => void;
}

/**
 * All documents of `sources` in order, in batches.
 * @throws FieldError, ExpansionError, AbortError; other failures of single files go to `report.failures`
 */
export async function* readDocuments(sources: readonly TextSource[], settings: ReadSettings, report: ReadingReport): DocumentBatches {
  for (const source of sources) {
    if (isSystemFile(source.path)) continue;
    yield* guarded(readSource(source, settings, report), report);
  }
}

/** Passes documents on; the failure of one file becomes a line of the report. */
async function* guarded(documents: DocumentBatches, report: ReadingReport): DocumentBatches {
  let hasDocuments = false;
  try {
    for await (const batch of documents) {
      hasDocuments ||= batch.length > 0;
      yield batch;
    }
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof FieldError || error instanceof ExpansionError) throw error;
    if (hasDocuments) report.warnings.push(`${error.message} What came before was read.`);
    else report.failures.push(error.message);
  }
}

async function* readSource(source: TextSource, settings: ReadSettings, report: ReadingReport): DocumentBatches {
  const blob = blobOf(source);
  const { path } = source;
  const onBytes: OnBytes = (bytes) => settings.onBytes(path, bytes);
  if (blob.size === 0) throw new UserError(`${path} is empty.`);
  if (archiveFormatOf(path) === 'zip') {
    const content = await openZip(path, blob, settings.limits);
    report.failures.push(...content.skipped);
    if (content.files.length === 0 && content.skipped.length === 0) throw new UserError(`${path} is a zip file with nothing in it.`);
    for (const { file, expandedBytes } of content.files) {
      yield* guarded(readLeaf(file, expandedBytes, settings, report, onBytes), report);
    }
    return;
  }
  yield* readLeaf(blobFile(path, blob), blob.size, settings, report, onBytes);
}

/** A file that is no zip: text, or gzip around text. @param bytes its size */
async function* readLeaf(file: ByteFile, bytes: number, settings: ReadSettings, report: ReadingReport, onBytes: OnBytes): DocumentBatches {
  const archive = archiveFormatOf(file.path);
  if (archive === 'zip') throw new UserError(`${file.path} is a zip file inside an archive; unpack it first.`);
  const isGzip = archive === 'gzip';
  const inner = isGzip ? gunzipped(file, bytes, settings.limits) : file;
  // Formats go by the name below ".gz"; sentences and field choices by the path the user knows.
  const textPath = isGzip ? file.path.replace(/\.gz$/i, '') : file.path;
  if (isGzip && archiveFormatOf(textPath)) throw new UserError(`${file.path} is an archive inside an archive; unpack it first.`);
  const refusal = refusalOf(textPath, file.path);
  if (refusal) throw new UserError(refusal);
  await refuseDisguisedArchive(inner, settings.pace);
  yield* readText(inner, textPath, settings, report, onBytes);
}

async function refuseDisguisedArchive(file: ByteFile, pace: Pace): Promise<void> {
  const [a, b, c, d] = await readHead(file, 4, pace);
  if ((a === 0x50 && b === 0x4b && c === 0x03 && d === 0x04) || (a === 0x1f && b === 0x8b)) {
    throw new UserError(`${file.path} is not a text file: its bytes are those of an archive.`);
  }
  if (a === 0x25 && b === 0x50 && c === 0x44 && d === 0x46) throw new UserError(`${file.path} is not a text file: its bytes are those of a PDF.`);
}

/** @param textPath path without ".gz", which names the format */
async function* readText(file: ByteFile, textPath: string, { fields, pace }: ReadSettings, report: ReadingReport, onBytes: OnBytes): DocumentBatches {
  const { path } = file;
  const { encoding, head, warning } = await detectText(file, pace);
  const chunks = decodedText(file, encoding, pace, onBytes);
  const warn = (sentence: string): void => { report.warnings.push(sentence); };
  const choice = { path, chosen: fields[path], onChoice: (made: FieldChoice) => { report.fields.push(made); } };
  const format = fileFormatOf(textPath, head);
  let hasDocuments = false;
  for await (const batch of documentsOf(format)) {
    hasDocuments ||= batch.length > 0;
    yield batch.flatMap(withinBounds);
  }
  if (!hasDocuments) throw new UserError(`${path} has no text in it.`);
  report.files++;
  report.encodings[ENCODING_NAMES[encoding]] = (report.encodings[ENCODING_NAMES[encoding]] ?? 0) + 1;
  if (warning) warn(warning);

  function documentsOf(which: typeof format): DocumentBatches {
    switch (which) {
      case 'text': return readPlainText(chunks, path);
      case 'html': return readPlainText(readHtmlText(chunks), path);
      case 'jsonLines': return documentsOfRecords(readJsonLines(chunks, path, warn), { ...choice, noun: 'field' });
      case 'json': return documentsOfRecords(readJsonDocument(chunks, path, warn), { ...choice, noun: 'field' });
      case 'csv': return documentsOfRecords(readDelimited(chunks, path, ''), { ...choice, noun: 'column' });
      case 'tsv': return documentsOfRecords(readDelimited(chunks, path, '\t'), { ...choice, noun: 'column' });
    }
  }
}

/** A record longer than a document may be, in pieces. */
function withinBounds(document: RawDocument): readonly RawDocument[] {
  if (document.text.length <= MAX_DOCUMENT_CHARACTERS) return [document];
  return cutAtParagraphs(document.text, PIECE_CHARACTERS).map((text) => ({ ...document, text }));
}
