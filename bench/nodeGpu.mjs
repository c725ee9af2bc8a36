// WebGPU and the project's TypeScript in Node, without a browser: Dawn from the npm package `webgpu` on whatever Vulkan finds (a real GPU, else Chromium's
// SwiftShader), and modules transformed by Vite, whose `?raw` imports bring the WGSL.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { createServer } from 'vite';
import { kernelsPlugin } from '../src/wasm/compileKernels.mjs';

const root = resolve(import.meta.dirname, '..');
const SOFTWARE_ICD = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Puts navigator.gpu and WebGPU's constants in place.
 * @param {{ hardware: boolean }} options hardware: Vulkan's own choice of device; otherwise Chromium's software adapter. @throws {Error} when that is not installed
 */
export async function provideWebGpu({ hardware }) {
  if (!hardware) {
    if (!existsSync(SOFTWARE_ICD)) throw new Error(`${SOFTWARE_ICD} is missing: install Debian's chromium, or pass --hardware.`);
    process.env.VK_ICD_FILENAMES = SOFTWARE_ICD;
  }
  // Read when the package is loaded, so it is loaded after the environment is set.
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]), userAgent: `Node ${process.version}` }, configurable: true });
}

/**
 * Runs `body` with a function that imports a TypeScript module by its path below the repository's root.
 * @template T
 * @param {(load: (path: string) => Promise<any>) => Promise<T>} body
 */
export async function withModules(body) {
  const server = await createServer({ root, configFile: false, logLevel: 'error', plugins: [kernelsPlugin()], server: { middlewareMode: true, hmr: false, watch: null }, optimizeDeps: { noDiscovery: true } });
  try {
    return await body((path) => server.ssrLoadModule(`/${path}`));
  } finally {
    await server.close();
  }
}
