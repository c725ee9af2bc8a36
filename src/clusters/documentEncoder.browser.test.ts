// The nano pack's encoder in a real browser: text of a distinct kind must land in a cluster that its words describe, and the runtime must
// agree with a recomputation from the table inside the ONNX file.
import { beforeAll, describe, expect, it } from 'vitest';
import { openPack, type Pack } from '../pack/openPack.ts';
import type { PackCluster } from '../pack/packClusters.ts';
import { expectClose } from '../testing/allclose.ts';
import { createTokenizer, type TextTokenizer } from '../tokenizer/tokenizer.ts';
import { clusterHistogram } from './assign.ts';
import { createDocumentEncoder, type DocumentEncoder } from './documentEncoder.ts';
import { mostFrequentCluster } from './strategy.ts';

const LAW = `12. (1) Every person who contravenes subsection (2) is guilty of an offence and is liable on summary conviction to a fine. (2) No person shall,
except under the authority of a permit issued by the Minister under section 9, deposit any substance referred to in paragraph (a). (3) Where the Minister is
satisfied that a licence was issued in respect of a person who does not meet the requirements of this Act, the Minister may, subject to subsection (4), suspend it.
(4) Before suspending a licence under subsection (3), the Minister shall give notice in writing to the person in respect of whom the licence was issued.`;
const LINUX = `To install Linux from the boot disk, run the setup in a terminal as root. On Ubuntu type sudo apt-get install and the driver is
installed; each device needs its own driver, and the hardware configuration is shown in the settings dialog, as it is in Windows. To install the kernel, copy
the image file to /boot and edit the boot loader's configuration file. Make sure that the disk is mounted and that the file system was checked. On most Linux systems the module is loaded at boot; otherwise run insmod as root. The server reads its options from a file in /etc, and
the network card must be configured before the daemon is started. If your system hangs, boot from the rescue floppy and restore the old kernel version.`;
const POWERSHELL = `The Get-Item cmdlet gets the item at the specified path. To pass the object through the pipeline, use the PassThru parameter. By default, this
cmdlet does not generate any output. The value of the Credential parameter is a PSCredential object. You can use wildcard characters in the Name parameter. Type: String,
Position: Named, Default value: None, Accept pipeline input: False, Accept wildcard characters: False. The session runs the command on the remote computer.`;
const VERSE = `All night she sat beside the lady's bed, and wept; her eyes were red, her face was pale. The woman told her father
what he said, Sir John, who took to wife a maid so frail. O heart, my heart, what sweet and silent dream hath led thee down to where the roses sleep? Thou love
of mine, thy soul a gentle stream that murmurs through the meadows, cool and deep. I saw thee once beneath the heaven's light, and earth was glad, and all the birds did sing; sweet love, thou wert my morning and my night.`;

let pack: Pack;
let tokenizer: TextTokenizer;
let encoder: DocumentEncoder;

beforeAll(async () => {
  pack = await openPack({ kind: 'url', url: new URL('/packs/nano/', location.href).href });
  tokenizer = createTokenizer(pack.tokenizerJson, pack.tokenizerConfig);
  encoder = await createDocumentEncoder(await pack.readEncoder(), pack);
});

/** The encoder's table of float32 rows [V, D]: the one raw_data field (tag 0x4a) of V * D * 4 bytes, a length that protobuf stores as a varint. */
function tableInside(onnx: Uint8Array): Float32Array {
  const numBytes = pack.model.vocabSize * pack.centroids.dimension * 4;
  const mark = [0x4a];
  for (let rest = numBytes; rest > 0; rest >>>= 7) mark.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  const at = onnx.findIndex((_, i) => mark.every((byte, j) => onnx[i + j] === byte));
  if (at < 0) throw new Error('no table in encoder.onnx');
  return new Float32Array(onnx.slice(at + mark.length, at + mark.length + numBytes).buffer);
}

function embeddingByHand(table: Float32Array, tokens: ArrayLike<number>): Float64Array {
  const size = pack.centroids.dimension;
  const mean = new Float64Array(size);
  for (let t = 0; t < tokens.length; t++) for (let d = 0; d < size; d++) mean[d] += table[tokens[t] * size + d] / tokens.length;
  const norm = Math.hypot(...mean);
  return mean.map((value) => value / norm);
}

/** The cluster of most of a text's windows. */
async function clusterOf(text: string): Promise<number> {
  const { histogram, windows } = await clusterHistogram(encoder, pack.centroids, [tokenizer.encode(text)], pack);
  expect(windows).toBe(1);
  return mostFrequentCluster(histogram);
}

/** How many of a cluster's top terms occur in the text as words. */
function termsIn(text: string, { topTerms }: PackCluster): number {
  const words = new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu));
  return topTerms.filter((term) => words.has(term.toLowerCase())).length;
}

describe('document encoder', () => {
  it('gives embeddings of norm 1 that equal a recomputation from its own table', async () => {
    const table = tableInside(await pack.readEncoder());
    for (const text of [LAW, LINUX, 'a']) {
      const tokens = tokenizer.encode(text);
      const embedding = await encoder.embed(tokens);
      expect(Math.abs(Math.hypot(...embedding) - 1)).toBeLessThan(1e-5);
      expectClose('embedding', embedding, embeddingByHand(table, tokens), 1e-5);
    }
  });

  it.each([['law', LAW], ['Linux', LINUX], ['PowerShell', POWERSHELL], ['verse', VERSE]])('places %s in a cluster whose top terms it speaks, far more than those of the others', async (_kind, text) => {
    const shared = pack.clusters.map((cluster) => termsIn(text, cluster));
    const average = shared.reduce((sum, count) => sum + count) / shared.length;
    const chosen = await clusterOf(text);
    expect(shared[chosen], pack.clusters[chosen].label).toBeGreaterThanOrEqual(2);
    expect(shared[chosen], pack.clusters[chosen].label).toBeGreaterThan(2 * average);
  });

  it('tells law, PowerShell and verse apart', async () => {
    expect(new Set([await clusterOf(LAW), await clusterOf(POWERSHELL), await clusterOf(VERSE)]).size).toBe(3);
  });

  it('counts the windows of a mixed text', async () => {
    const law = tokenizer.encode(LAW);
    const { counts, windows } = await clusterHistogram(encoder, pack.centroids, [law, tokenizer.encode(VERSE), law], { windowTokens: 64 });
    expect(windows).toBe(2 * Math.ceil(law.length / 64) + Math.ceil(tokenizer.encode(VERSE).length / 64));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(windows);
  });

  it('fails in a sentence on bytes that are no encoder and on a token beyond the table', async () => {
    await expect(createDocumentEncoder(new Uint8Array([8, 8, 18, 0]), pack)).rejects.toThrow(/^encoder\.onnx could not be opened: [^\n]+\.$/);
    await expect(encoder.embed([pack.model.vocabSize])).rejects.toThrow(/^encoder\.onnx failed on a window of the text: [^\n]+\.$/);
  });
});
