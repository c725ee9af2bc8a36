import { describe, expect, it } from 'vitest';
import { DEFAULT_CHOICES, METHOD_NAMES } from '../config/method.ts';
import { MAX_CURVE_POINTS, type RunRecord } from '../config/runRecord.ts';
import { UserError } from '../core/invariant.ts';
import { parseRunRecord } from './parseRunRecord.ts';
import { finishedRun, runningRun, testFigure } from './run.fixture.ts';

const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function failureOf(value: unknown): string {
  try {
    parseRunRecord(value, 'x/run.json');
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  return 'no failure';
}

/** The finished run with one value changed; `path` like "settings.steps". */
function withValue(path: string, value: unknown): unknown {
  const record = throughJson(finishedRun()) as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop()!;
  const place = keys.reduce<Record<string, unknown>>((object, key) => object[key] as Record<string, unknown>, record);
  if (value === undefined) delete place[last];
  else place[last] = value;
  return record;
}

describe('a record', () => {
  it('comes back from JSON as it was, whatever its method and state', () => {
    for (const record of [finishedRun(), runningRun('a'), runningRun('b', { state: 'failed', error: 'No.', curve: [], samples: [], phases: [], notes: {} })]) {
      expect(parseRunRecord(throughJson(record), 'x')).toEqual(record);
    }
    for (const name of METHOD_NAMES) expect(parseRunRecord(throughJson(finishedRun({ method: DEFAULT_CHOICES[name] })), 'x').method).toEqual(DEFAULT_CHOICES[name]);
  });

  it('has its fields in one order, whatever order they came in', () => {
    const reversed = Object.fromEntries(Object.entries(finishedRun()).reverse());
    expect(JSON.stringify(parseRunRecord(reversed, 'x'))).toBe(JSON.stringify(parseRunRecord(finishedRun(), 'x')));
  });

  it('keeps nothing that has no name here, prototypes least of all', () => {
    const hostile = JSON.parse(JSON.stringify(finishedRun()).replace('"notes":{', '"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"more":1,"notes":{"__proto__":{"polluted":1},"more":2,')) as unknown;
    expect(Object.hasOwn(hostile as object, '__proto__')).toBe(true);
    const record = parseRunRecord(hostile, 'x');
    expect(record).toEqual(finishedRun());
    expect('polluted' in record || 'polluted' in record.notes || 'polluted' in {}).toBe(false);
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype);
  });
});

