// Which methods race, with what budget. What the pack lacks for a method is said beside it.
import { useStore } from 'zustand';
import { lackingPart, METHOD_NAMES, METHODS } from '../../config/method.ts';
import { BUDGET_UNITS, invalidBudget, type BudgetUnit } from '../../config/runBudget.ts';
import { Button } from '../components/Button.tsx';
import { NumberField } from '../components/Field.tsx';
import { Segmented } from '../components/Segmented.tsx';
import { MemoryEstimateLine } from '../memory/MemoryEstimateLine.tsx';
import { useStudio } from '../StudioContext.ts';
import styles from './Compare.module.css';
import { MethodOptions } from './MethodOptions.tsx';

const UNIT_LABELS: Readonly<Record<BudgetUnit, string>> = { tokens: 'Tokens', minutes: 'Minutes', flops: 'FLOPs' };
const UNIT_STARTS: Readonly<Record<BudgetUnit, number>> = { tokens: 50_000, minutes: 2, flops: 5e11 };
const UNITS = BUDGET_UNITS.map((value) => ({ value, label: UNIT_LABELS[value] }));

export function RaceSettings({ busy }: { busy: boolean }) {
  const { comparison, pack: packStore, dataset, device } = useStudio();
  const { chosen, choices, budget, toggleMethod, changeBudget, startRace } = useStore(comparison);
  const pack = useStore(packStore, (state) => state.pack);
  const hasText = useStore(dataset, (state) => state.summary !== undefined);
  const hasGpu = useStore(device, (state) => state.status === 'ready');
  const waitsFor = !hasGpu ? 'Racing computes through WebGPU or in WebAssembly, and neither is there now.' : !pack || !hasText ? 'Load a pack and your text first: steps 1 and 2.' : undefined;
  const runnable = METHOD_NAMES.filter((method) => chosen.has(method) && !(pack && lackingPart(choices[method], pack.optional)));
  return (
    <div className={styles.settings}>
      <ul className={styles.methods}>
        {METHOD_NAMES.map((method) => {
          const lacking = pack && lackingPart(choices[method], pack.optional);
          return (
            <li key={method} className={styles.method}>
              <label>
                <input type="checkbox" checked={chosen.has(method) && !lacking} disabled={busy || Boolean(lacking)} onChange={() => toggleMethod(method)} data-testid={`race-method-${method}`} />
                <span><b>{method}</b> {METHODS[method].description}</span>
              </label>
              {lacking && <p className={styles.lacking}>This pack does not have {lacking}.</p>}
              {chosen.has(method) && !lacking && <MethodOptions choice={choices[method]} disabled={busy} />}
            </li>
          );
        })}
      </ul>
      <div className={styles.budget}>
        <div className={styles.besideFields}><Segmented label="Unit of the budget" value={budget.unit} options={UNITS} testId="race-unit" onChange={(unit) => changeBudget({ unit, amount: UNIT_STARTS[unit] })} /></div>
        <NumberField
          label="Budget of each method" help="Everything a method trains once your text is known counts: a teacher, resampled generic text, fine-tuning."
          value={budget.amount} min={0} max={1e21} step="any" disabled={busy} testId="race-budget" onChange={(amount) => changeBudget({ ...budget, amount })}
        />
        <div className={styles.besideFields}>
          <Button kind="primary" testId="race-start" disabled={busy || waitsFor !== undefined || runnable.length === 0 || invalidBudget(budget) !== undefined} onClick={startRace}>
            {runnable.length === 1 ? 'Start the run' : `Race ${runnable.length} methods`}
          </Button>
        </div>
      </div>
      <p className={styles.note}>Batch, window length, learning rate and all else are those of step 4; the number of steps follows from the budget, half of it for a teacher or for resampled text where a method has one.</p>
      <MemoryEstimateLine of="race" />
      {waitsFor && <p className={styles.note}>{waitsFor}</p>}
    </div>
  );
}
