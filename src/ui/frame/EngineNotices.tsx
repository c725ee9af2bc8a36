// What stands in the way of the whole studio: no WebGPU, a GPU that was taken away, an engine that broke. And runs that wait to be taken up again.
import { useState } from 'react';
import { useStore } from 'zustand';
import { formatCount } from '../../core/format.ts';
import { Button } from '../components/Button.tsx';
import { Notice } from '../components/Notice.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './EngineNotices.module.css';

const BROWSERS: readonly { readonly name: string; readonly how: string }[] = [
  { name: 'Chrome and Edge, version 113 or later', how: 'On Windows, macOS, ChromeOS and recent Android it is on; in the settings under System, “Use graphics acceleration” must be on.' },
  { name: 'Chrome and Edge on Linux', how: 'Open chrome://flags, enable “Unsafe WebGPU Support” and “Vulkan”, and restart the browser.' },
  { name: 'Safari 26 or later', how: 'On macOS 26, iOS 26 and iPadOS 26 it is on.' },
  { name: 'Firefox', how: 'On in version 141 or later on Windows, and in version 145 or later on Macs with Apple silicon.' },
];

const reload = (): void => window.location.reload();

function NoWebGpu({ reason }: { reason?: string }) {
  return (
    <section className={styles.panel} aria-labelledby="no-webgpu-title" data-testid="no-webgpu">
      <h2 className={styles.title} id="no-webgpu-title">This browser gives the page no access to a GPU</h2>
      <p className={styles.text}>
        Projecting and fine-tuning run on the GPU through WebGPU, a feature of newer browsers, and it is missing or switched off here
        {reason ? ` (${reason.replace(/\.$/, '')})` : ''}. You can still load a pack, read your text, see how it is split and compare it with the experts’ clusters: steps 1, 2 and the first part of 3.
      </p>
      <dl className={styles.browsers}>
        {BROWSERS.map(({ name, how }) => <div key={name}><dt>{name}</dt><dd>{how}</dd></div>)}
      </dl>
      <div className={styles.actions}><Button onClick={reload}>Try again</Button></div>
    </section>
  );
}

function DeviceLost({ reason, onReopen }: { reason?: string; onReopen: () => void }) {
  const [hidden, setHidden] = useState(false);
  if (hidden) return null;
  return (
    <section className={`${styles.panel} ${styles.floating}`} role="alert" data-testid="device-lost">
      <h2 className={styles.title}>The browser took the GPU away</h2>
      <p className={styles.text}>
        {reason ? `It says: ${reason.replace(/\.$/, '')}. ` : ''}Pack, text and projected model are still here, and so are the best weights of a run that was
        validated at least once: they can be downloaded as they are. Open the GPU again to go on; if that fails, reload the page.
      </p>
      <div className={styles.actions}>
        <Button kind="primary" onClick={onReopen} testId="device-reopen">Open the GPU again</Button>
        <Button onClick={reload}>Reload the page</Button>
        <Button kind="quiet" onClick={() => setHidden(true)}>Go on reading</Button>
      </div>
    </section>
  );
}

/** A closed or reloaded tab interrupts runs; the page they were started on says so where nobody misses it. */
function InterruptedRuns() {
  const count = useStore(useStudio().comparison, ({ runs }) => runs?.filter(({ state }) => state === 'interrupted').length ?? 0);
  if (count === 0) return null;
  const [runs, them] = count === 1 ? ['A run was', 'it'] : [`${formatCount(count)} runs were`, 'them'];
  return (
    <Notice testId="runs-interrupted">
      {runs} interrupted when the page was closed or reloaded. <a href="#compare">Continue {them} under “Your runs”</a>: the text is kept with {them}.
    </Notice>
  );
}

export function EngineNotices() {
  const { status, reason, failure, open, dismissFailure } = useStore(useStudio().device);
  return (
    <div className={styles.notices}>
      <InterruptedRuns />
      {status === 'unavailable' && <NoWebGpu reason={reason} />}
      {status === 'lost' && <DeviceLost reason={reason} onReopen={open} />}
      {failure && (
        <section className={`${styles.panel} ${styles.floating}`} role="alert" data-testid="notice-error">
          <h2 className={styles.title}>The engine stopped unexpectedly</h2>
          <p className={styles.text}>{failure} What is on the page stays readable; reload it to go on.</p>
          <div className={styles.actions}>
            <Button kind="primary" onClick={reload}>Reload the page</Button>
            <Button kind="quiet" onClick={dismissFailure}>Dismiss</Button>
          </div>
        </section>
      )}
    </div>
  );
}
