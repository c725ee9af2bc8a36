// Build, preview and tests. The preview server sends the same Content-Security-Policy as the pages' meta tag, so what the
// journeys prove about privacy holds for what a user opens.
import react from '@vitejs/plugin-react';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { CONTENT_SECURITY_POLICY } from './src/config/contentSecurityPolicy.ts';
import { chromiumExecutable, CHROMIUM_FLAGS } from './src/cli/chromium.mjs';
import { kernelsPlugin } from './src/wasm/compileKernels.mjs';

/** With these two a page may share memory between threads, which the WebAssembly engine's threads need. */
const isolationHeaders = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const securityHeaders = { 'Content-Security-Policy': CONTENT_SECURITY_POLICY, ...isolationHeaders };

/** Tests of the GPU project in Node on one build of the WebAssembly engine (testing/testGpu.ts). */
function wasmProject(name: 'wasm' | 'wasm-fused', include: string[], execArgv: string[] = []): TestProjectInlineConfiguration {
  return {
    extends: true,
    test: {
      name, execArgv,
      environment: 'node',
      include,
      // There is one way to compute attention here, so nothing to choose from; and everything is stored as f32.
      exclude: ['src/kernels/attentionTuner.gpu.test.ts', 'src/**/*Halves.gpu.test.ts'],
      env: { TEST_ENGINE: name },
      testTimeout: 60_000,
      // The first test may wait for the kernels to be compiled.
      hookTimeout: 180_000,
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [
    react(),
    kernelsPlugin(),
    {
      name: 'content-security-policy',
      transformIndexHtml: {
        order: 'post',
        // A dev server injects inline scripts (hot reload), which the policy rightly forbids: only built pages carry it.
        handler: (_html, context) =>
          context.server
            ? []
            : [{ tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: CONTENT_SECURITY_POLICY }, injectTo: 'head-prepend' }],
      },
    },
  ],
  worker: { format: 'es', plugins: () => [kernelsPlugin()] },
  build: {
    target: 'es2023',
    modulePreload: { polyfill: false },
    // Inlined assets would need data: origins in the policy.
    assetsInlineLimit: 0,
    rolldownOptions: { input: { index: 'index.html', bench: 'bench.html', specialize: 'specialize.html' } },
  },
  server: { headers: isolationHeaders },
  preview: { headers: securityHeaders },
  // Found late by the browser tests' crawl, each would otherwise reload the page in the middle of a run.
  optimizeDeps: { exclude: ['onnxruntime-web'], include: ['@noble/hashes/sha2.js', '@noble/hashes/utils.js', '@huggingface/tokenizers', '@zip.js/zip.js/index-native.js', 'papaparse', 'htmlparser2', '@streamparser/json', 'idb', 'valibot'] },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          environment: 'node',
          include: ['src/**/*.test.{ts,tsx}', 'bench/**/*.test.ts'],
          exclude: ['**/*.gpu.test.ts', '**/*.browser.test.ts', '**/*.wasm.test.ts', 'node_modules/**'],
          testTimeout: 60_000,
        },
      },
      // The same tests of kernels, model and training on the WebAssembly engine, in both of its builds.
      wasmProject('wasm', ['src/{kernels,model,training,methods}/**/*.gpu.test.ts', 'src/**/*.wasm.test.ts']),
      wasmProject('wasm-fused', ['src/{kernels,training}/**/*.gpu.test.ts'], Number(process.versions.node.split('.')[0]) < 21 ? ['--experimental-wasm-relaxed-simd'] : []),
      {
        extends: true,
        test: {
          name: 'gpu',
          include: ['src/**/*.gpu.test.ts', 'src/**/*.browser.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: { executablePath: chromiumExecutable(), args: CHROMIUM_FLAGS } }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
});
