// `npm start`: installs what is missing, builds when something changed, serves the studio and opens the browser. `--no-open` leaves
// the browser alone. Stays up until Ctrl-C.
import { ensureBuilt } from './build.mjs';
import { CommandFailure, runScript } from './commandFailure.mjs';
import { ensureInstalled } from './ensureInstalled.mjs';
import { openInBrowser } from './openInBrowser.mjs';
import { servePreview } from './previewServer.mjs';

const FIRST_PORT = 4173;

/** Resolves when the user or the system asks the program to end. */
function untilAskedToEnd() {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}

async function main() {
  const unknown = process.argv.slice(2).find((argument) => argument !== '--no-open');
  if (unknown) throw new CommandFailure(`npm start does not know "${unknown}": the only option is --no-open.`);
  await ensureInstalled();
  await ensureBuilt();
  const server = await servePreview(FIRST_PORT);
  console.log(`The studio is at ${server.url}`);
  console.log('Press Ctrl-C to end it.');
  if (!process.argv.includes('--no-open')) openInBrowser(server.url);
  await untilAskedToEnd();
  await server.close();
  return 0;
}

await runScript(main);
