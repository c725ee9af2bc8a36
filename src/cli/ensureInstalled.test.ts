import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ensurePyTorch, isSupportedNode, missingPythonModules, PYTHON_MODULES } from './ensureInstalled.mjs';

it.each([
  ['18.20.4', false], ['20.18.3', false], ['20.19.0', true], ['20.20.2', true], ['21.7.3', false], ['22.11.0', false], ['22.12.0', true], ['24.0.0', true],
])('Node %s: %s', (version, supported) => {
  expect(isSupportedNode(version)).toBe(supported);
});

describe.skipIf(process.platform === 'win32')('a Python (played by a shell script, which Windows cannot start)', () => {
  let folder: string;
  let number = 0;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'python-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(() => vi.unstubAllEnvs());

  /** A program that answers the probe as a Python that lacks `missing` would. */
  const pythonLacking = (missing: string, exitCode = 0): string => {
    const file = join(folder, `python${number++}`);
    writeFileSync(file, `#!/bin/sh\necho "${missing}"\nexit ${exitCode}\n`, { mode: 0o755 });
    return file;
  };

  it('lacks what it says it does not find', () => {
    expect(missingPythonModules(pythonLacking(''))).toEqual([]);
    expect(missingPythonModules(pythonLacking('torch yaml'))).toEqual(['torch', 'yaml']);
  });

  it('lacks everything where it is missing or broken', () => {
    expect(missingPythonModules('/nowhere/python3')).toEqual(PYTHON_MODULES);
    expect(missingPythonModules(pythonLacking('', 1))).toEqual(PYTHON_MODULES);
  });

  it('is the one PRETRAIN_PYTHON names, which is never mended by installing for another', async () => {
    const complete = pythonLacking('');
    vi.stubEnv('PRETRAIN_PYTHON', complete);
    expect(await ensurePyTorch()).toBe(complete);
    vi.stubEnv('PRETRAIN_PYTHON', pythonLacking('torch'));
    await expect(ensurePyTorch()).rejects.toThrow(/^PRETRAIN_PYTHON \(.*\) lacks torch: install them there, or unset it to use Debian's\.$/);
  });
});
