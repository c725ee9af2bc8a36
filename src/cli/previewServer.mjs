// Serves dist/ through vite's preview server, which sends the Content-Security-Policy headers of vite.config.ts.
import { ROOT } from './childProcess.mjs';

/**
 * Serves the built studio on the first free port from `port` on, to this machine only.
 * @param {number} port
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} `url` ends in a slash
 */
export async function servePreview(port) {
  // Loaded late: vite may have been installed a moment ago by this very process.
  const { preview } = await import('vite');
  const server = await preview({ root: ROOT, logLevel: 'error', preview: { port, strictPort: false, host: 'localhost', open: false } });
  const url = server.resolvedUrls?.local[0];
  if (!url) throw new Error('vite preview gave no local address');
  return { url, close: () => server.close() };
}
