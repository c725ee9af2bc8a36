// Whether runs fit the GPU, asked before they start and again where the adapter refuses a buffer after all. What does not fit is refused with one sentence and,
// where there are such, with settings under which it fits and every step stays the same step.
import { packPartsOf, type MethodChoice } from '../config/method.ts';
import { invalidRunField, memoryChange, type MemorySettings, type RunConfig } from '../config/runConfig.ts';
import { formatBytes } from '../core/format.ts';
import { UserError } from '../core/invariant.ts';
import { canAllocate } from '../gpu/allocation.ts';
import type { OutOfGpuMemoryError } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { methodPeakBytes, type PackShapes } from '../methods/methodMemory.ts';
import type { Pack } from '../pack/openPack.ts';
import type { EngineCommand } from '../protocol/commands.ts';
import type { MemoryOffer } from '../protocol/events.ts';
import { firstFitting, gentlerSettings, withinMemory } from '../training/memory.ts';
import type { EngineState } from './engineState.ts';

/** A run that is to be on the GPU. */
export interface RunNeed {
  /** Undefined: weights that are already there are fine-tuned. */
  readonly method?: MethodChoice;
  readonly settings: RunConfig;
}

/** Runs that are to be on the GPU side by side. */
export interface MemoryNeeds {
  readonly gpu: Gpu;
  readonly shapes: PackShapes;
  /** At least one. */
  readonly runs: readonly RunNeed[];
  /** Bytes that runs which go on may still ask for. */
  readonly reserved?: number;
  /** Whether the adapter gives so many bytes beside all that is there; the adapter itself is asked unless given. */
  readonly allows?: (bytes: number) => Promise<boolean>;
}

/** Too large for the GPU. */
export class MemoryRefusal extends UserError {
  override name = 'MemoryRefusal';

  constructor(message: string, readonly offer?: MemoryOffer) {
    super(message);
  }
}

export const offerOf = (error: unknown): MemoryOffer | undefined => (error instanceof MemoryRefusal ? error.offer : undefined);

/** The shapes that these methods need to know; of the large model its config alone is fetched. */
export async function packShapes(pack: Pack, methods: readonly (MethodChoice | undefined)[], signal?: AbortSignal): Promise<PackShapes> {
  const needsLarge = methods.some((method) => method && packPartsOf(method).includes('llm'));
  return { ...pack, large: needsLarge ? await pack.readLargeShape({ signal }) : undefined };
}

/** Bytes that all runs take when each is at its largest at the same time: never less than they will take. @throws UserError when a part is over the adapter's limits */
export async function peakBytes(gpu: Gpu, shapes: PackShapes, runs: readonly RunNeed[]): Promise<number> {
  let sum = 0;
  for (const { method, settings } of runs) sum += await methodPeakBytes(gpu, method, shapes, settings);
  return sum;
}

/** Resolves when the runs fit. @throws MemoryRefusal when they do not */
export async function requireMemory(needs: MemoryNeeds): Promise<void> {
  const { gpu, shapes, runs } = needs;
  const takes = runs.length === 1 ? 'This run takes' : `Side by side these ${runs.length} runs take`;
  let reason: string;
  try {
    const bytes = await peakBytes(gpu, shapes, runs);
    if (await fits(needs, bytes)) return;
    reason = `${takes} about ${formatBytes(bytes)} of GPU memory, more than this graphics adapter gives now`;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    reason = error.message.replace(/\.$/, '');
  }
  throw refusal(reason, runs, await gentlerOffer(needs, Infinity));
}

/** The refusal for a run that the adapter had no room for although it had been asked before: to be made when nothing of the run is on the GPU any more. */
export async function refusalAfter(error: OutOfGpuMemoryError, needs: MemoryNeeds): Promise<MemoryRefusal> {
  const bytes = await peakBytes(needs.gpu, needs.shapes, needs.runs);
  return refusal(`${error.message.replace(/\.$/, '')}; the run takes about ${formatBytes(bytes)} at its largest`, needs.runs, await gentlerOffer(needs, bytes));
}

function refusal(reason: string, runs: readonly RunNeed[], offer: MemoryOffer | undefined): MemoryRefusal {
  const way = offer
    ? `with ${memoryChange(offer.instead, offer.settings)}, about ${formatBytes(offer.bytes)} would do, for the same steps`
    : `not even one window at a time with recomputed activations fits, so try ${runs.length > 1 ? 'fewer runs at once or ' : ''}shorter windows`;
  return new MemoryRefusal(`${reason}; ${way}.`, offer);
}

/** The mildest change of settings under which the runs fit in less than `below` bytes. */
async function gentlerOffer(needs: MemoryNeeds, below: number): Promise<MemoryOffer | undefined> {
  const { gpu, shapes, runs } = needs;
  const instead = widest(runs);
  const bytesOf = (limit: MemorySettings): Promise<number> => peakBytes(gpu, shapes, runs.map(({ method, settings }) => ({ method, settings: withinMemory(settings, limit) })));
  const found = await firstFitting(gentlerSettings(instead).slice(1), bytesOf, async (bytes) => bytes < below && (await fits(needs, bytes)));
  return found && { ...found, instead };
}

/** Of the run with the most windows at once: the others follow where they are wider than what is offered for it. */
function widest(runs: readonly RunNeed[]): MemorySettings {
  const { batchSize, gradientAccumulation } = runs.map(({ settings }) => settings).reduce((a, b) => (b.batchSize > a.batchSize ? b : a));
  return { batchSize, gradientAccumulation, recomputeActivations: runs.every(({ settings }) => settings.recomputeActivations) };
}

const fits = ({ gpu, reserved = 0, allows = (asked) => canAllocate(gpu.device, asked) }: MemoryNeeds, bytes: number): Promise<boolean> => allows(bytes + reserved);

/** Answers memory.estimate from the plan alone. */
export async function estimateMemory(state: EngineState, command: Extract<EngineCommand, { type: 'memory.estimate' }>, signal: AbortSignal): Promise<void> {
  const { of, config } = command;
  const gpu = state.requireGpu();
  const { pack } = state.requirePack();
  const invalid = invalidRunField(config);
  if (invalid) throw new UserError(invalid);
  const methods = command.of === 'race' ? command.methods : [undefined];
  const shapes = await packShapes(pack, methods, signal);
  const bytes = await peakBytes(gpu, shapes, methods.map((method) => ({ method, settings: config })));
  signal.throwIfAborted();
  state.emit({ type: 'memory.estimated', of, bytes });
}
