// Compiles the AssemblyScript kernels below ./kernels and hands them to Vite, so that the binary is made from the sources wherever they are used: dev server, tests and build. An import of
// `./kernels/index.as.ts?kernels` (or `?kernels&fused`) gives the module's bytes as base64.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

const SOURCES = join(import.meta.dirname, 'kernels');
const ENTRY = 'index.as.ts';

/** @param {string} folder */
function readSources(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.as.ts')).sort();
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

/** @param {boolean} fused */
function flagsOf(fused) {
  return [
    ENTRY, '-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort=', '--importMemory', '--memoryBase', '1024', '--outFile', 'kernels.wasm',
    '--enable', 'simd', '--enable', 'threads', '--sharedMemory', '--initialMemory', '2', '--maximumMemory', '65536',
    ...(fused ? ['--enable', 'relaxed-simd', '--use', 'FUSED=1'] : []),
  ];
}

/**
 * The binary, for memory that threads share; from the last time where sources and flags are the same.
 * @param {boolean} fused whether it multiplies and adds in one instruction (relaxed SIMD)
 * @param {string} folder of the sources: this tree's, or another's that a bench compares with
 * @returns {Promise<Uint8Array>}
 * @throws Error with the compiler's words
 */
export async function compileKernels(fused, folder = SOURCES) {
  const sources = readSources(folder);
  const flags = flagsOf(fused);
  const hash = createHash('sha256').update(JSON.stringify([...sources, flags, readFileSync(import.meta.filename, 'utf8')])).digest('hex').slice(0, 16);
  const cache = join(tmpdir(), `studio-kernels-${process.getuid?.() ?? 0}`);
  const cached = join(cache, `${hash}.wasm`);
  try {
    return readFileSync(cached);
  } catch {
    // Not compiled yet.
  }
  const { default: asc } = await import('assemblyscript/asc');
  /** @type {Uint8Array | undefined} */
  let binary;
  const { error, stderr } = await asc.main(flags, {
    readFile: (name) => sources.get(basename(name)) ?? null,
    writeFile: (_name, contents) => { binary = /** @type {Uint8Array} */ (contents); },
    listFiles: () => [],
  });
  if (error || !binary) throw new Error(`The WebAssembly kernels do not compile: ${stderr.toString() || error}`);
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  // Renamed into place, because another process may be reading or writing the same.
  const partial = `${cached}.${process.pid}`;
  writeFileSync(partial, binary);
  renameSync(partial, cached);
  return binary;
}

/** @returns {import('vite').Plugin} */
export function kernelsPlugin() {
  return {
    name: 'webassembly-kernels',
    enforce: 'pre',
    load: {
      filter: { id: /index\.as\.ts\?kernels/ },
      async handler(id) {
        const folder = dirname(id.slice(0, id.indexOf('?')));
        for (const name of readdirSync(folder)) this.addWatchFile(join(folder, name));
        const binary = await compileKernels(id.includes('&fused'), folder);
        return { code: `export default ${JSON.stringify(Buffer.from(binary).toString('base64'))};`, moduleType: 'js', map: null };
      },
    },
  };
}
