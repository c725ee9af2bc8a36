// Guards the architecture: reads every import below src/, e2e/ and bench/ (types included) and checks it against the table of who may import
// whom, that no folder cycle or file cycle exists, that capabilities stay behind their fences, and that no file grows past 500 lines.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** What each folder of src/ may import, bottom to top; what is absent is forbidden. */
const ALLOWED: Record<string, readonly string[]> = {
  core: [],
  config: ['core'],
  reference: ['core'],
  gpu: ['core'],
  // A device without shaders, behind the GPU's own interface. Its kernels/ are AssemblyScript and import only each other.
  wasm: ['core', 'config', 'gpu'],
  tokenizer: ['core'],
  formats: ['core'],
  protocol: ['core', 'config'],
  // What finished runs say about each other: computed from their records alone, so both houses and the command line may ask.
  comparison: ['core', 'config'],
  kernels: ['core', 'gpu'],
  data: ['core', 'config', 'tokenizer', 'formats'],
  pack: ['core', 'config', 'formats'],
  runs: ['core', 'config', 'formats'],
  clusters: ['core', 'config', 'tokenizer', 'pack'],
  model: ['core', 'config', 'gpu', 'kernels', 'formats', 'pack'],
  training: ['core', 'config', 'comparison', 'gpu', 'kernels', 'data', 'model'],
  // Weights arrive as files of named tensors (formats), whichever method asks for them.
  methods: ['core', 'config', 'formats', 'gpu', 'data', 'pack', 'clusters', 'model', 'training'],
  export: ['core', 'config', 'tokenizer', 'formats'],
  engine: ['core', 'config', 'protocol', 'comparison', 'gpu', 'wasm', 'kernels', 'tokenizer', 'formats', 'data', 'pack', 'clusters', 'model', 'training', 'methods', 'export', 'runs'],
  client: ['core', 'config', 'protocol'],
  stores: ['core', 'config', 'protocol', 'comparison', 'client'],
  ui: ['core', 'config', 'protocol', 'comparison', 'stores'],
  testing: ['core', 'gpu', 'wasm', 'reference'],
  // Node scripts that serve and drive the built product; plain JavaScript because they run before anything is installed.
  cli: ['config', 'protocol'],
  // Pages other than the studio: the harness page for outside benchmarks, and the page the command line drives.
  pages: ['core', 'config', 'protocol', 'comparison', 'client', 'gpu', 'wasm', 'model', 'training'],
};

/** Folders whose tests may read more than their code. Tests may always read testing/ and reference/. */
const TEST_EXTRA = ['testing', 'reference'];

/** Files allowed past the line limit, each with its reason. */
const LONG_FILES: Record<string, string> = {};
const MAX_LINES = 500;

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return filesBelow(path);
    return /\.(ts|tsx|mjs)$/.test(name) ? [path] : [];
  });
}

const sourceFiles = filesBelow(join(ROOT, 'src'));
const isTest = (file: string): boolean => /\.test\.tsx?$/.test(file);
/** The folder of src/ a file lies in, or the name of a file that lies in src/ itself. */
const folderOf = (file: string): string => relative(join(ROOT, 'src'), file).split('/')[0];

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const found: string[] = [];
  for (const match of text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s*['"]([^'"]+)['"]/g)) found.push(match[1]);
  for (const match of text.matchAll(/(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g)) found.push(match[1]);
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) found.push(match[1]);
  return found;
}

function localTarget(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return resolve(dirname(file), specifier.replace(/\?.*$/, ''));
}

