// `npm run specialize` as an outside program sees it: JSON on stdout, one sentence on stderr and a non-zero exit code when it fails.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { RunRecord, RunTestFigure } from '../../src/config/runRecord.ts';
import { openExportedModel } from '../pages/exportedModel.ts';
import { expect, test } from '../pages/studioTest.ts';
import { PACK_FOLDER, SAMPLE_FILE } from '../pages/texts.ts';
import { unzip } from '../pages/zipFile.ts';

const SCRIPT = resolve(import.meta.dirname, '../../src/cli/specialize.mjs');

function specialize(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [SCRIPT, ...args]);
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
    child.on('close', (code) => done({ code, ...output }));
  });
}

/** A third of the sample's documents, so that a software GPU is done soon. */
function smallText(file: string): string {
  const lines = readFileSync(SAMPLE_FILE, 'utf8').trim().split('\n');
  writeFileSync(file, `${lines.filter((_, i) => i % 3 === 0).join('\n')}\n`);
  return file;
}

test('specializes to a file and prints its report', async () => {
  const folder = test.info().outputPath('out');
  const jsonFile = join(folder, 'report.json');
  const data = smallText(test.info().outputPath('mill.jsonl'));
  const { code, stdout, stderr } = await specialize(['--data', data, '--expert', 'mixture', '--steps', '4', '--seed', '3', '--engine', 'webgpu', '--out', folder, '--json', jsonFile]);
  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as Record<string, unknown>;
  expect(report).toEqual(JSON.parse(readFileSync(jsonFile, 'utf8')));
  const number: unknown = expect.any(Number);
  expect(report).toEqual({
    adapter: expect.stringMatching(/^(?!WebAssembly)\w/),
    data: { documents: 16, tokens: { train: number, validation: number, test: number } },
    clusters: { histogram: expect.any(Array), chosen: null, strategy: 'mixture' },
    perplexity: { slm: number, projected: number, fineTuned: number },
    curve: [{ step: 0, train: number, validation: number }, { step: 4, train: number, validation: number }],
    tokensPerSecond: number,
    seconds: number,
  });
  const packConfig = JSON.parse(readFileSync(join(PACK_FOLDER, 'config.json'), 'utf8')) as { vocab_size: number; projected_network: { k: number } };
  const { clusters, perplexity } = report as { clusters: { histogram: number[] }; perplexity: Record<string, number> };
  expect(clusters.histogram.length).toBe(packConfig.projected_network.k);
  expect(clusters.histogram.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
  for (const value of Object.values(perplexity)) expect(value > 1 && value < packConfig.vocab_size).toBe(true);
  expect(stderr).toMatch(/step 4: validation perplexity/);
  const zip = readdirSync(folder).find((name) => name.endsWith('.zip'));
  expect((await openExportedModel(join(folder, zip!))).json.architectures).toEqual(['LlamaForCausalLM']);
});

/** The record in a run's file. */
async function savedRun(file: string): Promise<RunRecord> {
  const files = await unzip(new Uint8Array(readFileSync(file)));
  expect([...files.keys()]).toEqual(['run.json', 'weights.safetensors']);
  return JSON.parse(new TextDecoder().decode(files.get('run.json'))) as RunRecord;
}

/** Perplexity from what the file keeps of each test document. */
function recomputed({ documentNats, documentTokens }: RunTestFigure): number {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  return Math.exp(sum(documentNats) / sum(documentTokens));
}

test('races methods, prints their table and saves each run with all its figures follow from', async () => {
  const folder = test.info().outputPath('runs');
  const jsonFile = test.info().outputPath('race.json');
  const data = smallText(test.info().outputPath('mill.jsonl'));
  // 600 tokens are one step.
  const { code, stdout, stderr } = await specialize(['--data', data, '--race', 'SLM SLM-pn:strategy=mixture', '--budget', '600tokens', '--out', folder, '--json', jsonFile]);
  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as { runs: readonly RunRecord[]; table: readonly { runId: string; ratio?: number; after: { perplexity: number } }[]; conclusion: string };
  expect(report).toEqual(JSON.parse(readFileSync(jsonFile, 'utf8')));
  expect(report.runs.map(({ name, state, method }) => ({ name, state, method }))).toEqual([
    { name: 'SLM', state: 'finished', method: { method: 'SLM' } },
    { name: 'SLM-pn:strategy=mixture', state: 'finished', method: { method: 'SLM-pn', strategy: 'mixture', fittedSteps: 24, halving: true } },
  ]);

  const names = readdirSync(folder);
  expect(names).toHaveLength(2);
  const saved = await Promise.all(report.runs.map(({ runId }) => savedRun(join(folder, names.find((name) => name.endsWith(`-${runId}.run.zip`))!))));
  for (const [index, { test: tested, ...record }] of saved.entries()) {
    const { test: figures, ...run } = report.runs[index];
    const { formatVersion: _version, samples: _samples, ...kept } = record;
    expect(run).toEqual(kept);
    expect(run.cost).toMatchObject({ tokens: 512 });
    for (const moment of ['before', 'after'] as const) {
      const { documentNats, documentTokens, ...figure } = tested![moment]!;
      expect(figures![moment]).toEqual(figure);
      expect(documentTokens).toHaveLength(figure.documents);
      expect(recomputed({ ...figure, documentNats, documentTokens })).toBeCloseTo(figure.perplexity, 6);
    }
    expect(figures!.after.perplexity).toBeLessThan(figures!.before!.perplexity);
    expect(figures!.after.weightsHash).toBe(record.bestWeightsHash);
  }
  const [slm, pn] = saved.map((run) => recomputed(run.test!.after));
  expect(report.table.map(({ runId }) => runId)).toEqual(saved.map(({ runId }) => runId));
  expect(report.table[1].ratio).toBeCloseTo(pn / slm, 9);
  // Left to itself it computes in WebAssembly where there is no GPU.
  expect(stderr).toMatch(/^(engine: WebAssembly, \d+ threads?|GPU: (?!.*swiftshader).*)$/im);
  const lines = stderr.trim().split('\n');
  expect(lines.at(-1)).toBe(report.conclusion);
  expect(lines.at(-4)).toMatch(/^Method +Before +After .* +Against SLM +Tokens +TFLOP +Time$/);
  expect(lines.at(-2)).toMatch(/^SLM-pn:strategy=mixture .* 512 /);
});

test('a wrong argument is one sentence and a non-zero exit code', async () => {
  const { code, stdout, stderr } = await specialize(['--data', '/nowhere/text.txt']);
  expect(code).toBe(1);
  expect(stdout).toBe('');
  expect(stderr.trim()).toMatch(/^--data \/nowhere\/text\.txt: there is no such file or folder\.$/);
});

test('a run that fails is reported with its sentence, and the exit code says so', async () => {
  const { code, stdout, stderr } = await specialize(['--data', smallText(test.info().outputPath('mill.jsonl')), '--method', 'SLM-pn:cluster=999', '--budget', '600tokens']);
  expect(code).toBe(1);
  const { runs, table } = JSON.parse(stdout) as { runs: readonly RunRecord[]; table: readonly unknown[] };
  expect(runs.map(({ state }) => state)).toEqual(['failed']);
  expect(runs[0].error).toMatch(/^There is no cluster 999; .*\.$/);
  expect(table).toEqual([]);
  expect(stderr).toContain(`SLM-pn:cluster=999 failed: ${runs[0].error}`);
});

test('a failure of the engine is its sentence, on the last line', async () => {
  const folder = test.info().outputPath('texts');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'empty.txt'), '');
  const { code, stdout, stderr } = await specialize(['--data', folder]);
  expect(code).toBe(1);
  expect(stdout).toBe('');
  expect(stderr.trim().split('\n').at(-1)).toMatch(/empty\.txt.*\.$/);
  expect(stderr).not.toMatch(/\n\s+at /);
});
