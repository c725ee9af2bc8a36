// Step 1: the pretrained pack, how it loads and what it is.
import { useStore } from 'zustand';
import { formatBytes, formatCount, formatPercent } from '../../core/format.ts';
import type { PackSummary } from '../../protocol/events.ts';
import type { PackProgress } from '../../stores/packStore.ts';
import { Figure, Figures } from '../components/Figure.tsx';
import { Disclosure } from '../components/Disclosure.tsx';
import { Notice } from '../components/Notice.tsx';
import { Progress } from '../components/Progress.tsx';
import { Card, Section } from '../components/Section.tsx';
import { useStudio } from '../StudioContext.ts';
import { ChangePack } from './ChangePack.tsx';
import { ClusterList } from './ClusterList.tsx';
import styles from './PackPanel.module.css';

function Loading({ progress }: { progress?: PackProgress }) {
  if (!progress) return <Progress label="Opening the pack" testId="pack-progress" />;
  const { file, bytesLoaded, bytesTotal, fromCache } = progress;
  const share = bytesTotal > 0 ? bytesLoaded / bytesTotal : undefined;
  return (
    <Progress
      testId="pack-progress"
      label={`${fromCache ? 'Reading from this browser’s cache' : 'Downloading'}: ${file}`}
      share={share}
      detail={`${formatBytes(bytesLoaded)} of ${formatBytes(bytesTotal)}${share === undefined ? '' : `, ${formatPercent(share)}`}`}
    />
  );
}

function Sizes({ pack }: { pack: PackSummary }) {
  const rows = [
    { label: 'Before projection', value: pack.parametersBefore, small: false },
    { label: 'After projection', value: pack.parametersAfter, small: true },
  ];
  return (
    <div className={styles.sizes}>
      {rows.map(({ label, value, small }) => (
        <div key={label} className={small ? `${styles.size} ${styles.small}` : styles.size}>
          <span className={styles.sizeLabel}>{label}</span>
          <span className={styles.sizeBar}>
            {/* Leaves room for the number beside the longest bar. */}
            <span className={styles.bar} style={{ width: `calc((100% - 190px) * ${value / pack.parametersBefore})` }} aria-hidden="true" />
            <span className={styles.sizeValue}>{value.toLocaleString('en-US')} parameters</span>
          </span>
        </div>
      ))}
    </div>
  );
}

/** The clusters are worth seeing at once where they do not push everything else off a phone's screen. */
const isRoomy = (): boolean => window.matchMedia('(min-width: 901px)').matches;

function PackDescription({ pack }: { pack: PackSummary }) {
  const { h, k, m } = pack.projectedNetwork;
  const { model } = pack;
  return (
    <Card testId="pack-ready">
      <Figures columns={4}>
        <Figure label="Pack" value={pack.name} testId="pack-name" />
        <Figure label="Experts (k)" value={k} />
        <Figure label="Slices per layer (h)" value={h} />
        <Figure label="Numbers per expert (m)" value={m} />
        <Figure label="Context" value={formatCount(model.maxPositionEmbeddings)} note="tokens" />
        <Figure label="Vocabulary" value={formatCount(model.vocabSize)} note="tokens" />
        <Figure label="Shape" value={`${model.numHiddenLayers} × ${model.hiddenSize}`} note="layers × width" />
        <Figure label="Size" value={formatBytes(pack.bytes)} note={pack.downloadedBytes === 0 ? 'all from the cache' : `${formatBytes(pack.downloadedBytes)} downloaded`} />
      </Figures>
      <Sizes pack={pack} />
      {pack.cacheWarning && <Notice kind="caution">{pack.cacheWarning}</Notice>}
      <Disclosure title={`The ${pack.clusters.length} clusters of text it was pretrained on`} initiallyOpen={isRoomy()}>
        <ClusterList clusters={pack.clusters} />
      </Disclosure>
      <Disclosure title="Where it comes from">
        <p className={styles.provenance}><strong>Loaded from</strong> {pack.origin}</p>
        <p className={styles.provenance}>{pack.provenance}</p>
      </Disclosure>
      <Disclosure title="Use another pack" testId="pack-change"><ChangePack /></Disclosure>
    </Card>
  );
}

export function PackPanel() {
  const { loading, pack, progress, error } = useStore(useStudio().pack);
  return (
    <Section
      step="pack"
      title="Model pack"
      lead="A projected network is one large network that holds many experts, each pretrained on a different kind of text. Any of them, or a blend, can be folded down to a small model."
    >
      {error && <Notice kind="error">{error}</Notice>}
      {loading && <Card><Loading progress={progress} /></Card>}
      {!loading && pack && <PackDescription pack={pack} />}
      {!loading && !pack && <Card title="Choose a pack"><ChangePack /></Card>}
    </Section>
  );
}
