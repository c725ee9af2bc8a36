// Name, device and theme.
import { useStore } from 'zustand';
import type { DeviceState } from '../../stores/deviceStore.ts';
import { useStudio } from '../StudioContext.ts';
import styles from './TopBar.module.css';

function deviceWords({ status, adapter }: DeviceState): string {
  if (status === 'opening') return 'Looking for a GPU';
  if (status === 'unavailable') return 'No WebGPU';
  if (status === 'lost') return adapter?.engine === 'wasm' ? 'Engine lost' : 'GPU lost';
  return adapter?.isFallback && adapter.engine === 'webgpu' ? `${adapter.name} (software)` : (adapter?.name ?? 'GPU ready');
}

function DeviceChip() {
  const device = useStore(useStudio().device);
  const words = deviceWords(device);
  return (
    <span className={`${styles.device} ${styles[device.status] ?? ''}`} title={device.adapter?.description || words} data-testid="device" data-status={device.status}>
      <span className={styles.dot} aria-hidden="true" />
      <span className="visually-hidden">Graphics device: </span>
      <span className={styles.deviceName}>{words}</span>
    </span>
  );
}

function ThemeToggle() {
  const { theme, toggle } = useStore(useStudio().theme);
  const label = theme === 'dark' ? 'Switch to the light theme' : 'Switch to the dark theme';
  return (
    <button type="button" className={styles.toggle} onClick={toggle} aria-label={label} title={label} data-testid="theme-toggle">
      <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" aria-hidden="true">
        {theme === 'dark'
          ? <><circle cx="10" cy="10" r="3.600" /><path d="M10 1.800v1.700M10 16.500v1.700M1.800 10h1.700M16.500 10h1.700M4.200 4.200l1.200 1.200M14.600 14.600l1.200 1.200M15.800 4.200l-1.200 1.200M5.400 14.600l-1.200 1.200" /></>
          : <path d="M16.800 11.800A7 7 0 0 1 8.200 3.200a7 7 0 1 0 8.600 8.600Z" strokeLinejoin="round" />}
      </svg>
    </button>
  );
}

export function TopBar() {
  return (
    <header className={styles.bar}>
      <div className={styles.brand}>
        <svg className={styles.mark} viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="9" fill="var(--accent)" />
          <g fill="none" stroke="var(--on-accent)" strokeWidth="2" strokeLinejoin="round">
            <path d="M7 12.500 16 8l9 4.500-9 4.500z" fill="var(--on-accent)" />
            <path d="m7 17 9 4.500L25 17" opacity=".75" />
            <path d="m7 21.500 9 4.500 9-4.500" opacity=".45" />
          </g>
        </svg>
        <span>Projected Network Studio</span>
      </div>
      <DeviceChip />
      <ThemeToggle />
    </header>
  );
}
