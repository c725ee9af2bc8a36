// Another pack: one of those beside this page, a folder of one's own, or an address; and the cache.
import { useState } from 'react';
import { useStore } from 'zustand';
import { BUNDLED_PACKS } from '../../config/bundledPacks.ts';
import { formatBytes } from '../../core/format.ts';
import { packAddress } from '../../stores/packStore.ts';
import { isActive } from '../../stores/runsStore.ts';
import { Button } from '../components/Button.tsx';
import { DropZone } from '../components/DropZone.tsx';
import { TextField } from '../components/Field.tsx';
import { Notice } from '../components/Notice.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './PackPanel.module.css';

export function ChangePack() {
  const studio = useStudio();
  const clearedBytes = useStore(studio.pack, (state) => state.clearedBytes);
  const training = useStore(studio.runs, (state) => isActive(state.run));
  const [address, setAddress] = useState(BUNDLED_PACKS[0].address);
  const [dropError, setDropError] = useState<string>();
  const { loadFiles, loadAddress, clearCache } = studio.pack.getState();
  const loaded = useStore(studio.pack, ({ pack }) => pack?.origin);
  const load = (): void => loadAddress(address, document.baseURI);

  return (
    <div className={styles.change}>
      {training && <Notice>Stop the run to use another pack.</Notice>}
      <ul className={styles.bundled} aria-label="Packs on this site">
        {BUNDLED_PACKS.map(({ name, address: folder, purpose }) => {
          const isInUse = loaded === packAddress(folder, document.baseURI);
          return (
            <li key={name}>
              <Button onClick={() => loadAddress(folder, document.baseURI)} disabled={training || isInUse} testId={`pack-bundled-${name}`}>Use {name}</Button>
              <span>{purpose}{isInUse ? ' (in use)' : ''}</span>
            </li>
          );
        })}
      </ul>
      <DropZone
        compact
        disabled={training}
        label="Drop a pack folder"
        title="Drop a pack’s folder here"
        hint="The folder that holds pack.json, with the files it lists. It is read where it lies; nothing is uploaded."
        testIds={{ zone: 'pack-drop', folder: 'pack-folder-input' }}
        onFiles={(files) => {
          setDropError(undefined);
          loadFiles(files);
        }}
        onError={setDropError}
      />
      {dropError && <Notice kind="error">{dropError}</Notice>}
      <div className={styles.address}>
        <TextField label="Address of a pack on this site" value={address} onChange={setAddress} onEnter={load} disabled={training} testId="pack-address" />
        <Button onClick={load} disabled={training} testId="pack-load-address">Load</Button>
      </div>
      <div className={styles.cache}>
        <Button kind="quiet" onClick={clearCache} testId="pack-clear-cache">Clear the cache of packs</Button>
        <span role="status">{clearedBytes === undefined ? 'A pack is kept in this browser, so that a second visit downloads nothing.' : `${formatBytes(clearedBytes)} freed.`}</span>
      </div>
    </div>
  );
}
