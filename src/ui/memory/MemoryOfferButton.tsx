// The way out beside a sentence that refuses a run for want of memory: the same run with gentler settings.
import type { MemoryOffer } from '../../protocol/events.ts';
import { Button } from '../components/Button.tsx';
import styles from './Memory.module.css';
import { offerLabel } from './memoryWords.ts';

export function MemoryOfferButton({ offer, testId, onAccept }: { offer: MemoryOffer; testId: string; onAccept: () => void }) {
  return <Button className={styles.accept} testId={testId} onClick={onAccept}>{offerLabel(offer)}</Button>;
}