describe('is refused in one sentence', () => {
  it.each<[string, unknown, string]>([
    ['formatVersion', 2, 'x/run.json is no run of format version 1, the only one read here (its formatVersion is 2).'],
    ['formatVersion', undefined, 'x/run.json is no run of format version 1, the only one read here (its formatVersion is missing).'],
    ['runId', '../../etc', 'x/run.json: runId must be made of letters, digits, dots, dashes and underscores, but it is "../../etc".'],
    ['name', '  ', 'x/run.json: name must be a text that is not blank, but it is "  ".'],
    ['name', 'x'.repeat(201), 'x/run.json: name must be a text of at most 200 characters, but it is "xxx'],
    ['createdAt', 'yesterday', 'x/run.json: createdAt must be a time like'],
    ['updatedAt', '2026-13-01T00:00:00.000Z', 'x/run.json: updatedAt must be a time like'],
    ['state', 'asleep', 'x/run.json: state must be "running" or "paused" or'],
    ['method.method', 'GPT', 'x/run.json: method.method must be a method of the paper, but it is "GPT".'],
    ['method', [], 'x/run.json: method.method is missing.'],
    ['method', null, 'x/run.json: method must be a method of the paper, but it is null.'],
    ['method.strategy', 'best', 'x/run.json: method.strategy must be "mostFrequent" or'],
    ['method.fittedSteps', 1e9, 'x/run.json: method must be in range (Fitting steps must be between 1 and 10000, not 1000000000).'],
    ['settings.steps', undefined, 'x/run.json: settings.steps is missing.'],
    ['settings.steps', '7', 'x/run.json: settings.steps must be a number, but it is "7".'],
    ['settings.steps', 0, 'x/run.json: settings must be in range (Steps must be between 1 and 100000, not 0).'],
    ['settings.schedule', 'linear', 'x/run.json: settings.schedule must be "cosine" or "constant", but it is "linear".'],
    ['budget.amount', 0, 'x/run.json: budget must be in range (The budget must be a number of tokens above zero, not 0).'],
    ['budget.unit', 'euros', 'x/run.json: budget.unit must be "tokens" or "minutes" or "flops", but it is "euros".'],
    ['bestWeightsHash', 'xyz', 'x/run.json: bestWeightsHash must be a hash of 16 hex digits, but it is "xyz".'],
    ['curve', { length: 3 }, 'x/run.json: curve must be a list of at most 1000 entries, but it is an object.'],
    ['curve', Array.from({ length: MAX_CURVE_POINTS + 1 }, () => null), 'x/run.json: curve must be a list of at most 1000 entries, but it is a list of 1001 entries.'],
    ['curve.1.step', 0, 'x/run.json: curve must be a list of ascending steps.'],
    ['curve.2.trainLoss', null, 'x/run.json: curve.2.trainLoss must be a number between -1e+30 and 1e+30, but it is null.'],
    ['curve.2.seconds', -1, 'x/run.json: curve.2.seconds must be a number between 0 and 1e+30, but it is -1.'],
    ['curve.1', 'point', 'x/run.json: curve.1 must be an object, but it is "point".'],
    ['samples.0.text', 'x'.repeat(100_001), 'x/run.json: samples.0.text must be a text of at most 100000 characters'],
    ['cost.flops', Infinity, 'x/run.json: cost.flops must be a number between 0 and 1e+30, but it is Infinity.'],
    ['cost.flops', NaN, 'x/run.json: cost.flops must be a number'],
    ['notes.histogram.1', 1.5, 'x/run.json: notes.histogram.1 must be a number between 0 and 1, but it is 1.5.'],
    ['notes.storage', 'f8', 'x/run.json: notes.storage must be "f16", but it is "f8".'],
    ['notes.expert.overridden', 1, 'x/run.json: notes.expert.overridden must be true or false, but it is 1.'],
    ['phases', Array.from({ length: 257 }, () => ({})), 'x/run.json: phases must be a list of at most 256 entries'],
    ['error', 5, 'x/run.json: error must be a text of at most 2000 characters, but it is 5.'],
  ])('%s', (path, value, sentence) => {
    expect(failureOf(withValue(path, value)).startsWith(sentence) ? sentence : failureOf(withValue(path, value))).toBe(sentence);
  });

  it.each([null, 5, 'run', [], undefined])('%j instead of a record', (value) => {
    expect(failureOf(value)).toBe('x/run.json is no run of format version 1, the only one read here (its formatVersion is missing).');
  });

  it('a test figure that its documents do not bear out', () => {
    const figure = testFigure(2);
    const forged: [Partial<typeof figure>, string][] = [
      [{ perplexity: figure.perplexity * 0.99 }, 'that follows from'], [{ loss: figure.loss - 1e-3 }, 'that follows from'], [{ bitsPerByte: figure.bitsPerByte / 2 }, 'that follows from'],
      [{ tokens: figure.tokens + 1 }, 'that follows from'], [{ interval: [9, 8] }, 'that follows from'], [{ bytes: 0 }, 'that follows from'],
      [{ documents: 11 }, 'with nats and tokens of every document'], [{ documentNats: figure.documentNats.slice(1) }, 'with nats and tokens of every document'],
    ];
    for (const [change, reason] of forged) {
      const test: RunRecord['test'] = { after: { ...figure, ...change } };
      expect(failureOf(finishedRun({ test }))).toContain(`x/run.json: test.after must be a figure ${reason}`);
    }
    expect(failureOf(finishedRun({ test: { after: figure } }))).toBe('no failure');
    const empty = { ...figure, tokens: 0, documents: 0, documentNats: [], documentTokens: [] };
    expect(failureOf(finishedRun({ test: { after: empty } }))).toContain('that follows from');
  });
});