describe('layers', () => {
  it('finds the files it guards', () => {
    expect(sourceFiles.length).toBeGreaterThan(20);
  });

  it('lets each folder import only what the table allows', () => {
    const breaches: string[] = [];
    for (const file of sourceFiles) {
      const folder = folderOf(file);
      const isRootFile = relative(join(ROOT, 'src'), file) === folder;
      for (const specifier of importsOf(file)) {
        const target = localTarget(file, specifier);
        if (!target || !target.startsWith(join(ROOT, 'src'))) continue;
        const targetFolder = folderOf(target);
        if (targetFolder === folder) continue;
        const allowed = isRootFile
          ? folder === 'main.tsx' ? ['stores', 'ui'] : undefined
          : [...(ALLOWED[folder] ?? []), ...(isTest(file) ? TEST_EXTRA : [])];
        if (!allowed) continue;
        if (!allowed.includes(targetFolder)) breaches.push(`${relative(ROOT, file)} imports ${specifier}: ${folder} may not import ${targetFolder}`);
      }
      if (!isRootFile && !(folder in ALLOWED)) breaches.push(`${relative(ROOT, file)}: folder ${folder} is not in the table`);
    }
    expect(breaches).toEqual([]);
  });

  it('keeps e2e to types of the protocol and to the CPU reference, and bench out of the window house', () => {
    const breaches: string[] = [];
    const check = (area: string, forbidden: (folder: string, file: string, specifier: string) => boolean): void => {
      for (const file of filesBelow(join(ROOT, area))) {
        for (const specifier of importsOf(file)) {
          const target = localTarget(file, specifier);
          if (target?.startsWith(join(ROOT, 'src')) && forbidden(folderOf(target), file, specifier)) breaches.push(`${relative(ROOT, file)} imports ${specifier}`);
        }
      }
    };
    // The reference recomputes an exported model's loss independently of the engine; cli holds the browser's path and flags; pack knows which files a visit needs.
    check('e2e', (folder) => !['protocol', 'reference', 'core', 'config', 'cli', 'pack'].includes(folder));
    check('bench', (folder) => ['ui', 'stores', 'client', 'engine'].includes(folder));
    expect(breaches).toEqual([]);
  });

  it('has no import cycle between files, types included', () => {
    const graph = new Map<string, string[]>();
    for (const file of sourceFiles) {
      graph.set(file, importsOf(file).flatMap((specifier) => {
        const target = localTarget(file, specifier);
        return target && sourceFiles.includes(target) ? [target] : [];
      }));
    }
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].map((f) => relative(ROOT, f)).join(' -> '));
        return;
      }
      state.set(file, 'open');
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of sourceFiles) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('keeps capabilities behind their fences', () => {
    const fences: { pattern: RegExp; allowed: RegExp; what: string }[] = [
      { pattern: /\bnavigator\.gpu\b/, allowed: /^src\/gpu\//, what: 'navigator.gpu only in gpu/' },
      // wasm/ speaks to its own threads.
      { pattern: /\bpostMessage\(/, allowed: /^src\/(engine|client|wasm)\//, what: 'postMessage only in engine/, client/ and wasm/' },
      { pattern: /from 'react(-dom)?(\/[a-z]+)?'|from 'recharts'/, allowed: /^src\/(ui\/|main\.tsx)/, what: 'React only in ui/ and main.tsx' },
      { pattern: /navigator\.storage\.getDirectory|\bcaches\.open\(|indexedDB\.open\(/, allowed: /^src\/pack\//, what: 'browser storage only in the module that owns it (pack/)' },
      { pattern: /\bopenDB\b/, allowed: /^src\/(runs\/|engine\/keptChoices\.ts)/, what: 'databases only where they belong: of runs in runs/, of measured kernels in engine/keptChoices.ts' },
      { pattern: /localStorage\./, allowed: /^src\/stores\//, what: 'localStorage only in stores/' },
    ];
    const breaches: string[] = [];
    for (const file of sourceFiles) {
      const path = relative(ROOT, file);
      if (isTest(file)) continue;
      const code = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, '');
      for (const { pattern, allowed, what } of fences) if (pattern.test(code) && !allowed.test(path)) breaches.push(`${path}: ${what}`);
    }
    expect(breaches).toEqual([]);
  });

  it('keeps names and sizes in bounds', () => {
    const breaches: string[] = [];
    for (const file of [...sourceFiles, ...filesBelow(join(ROOT, 'e2e')), ...filesBelow(join(ROOT, 'bench'))]) {
      const path = relative(ROOT, file);
      if (/(^|\/)(utils?|helpers?|misc|manager)(\/|\.[a-z]+$)/i.test(path)) breaches.push(`${path}: a drawer name says nothing; name the thing`);
      const lines = readFileSync(file, 'utf8').split('\n').length;
      if (lines > MAX_LINES && !isTest(file) && !(path in LONG_FILES)) breaches.push(`${path}: ${lines} lines, over ${MAX_LINES}`);
    }
    expect(breaches).toEqual([]);
  });
});
