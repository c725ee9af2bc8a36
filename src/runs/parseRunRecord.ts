// A run's record from JSON nobody has vouched for. The result holds the fields named here and nothing else, always in this order, every number of it
// finite and in bounds; test figures must follow from the nats and tokens of the documents they claim to be computed from.
import * as v from 'valibot';
import { MIXTURE_STRATEGIES, PROJECTION_STRATEGIES, SAMPLING_STARTS, invalidMethodField, type MethodChoice } from '../config/method.ts';
import { BUDGET_UNITS, invalidBudget } from '../config/runBudget.ts';
import { MAX_CURVE_POINTS, RUN_FORMAT_VERSION, RUN_STATES, type RunRecord, type RunTestFigure } from '../config/runRecord.ts';
import { DEFAULT_RUN_CONFIG, invalidRunField, type RunConfig } from '../config/runConfig.ts';
import { UserError } from '../core/invariant.ts';

const MAX_NAME = 200;
const MAX_SENTENCE = 2_000;
const MAX_SAMPLE_TEXT = 100_000;
const MAX_SAMPLES = 64;
const MAX_PHASES = 256;
const MAX_CLUSTERS = 65_536;
const MAX_REPEATS = 100_000;
/** The paper's test sets have 20,000 documents. */
const MAX_TEST_DOCUMENTS = 200_000;
/** Relative; the stored sums may have been added up in another order. */
const FIGURE_TOLERANCE = 1e-6;

// Every message completes "... must be".
const between = (min: number, max: number) => v.pipe(v.number(`a number between ${min} and ${max}`), v.minValue(min, `a number between ${min} and ${max}`), v.maxValue(max, `a number between ${min} and ${max}`));
const amount = between(0, 1e30);
const anyFinite = between(-1e30, 1e30);
const count = v.pipe(v.number('a whole number from 0 up'), v.safeInteger('a whole number from 0 up'), v.minValue(0, 'a whole number from 0 up'));
const flag = v.boolean('true or false');
const text = (maxLength: number) => v.pipe(v.string(`a text of at most ${maxLength} characters`), v.maxLength(maxLength, `a text of at most ${maxLength} characters`));
const name = v.pipe(text(MAX_NAME), v.check((value) => value.trim() !== '', 'a text that is not blank'));
const oneOf = <T extends string>(values: readonly T[]) => v.picklist(values, values.map((value) => `"${value}"`).join(' or '));
const moment = v.pipe(text(32), v.check(isMoment, 'a time like 2026-01-31T12:00:00.000Z'));
const weightsHash = v.pipe(text(16), v.regex(/^[0-9a-f]{16}$/, 'a hash of 16 hex digits'));
/** The length is judged before any item is. */
const list = <T extends v.GenericSchema>(item: T, maxLength: number) =>
  v.pipe(v.array(v.unknown(), `a list of at most ${maxLength} entries`), v.maxLength(maxLength, `a list of at most ${maxLength} entries`), v.array(item));
const object = <T extends v.ObjectEntries>(entries: T) => v.object(entries, 'an object');

const methodChoice: v.GenericSchema<unknown, MethodChoice> = v.pipe(
  v.variant('method', [
    object({ method: v.literal('SLM') }),
    object({ method: v.literal('SLM-nopt') }),
    object({ method: v.literal('SLM-pn'), strategy: oneOf(PROJECTION_STRATEGIES), cluster: v.optional(count), fittedSteps: v.optional(count), halving: v.optional(flag) }),
    object({ method: v.literal('SLM-mix'), strategy: oneOf(MIXTURE_STRATEGIES), cluster: v.optional(count) }),
    object({ method: v.literal('SLM-is'), start: oneOf(SAMPLING_STARTS), pretrainingSteps: count }),
    object({ method: v.literal('SLM-d'), weight: amount, temperature: amount, teacherSteps: count }),
    object({ method: v.literal('LLM') }),
  ], 'a method of the paper'),
  v.check((choice) => invalidMethodField(choice) === undefined, ({ input }) => inRange(invalidMethodField(input))),
);

/** Every field is of the type its default has; the schedule is the only text among them. */
const settingFields = Object.fromEntries(Object.entries(DEFAULT_RUN_CONFIG).map(([field, value]): [string, v.GenericSchema] =>
  [field, typeof value === 'number' ? v.number('a number') : typeof value === 'boolean' ? flag : oneOf(['cosine', 'constant'])]));
const settings = v.pipe(
  object(settingFields) as unknown as v.GenericSchema<unknown, RunConfig>,
  v.check((config) => invalidRunField(config) === undefined, ({ input }) => inRange(invalidRunField(input))),
);

const budget = v.pipe(
  object({ unit: oneOf(BUDGET_UNITS), amount }),
  v.check((value) => invalidBudget(value) === undefined, ({ input }) => inRange(invalidBudget(input))),
);

const curve = v.pipe(
  list(object({ step: count, tokens: amount, seconds: amount, flops: amount, trainLoss: v.optional(anyFinite), validationLoss: v.optional(anyFinite) }), MAX_CURVE_POINTS),
  v.check((points) => points.every(({ step }, i) => i === 0 || step > points[i - 1].step), 'a list of ascending steps'),
);

