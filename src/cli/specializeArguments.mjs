// The arguments of `npm run specialize`: parsed and checked before anything is installed or started, each failure one sentence.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { CommandFailure } from './commandFailure.mjs';
import { readBudget, readMethod, readRace } from './methodArguments.mjs';

/** @typedef {import('../config/runConfig.ts').ExpertStrategy} ExpertStrategy */
/** @typedef {import('../config/runBudget.ts').RunBudget} RunBudget */
/** @typedef {import('../config/writtenMethod.ts').WrittenMethod} WrittenMethod */
/** @typedef {'auto' | 'hardware' | 'software'} AdapterChoice */
/** @typedef {import('../config/engineChoice.ts').EngineChoice} EngineChoice */
/** @typedef {NonNullable<import('../config/engineChoice.ts').EngineRequest['without']>[number]} OptionalMeans */

/** A file on disk and the path the engine is to call it by. @typedef {{ file: string, name: string }} InputFile */

/**
 * @typedef {object} SpecializeArguments
 * @property {InputFile[]} data
 * @property {InputFile[]} [pack] absent: the bundled pack
 * @property {ExpertStrategy} expert
 * @property {'all' | WrittenMethod[]} [methods] runs of these instead of one with `expert`
 * @property {RunBudget} [budget] of each of `methods`, instead of steps
 * @property {number} [steps]
 * @property {number} [seed]
 * @property {string} [out]
 * @property {string} [json]
 * @property {AdapterChoice} adapter
 * @property {EngineChoice} engine
 * @property {OptionalMeans[]} without
 */

/** @type {readonly ExpertStrategy[]} */
const STRATEGIES = ['mostFrequent', 'bestPretrained', 'mixture', 'fitted'];
/** @type {readonly AdapterChoice[]} */
const ADAPTERS = ['auto', 'hardware', 'software'];
/** @type {readonly EngineChoice[]} */
const ENGINES = ['auto', 'webgpu', 'wasm'];
/** @type {readonly OptionalMeans[]} */
const OPTIONAL_MEANS = ['subgroups', 'workgroupMemory', 'measuring', 'halfStorage', 'fusedProducts', 'threads'];

export const HELP = `Specializes a projected network to your text in headless Chromium and prints the figures as JSON.

  npm run specialize -- --data FILE [options]

  --data FILE        text of your domain: a file or a folder; may be given more than once
                     (.txt .md .jsonl .json .csv .tsv .html, also as .gz or .zip)
  --pack DIR         a pack's folder (default: the bundled packs/nano)
  --expert STRATEGY  ${STRATEGIES.join(', ')} (default: mostFrequent)
  --steps N          optimizer steps at most (default: by the size of your text; early stopping may end sooner)
  --seed S           seed of the training order (default: 1)
  --out DIR          save the specialized model there, as a zip that Hugging Face transformers reads once unpacked;
                     with --method or --race save every run, as a .run.zip that the studio imports under Compare methods
                     (nothing else keeps it; transformers does not read it)
  --json FILE        write the JSON there too
  --adapter KIND     auto, hardware or software (default: auto, the GPU where there is one)
  --engine ENGINE    webgpu, wasm or auto (default: auto, WebGPU on a GPU and WebAssembly on the processor without one)
  --without MEANS    switches off what the engine may use: subgroups, workgroupMemory, measuring (of kernels), halfStorage, on
                     WebAssembly fusedProducts, threads; several with commas
  --help             this text

Instead of --expert, the methods of the paper as under Compare methods in the studio:

  --method METHOD    one run; options follow a colon, as in SLM-pn:strategy=fitted,fittedSteps=12
  --race "METHODS"   several side by side on the same text, with spaces between them, as in "SLM SLM-pn:strategy=fitted LLM";
                     may be given more than once; all: every method that the pack has the parts for
  --budget AMOUNT    what each run may use, instead of --steps: 50000tokens, 2minutes or 5e11flops

  SLM                the plain small model
  SLM-nopt           without pretraining
  SLM-pn             the projected network: strategy=mostFrequent|bestPretrained|mixture|fitted|bestFineTuned, cluster=N,
                     fittedSteps=N, halving=true|false
  SLM-mix            the hard mixture: strategy=mostFrequent|bestPretrained, cluster=N
  SLM-is             importance sampling: start=slm|random, pretrainingSteps=N
  SLM-d              distillation from the large model: weight=0 to 1, temperature=T, teacherSteps=N
  LLM                the large model, as the upper reference

Progress goes to stderr, the JSON to stdout; perplexities are on held-out test documents. With --method or --race a table ends
the progress; the exit code is not 0 if a run failed, and the others are reported.`;

/** Every file below a folder, without hidden ones, in a fixed order. @param {string} folder @returns {string[]} */
function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith('.'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return statSync(path).isDirectory() ? filesBelow(path) : [path];
    });
}

