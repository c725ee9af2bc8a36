// What stands in the way of the whole studio: no WebGPU, a GPU that was taken away, an engine that broke.
import { useStore } from 'zustand';
import { Button } from '../components/Button.tsx';
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

function DeviceLost({ reason }: { reason?: string }) {
  return (
    <section className={`${styles.panel} ${styles.sticky}`} role="alert" data-testid="device-lost">
      <h2 className={styles.title}>The browser took the GPU away</h2>
      <p className={styles.text}>
        {reason ? `It says: ${reason.replace(/\.$/, '')}. ` : ''}Curves, figures and text already on this page stay readable until you reload, and a
        downloaded model stays yours; the model in training is gone. After a reload the pack comes from this browser’s cache, and your text must be given again.
      </p>
      <div className={styles.actions}><Button kind="primary" onClick={reload}>Reload the page</Button></div>
    </section>
  );
}

export function EngineNotices() {
  const { status, reason, failure, dismissFailure } = useStore(useStudio().device);
  return (
    <div className={styles.notices}>
      {status === 'unavailable' && <NoWebGpu reason={reason} />}
      {status === 'lost' && <DeviceLost reason={reason} />}
      {failure && (
        <section className={`${styles.panel} ${styles.sticky}`} role="alert" data-testid="notice-error">
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