const testFigure = v.pipe(
  object({
    loss: anyFinite, perplexity: between(1, Number.MAX_VALUE), bitsPerByte: amount,
    interval: v.pipe(v.tuple([between(1, Number.MAX_VALUE), between(1, Number.MAX_VALUE)], 'a pair of numbers'), v.readonly()),
    intervalSeed: count, tokens: count, bytes: count, documents: count, weightsHash,
    documentNats: list(amount, MAX_TEST_DOCUMENTS), documentTokens: list(count, MAX_TEST_DOCUMENTS),
  }),
  v.check((figure) => figure.documentNats.length === figure.documents && figure.documentTokens.length === figure.documents, 'a figure with nats and tokens of every document'),
  v.check((figure) => figureFollows(figure), 'a figure that follows from the nats and tokens of its documents'),
);

const shares = list(between(0, 1), MAX_CLUSTERS);
const notes = object({
  expert: v.optional(object({
    strategy: oneOf(PROJECTION_STRATEGIES), cluster: v.optional(count), overridden: flag, explanation: text(MAX_SENTENCE), losses: v.optional(list(anyFinite, MAX_CLUSTERS)),
  })),
  vector: v.optional(list(anyFinite, MAX_CLUSTERS)),
  histogram: v.optional(shares),
  histogramBefore: v.optional(shares),
  histogramAfter: v.optional(shares),
  repeats: v.optional(list(count, MAX_REPEATS)),
  storage: v.optional(v.literal('f16', '"f16"')),
  warning: v.optional(text(MAX_SENTENCE)),
});

const runRecord: v.GenericSchema<unknown, RunRecord> = object({
  formatVersion: v.literal(RUN_FORMAT_VERSION),
  runId: v.pipe(text(64), v.regex(/^[\w.-]+$/, 'made of letters, digits, dots, dashes and underscores')),
  name,
  createdAt: moment,
  updatedAt: moment,
  state: oneOf(RUN_STATES),
  method: methodChoice,
  settings,
  budget: v.optional(budget),
  dataFingerprint: text(MAX_NAME),
  trainingPart: v.optional(object({ share: between(0, 1), documents: count, tokens: count })),
  dataLabel: text(MAX_SENTENCE),
  packName: text(MAX_NAME),
  packHash: text(MAX_NAME),
  adapter: text(MAX_NAME),
  startingWeightsHash: v.optional(weightsHash),
  bestWeightsHash: v.optional(weightsHash),
  curve,
  samples: list(object({ prompt: text(MAX_SAMPLE_TEXT), text: text(MAX_SAMPLE_TEXT), seed: count }), MAX_SAMPLES),
  deployed: v.optional(object({ parameters: count, tokensPerSecond: amount, measuredTokens: count })),
  test: v.optional(object({ before: v.optional(testFigure), after: testFigure })),
  phases: list(object({ name: text(MAX_NAME), steps: count, tokens: amount, flops: amount, seconds: amount }), MAX_PHASES),
  cost: object({ tokens: amount, flops: amount, seconds: amount, peakGpuBytes: amount }),
  notes,
  error: v.optional(text(MAX_SENTENCE)),
});

/**
 * @param source named in every message, e.g. "race.run.zip/run.json"
 * @throws UserError one sentence naming the source and the first field that is wrong
 */
export function parseRunRecord(value: unknown, source: string): RunRecord {
  const version = versionOf(value);
  if (version !== RUN_FORMAT_VERSION) throw new UserError(`${source} is no run of format version ${RUN_FORMAT_VERSION}, the only one read here (its formatVersion is ${shown(version)}).`);
  const result = v.safeParse(runRecord, value, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? 'the record';
  if (issue.input === undefined) throw new UserError(`${source}: ${path} is missing.`);
  // Of a whole that does not hold together, the message has said what is wrong.
  const found = issue.type === 'check' && typeof issue.input === 'object' ? '' : `, but it is ${shown(issue.input)}`;
  throw new UserError(`${source}: ${path} must be ${issue.message}${found}.`);
}

const inRange = (sentence: string | undefined): string => `in range (${sentence?.replace(/\.$/, '')})`;

const versionOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, 'formatVersion') ? (value as Record<string, unknown>).formatVersion : undefined;

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? `a list of ${value.length} entries` : 'an object';
  const json = JSON.stringify(value) ?? typeof value;
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}

function isMoment(value: string): boolean {
  const time = Date.parse(value);
  return Number.isFinite(time) && new Date(time).toISOString() === value;
}

function figureFollows({ loss, perplexity, bitsPerByte, interval, tokens, bytes, documentNats, documentTokens }: RunTestFigure): boolean {
  const nats = documentNats.reduce((sum, value) => sum + value, 0);
  const near = (actual: number, expected: number): boolean => Math.abs(actual / expected - 1) <= FIGURE_TOLERANCE;
  return documentTokens.reduce((sum, value) => sum + value, 0) === tokens
    && near(loss, nats / tokens)
    && near(perplexity, Math.exp(nats / tokens))
    && near(bitsPerByte, nats / Math.LN2 / bytes)
    && interval[0] <= interval[1];
}