/** Path of `file` below `folder` with forward slashes. @param {string} folder @param {string} file */
const pathBelow = (folder, file) => relative(folder, file).split(sep).join('/');

/** @param {string} path @returns {InputFile[]} */
function dataFiles(path) {
  if (!existsSync(path)) throw new CommandFailure(`--data ${path}: there is no such file or folder.`);
  if (!statSync(path).isDirectory()) return [{ file: path, name: basename(path) }];
  const files = filesBelow(path);
  if (files.length === 0) throw new CommandFailure(`--data ${path}: the folder holds no files.`);
  return files.map((file) => ({ file, name: `${basename(path)}/${pathBelow(path, file)}` }));
}

/** @param {string} folder @returns {InputFile[]} */
function packFiles(folder) {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new CommandFailure(`--pack ${folder}: there is no such folder.`);
  if (!existsSync(join(folder, 'pack.json'))) throw new CommandFailure(`--pack ${folder}: the folder holds no pack.json.`);
  return filesBelow(folder).map((file) => ({ file, name: pathBelow(folder, file) }));
}

/** @param {string} option @param {string} value @param {number} min @param {number} max */
function wholeNumber(option, value, min, max) {
  const number = Number(value);
  if (!/^\d+$/.test(value) || !(number >= min && number <= max)) throw new CommandFailure(`--${option} must be a whole number between ${min} and ${max}, not "${value}".`);
  return number;
}

/** @template {string} T @param {string} option @param {string} value @param {readonly T[]} choices @returns {T} */
function oneOf(option, value, choices) {
  const choice = choices.find((candidate) => candidate === value);
  if (!choice) throw new CommandFailure(`--${option} must be one of ${choices.join(', ')}, not "${value}".`);
  return choice;
}

/** @param {readonly string[]} argv */
function parsed(argv) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        data: { type: 'string', multiple: true },
        pack: { type: 'string' },
        expert: { type: 'string' },
        method: { type: 'string' },
        race: { type: 'string', multiple: true },
        budget: { type: 'string' },
        steps: { type: 'string' },
        seed: { type: 'string' },
        out: { type: 'string' },
        json: { type: 'string' },
        adapter: { type: 'string' },
        engine: { type: 'string' },
        without: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    const [sentence] = (error instanceof Error ? error.message : String(error)).split(/\.\s|\n/);
    throw new CommandFailure(`${sentence.replace(/\.$/, '')}: see npm run specialize -- --help.`);
  }
}

/**
 * Methods and budget of the runs that were asked for; none where it is the one run with --expert.
 * @param {ReturnType<typeof parsed>} values
 * @returns {Pick<SpecializeArguments, 'methods' | 'budget'>}
 */
function readRuns({ method, race, budget, expert, steps }) {
  if (method === undefined && race === undefined) {
    if (budget !== undefined) throw new CommandFailure('--budget goes with --method or --race; without them, use --steps.');
    return {};
  }
  if (method !== undefined && race !== undefined) throw new CommandFailure('--method is one run and --race several: give one of the two.');
  if (expert !== undefined) throw new CommandFailure(`--expert does not go with --method or --race: write SLM-pn:strategy=${expert} as the method.`);
  if (steps !== undefined && budget !== undefined) throw new CommandFailure('--steps and --budget both say how long to train: give one of the two.');
  const methods = method !== undefined ? readMethod(method) : readRace(race ?? []);
  return { methods, budget: budget === undefined ? undefined : readBudget(budget, methods) };
}

/**
 * @param {readonly string[]} argv without node and the script
 * @returns {SpecializeArguments | 'help'}
 * @throws {CommandFailure} one sentence about the first thing that is wrong
 */
export function readArguments(argv) {
  const values = parsed(argv);
  if (values.help) return 'help';
  if (!values.data) throw new CommandFailure('--data is missing: name a file or folder of your text, as in npm run specialize -- --data mytext.txt.');
  if (values.out !== undefined && existsSync(values.out) && !statSync(values.out).isDirectory()) throw new CommandFailure(`--out ${values.out}: this is a file, not a folder.`);
  return {
    data: values.data.flatMap(dataFiles),
    pack: values.pack === undefined ? undefined : packFiles(values.pack),
    expert: values.expert === undefined ? 'mostFrequent' : oneOf('expert', values.expert, STRATEGIES),
    ...readRuns(values),
    steps: values.steps === undefined ? undefined : wholeNumber('steps', values.steps, 1, 100_000),
    seed: values.seed === undefined ? undefined : wholeNumber('seed', values.seed, 0, 2 ** 31 - 1),
    out: values.out,
    json: values.json,
    adapter: values.adapter === undefined ? 'auto' : oneOf('adapter', values.adapter, ADAPTERS),
    engine: values.engine === undefined ? 'auto' : oneOf('engine', values.engine, ENGINES),
    without: values.without?.split(',').map((means) => oneOf('without', means, OPTIONAL_MEANS)) ?? [],
  };
}
