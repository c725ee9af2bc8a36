// What the window may ask of an engine. Imperative names. An engine answers with events (events.ts); it never returns values, so that a
// second engine (WebAssembly, another machine) can stand behind the same letterbox. Everything here is structured-cloneable.
import type { EngineRequest } from '../config/engineChoice.ts';
import type { DataConfig } from '../config/dataConfig.ts';
import type { MethodChoice } from '../config/method.ts';
import type { RunBudget } from '../config/runBudget.ts';
import type { ExpertStrategy, MemorySettings, RunConfig } from '../config/runConfig.ts';
import type { SampleConfig } from '../config/sampleConfig.ts';

/** A file with the path it had in its folder (just the name for a single file). */
export interface NamedFile {
  readonly path: string;
  readonly file: Blob;
}

export type PackSource =
  /** The pack served beside the page; `url` is absolute and ends in a slash. */
  | { readonly kind: 'url'; readonly url: string }
  /** A folder the user dropped. */
  | { readonly kind: 'files'; readonly files: readonly NamedFile[] };

export type DataSource =
  | { readonly kind: 'file'; readonly path: string; readonly file: Blob }
  | { readonly kind: 'text'; readonly path: string; readonly text: string }
  /** A file served beside the page (the bundled sample); `url` is absolute. */
  | { readonly kind: 'url'; readonly path: string; readonly url: string };

export interface ExpertChoice {
  readonly strategy: ExpertStrategy;
  /** The user's own choice of a cluster; overrides the strategy's. */
  readonly cluster?: number;
  /** Gradient steps of `fitted`. */
  readonly fittedSteps?: number;
}

export type EngineCommand =
  /** Opens the device, by default the one that suits this browser. Sent once, first, and again after a loss. Answered by device.ready or device.unavailable. */
  | { readonly type: 'engine.open'; readonly request?: EngineRequest }
  | { readonly type: 'pack.load'; readonly source: PackSource }
  | { readonly type: 'pack.clearCache' }
  /** Replaces the data set. Needs a loaded pack (its tokenizer). */
  | { readonly type: 'data.load'; readonly sources: readonly DataSource[]; readonly config: DataConfig }
  | { readonly type: 'data.cancel' }
  /** Splits the loaded documents again (shares, seed) without reading the files again; a changed field needs data.load. */
  | { readonly type: 'data.resplit'; readonly config: DataConfig }
  /** Asks for the beginning of one document with token boundaries. */
  | { readonly type: 'data.preview'; readonly document: number }
  /** Computes the cluster histogram of the training documents. Answered by expert.analyzed. */
  | { readonly type: 'expert.analyze' }
  /** Chooses the vector, projects, and evaluates SLM and projection on validation. Answered by expert.chosen and model.projected. */
  | { readonly type: 'expert.project'; readonly choice: ExpertChoice }
  | { readonly type: 'expert.cancel' }
  /** Starts a run from the projected weights. `paused` starts it waiting for train.step. */
  | { readonly type: 'train.start'; readonly runId: string; readonly config: RunConfig; readonly paused?: boolean }
  | { readonly type: 'train.pause'; readonly runId: string }
  | { readonly type: 'train.step'; readonly runId: string }
  | { readonly type: 'train.resume'; readonly runId: string }
  | { readonly type: 'train.stop'; readonly runId: string }
  /** Evaluates SLM, projection and the fine-tuned weights on the test documents. Answered by test.evaluated. Done once by itself when a run ends. */
  | { readonly type: 'test.evaluate'; readonly runId: string }
  /** Asks what this would take on the GPU at once: the fine-tuning of the projected weights, or a race of these methods. Answered by memory.estimated; nothing is allocated. For a run the engine then compiles the kernels in the background (kernels.prepared). */
  | { readonly type: 'memory.estimate'; readonly of: 'run'; readonly config: RunConfig }
  | { readonly type: 'memory.estimate'; readonly of: 'race'; readonly config: RunConfig; readonly methods: readonly MethodChoice[] }
  | { readonly type: 'sample.start'; readonly sampleId: string; readonly config: SampleConfig }
  | { readonly type: 'sample.stop'; readonly sampleId: string }
  | { readonly type: 'model.export'; readonly runId: string }
  /** Everything kept in this browser. Answered by runs.listed. */
  | { readonly type: 'runs.list' }
  /** Trains these runs side by side, each with the same text, split, settings and budget; a single run is a race of one. Answered by run.changed of each. */
  | { readonly type: 'runs.start'; readonly runs: readonly RunEntry[]; readonly config: RunConfig; readonly budget?: RunBudget }
  /**
   * Takes interrupted runs up again from their checkpoints, or from their beginning where they have none; brings their text back where it is not loaded.
   * `memory`: each with at most so many windows at once, and recomputation where it says so.
   */
  | { readonly type: 'runs.takeUp'; readonly runIds: readonly string[]; readonly memory?: MemorySettings }
  | { readonly type: 'runs.pause'; readonly runIds: readonly string[] }
  | { readonly type: 'runs.resume'; readonly runIds: readonly string[] }
  /** Ends runs early; each is tested with its best weights so far. */
  | { readonly type: 'runs.stop'; readonly runIds: readonly string[] }
  | { readonly type: 'run.rename'; readonly runId: string; readonly name: string }
  | { readonly type: 'run.delete'; readonly runId: string }
  /** Record, curves and weights as one file, without the user's text. Answered by run.exported. */
  | { readonly type: 'run.export'; readonly runId: string }
  | { readonly type: 'run.import'; readonly file: Blob; readonly fileName: string };

/** A run to be started. */
export interface RunEntry {
  readonly runId: string;
  readonly name: string;
  readonly method: MethodChoice;
  /** Trains on a nested part of the training text only, above 0, at most 1; test and validation documents stay the same. */
  readonly trainingShare?: number;
}

export type EngineCommandType = EngineCommand['type'];
