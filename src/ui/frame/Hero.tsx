// What the studio does in two sentences, and a picture of it: the slices of the large network combine into one small model. The
// picture has as many slices as the loaded pack.
import { useStore } from 'zustand';
import { formatCount } from '../../core/format.ts';
import { useStudio } from '../StudioContext.ts';
import styles from './Hero.module.css';

const SHEETS_BEFORE_LOADING = 8;
const MOST_SHEETS = 16;

/** A sheet lying flat, seen from above and the side; (x, y) is its middle. */
const sheet = (x: number, y: number): string => `M${x - 84} ${y} L${x} ${y - 38} L${x + 84} ${y} L${x} ${y + 38} Z`;

function SlicesPicture() {
  const pack = useStore(useStudio().pack, (state) => state.pack);
  const sheets = Math.min(MOST_SHEETS, pack?.projectedNetwork.h ?? SHEETS_BEFORE_LOADING);
  const top = 62;
  const spacing = 132 / Math.max(1, sheets - 1);
  const middles = Array.from({ length: sheets }, (_, i) => top + i * spacing);
  return (
    <svg className={styles.picture} viewBox="0 0 480 300" role="img" aria-label="The slices of a large network are combined into one small model.">
      {middles.map((y) => <path key={y} className={styles.flow} d={`M184 ${y} C 250 ${y}, 250 128, 306 128`} />)}
      {middles.toReversed().map((y) => <path key={y} className={styles.sheet} d={sheet(100, y)} />)}
      <path className={styles.mine} d={sheet(390, 128)} />
      <text className={styles.count} x="100" y="268" textAnchor="middle">{pack ? formatCount(pack.parametersBefore) : 'Pretrained once'}</text>
      <text className={styles.caption} x="100" y="289" textAnchor="middle">{pack ? 'parameters, pretrained once' : 'for every domain'}</text>
      <text className={styles.count} x="390" y="268" textAnchor="middle">{pack ? formatCount(pack.parametersAfter) : 'Projected for you'}</text>
      <text className={styles.caption} x="390" y="289" textAnchor="middle">{pack ? 'parameters, projected for you' : 'and small'}</text>
    </svg>
  );
}

export function Hero() {
  return (
    <div className={styles.hero}>
      <div>
        <h1 className={styles.title}>A small language model of your own, made in this tab.</h1>
        <p className={styles.lead}>
          Give it text from one domain: the studio finds the pretrained expert that fits, projects it to a small model, fine-tunes that
          model on your text and measures honestly what was gained. Everything happens on this machine; no text, no figure and no weight leaves it.
        </p>
      </div>
      <SlicesPicture />
    </div>
  );
}
