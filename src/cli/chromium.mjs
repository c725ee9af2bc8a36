// Where a Chromium is and how it is started so that WebGPU works headless. Plain JavaScript: runs before anything is installed.
import { existsSync } from 'node:fs';

const CANDIDATES = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** Path of the first Chromium found (environment variable CHROMIUM_PATH wins), or undefined. */
export function chromiumExecutable() {
  return CANDIDATES.find((path) => path && existsSync(path));
}

/** Flags that keep Chromium off the network and WebGPU on. */
const COMMON_FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--disable-background-networking',
  '--disable-quic',
  '--no-first-run',
  '--disable-component-update',
  '--disable-sync',
];

/** Flags for a machine without a GPU: WebGPU on SwiftShader, Chromium's software Vulkan. */
export const CHROMIUM_FLAGS = [...COMMON_FLAGS, '--use-webgpu-adapter=swiftshader'];

/** Flags for a machine with a GPU. */
export const CHROMIUM_HARDWARE_FLAGS = [...COMMON_FLAGS, '--enable-features=Vulkan', '--ignore-gpu-blocklist'];
