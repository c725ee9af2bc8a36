// What stands in the way of the whole studio or slows it: no WebGPU (WebAssembly computes then, if the browser has it), a GPU that was taken away, an engine that broke. And runs that
// wait to be taken up again.
import { useState } from 'react';
import { useStore } from 'zustand';
import { formatCount } from '../../core/format.ts';
import type { EngineChoice } from '../../config/engineChoice.ts';
import type { EngineFallback } from '../../protocol/events.ts';
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

const inBrackets = (reason: string | undefined): string => (reason ? ` (${reason.replace(/\.$/, '')})` : '');

function HowToGetWebGpu() {
  return (
    <dl className={styles.browsers}>
      {BROWSERS.map(({ name, how }) => <div key={name}><dt>{name}</dt><dd>{how}</dd></div>)}
    </dl>
  );
}

function NoEngine({ reason, engine }: { reason?: string; engine: EngineChoice }) {
  return (
    <section className={styles.panel} aria-labelledby="no-webgpu-title" data-testid="no-webgpu">
      <h2 className={styles.title} id="no-webgpu-title">Nothing in this browser can compute for the page</h2>
      <p className={styles.text}>
        Projecting and fine-tuning run through WebGPU or in WebAssembly.{' '}
        {engine === 'auto' ? 'Both are missing or switched off here' : `This page’s address allows only ${engine === 'webgpu' ? 'WebGPU' : 'WebAssembly'}, which is missing or switched off here`}{inBrackets(reason)}. You can still load a pack, read your text, see how it is split and compare it
        with the experts’ clusters: steps 1, 2 and the first part of 3.
      </p>
      <HowToGetWebGpu />
      <div className={styles.actions}><Button onClick={reload}>Try again</Button></div>
    </section>
  );
}

/** Why the processor computes, in one sentence, and where there is no WebGPU, how to get it. */
function EngineFallbackNotice({ because, reason, engine }: EngineFallback & { engine: string }) {
  if (because === 'softwareAdapter') {
    return (
      <Notice testId="engine-fallback">
        The only graphics adapter here ({reason}) is played by the processor, which is several times as fast in WebAssembly: so {engine}, trains your model.
      </Notice>
    );
  }
  return (
    <Notice testId="no-webgpu">
      This browser gives the page no access to a GPU{inBrackets(reason)}, so {engine}, trains your model on the processor: every step works, only slower than on a graphics card.
      <details className={styles.how}>
        <summary>How to get WebGPU</summary>
        <HowToGetWebGpu />
      </details>
    </Notice>
  );
}

function DeviceLost({ reason, isWasm, onReopen }: { reason?: string; isWasm: boolean; onReopen: () => void }) {
  const [hidden, setHidden] = useState(false);
  if (hidden) return null;
  const what = isWasm ? 'the engine' : 'the GPU';
  return (
    <section className={`${styles.panel} ${styles.floating}`} role="alert" data-testid="device-lost">
      <h2 className={styles.title}>{isWasm ? 'The engine lost a thread' : 'The browser took the GPU away'}</h2>
      <p className={styles.text}>
        {reason ? `It says: ${reason.replace(/\.$/, '')}. ` : ''}Pack, text and projected model are still here, and so are the best weights of a run that was
        validated at least once: they can be downloaded as they are. Open {what} again to go on; if that fails, reload the page.
      </p>
      <div className={styles.actions}>
        <Button kind="primary" onClick={onReopen} testId="device-reopen">Open {what} again</Button>
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
  const { status, engine, adapter, fallback, reason, failure, open, dismissFailure } = useStore(useStudio().device);
  return (
    <div className={styles.notices}>
      <InterruptedRuns />
      {status === 'unavailable' && <NoEngine reason={reason} engine={engine} />}
      {status === 'ready' && adapter && fallback && <EngineFallbackNotice {...fallback} engine={adapter.name} />}
      {status === 'lost' && <DeviceLost reason={reason} isWasm={adapter?.engine === 'wasm'} onReopen={open} />}
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
