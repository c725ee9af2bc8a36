// A race as a terminal shows it at the end: the paper's table, what to know before believing it, which runs failed, and the conclusion.
import { formatChange, formatCount, formatPerplexity, formatPerplexityInterval, formatSeconds, formatTeraflops } from '../core/format.ts';
import type { RaceReport, ReportedRow } from './raceReport.ts';

const HEADINGS = ['Method', 'Before', 'After (95% interval)', 'Against SLM', 'Tokens', 'TFLOP', 'Time'];

const cells = ({ name, before, after, ratio, ratioInterval, tokens, flops, seconds }: ReportedRow): string[] => [
  name,
  before ? formatPerplexity(before.perplexity) : '–',
  formatPerplexityInterval(after),
  ratio !== undefined && ratioInterval ? `${formatChange(ratio)} (${formatChange(ratioInterval[0])} to ${formatChange(ratioInterval[1])})` : '–',
  formatCount(tokens), formatTeraflops(flops), formatSeconds(seconds),
];

/** Rows of equal columns, two spaces apart. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
}

/** Lines without an end; the conclusion is the last. */
export function raceSummary({ runs, table, conclusion }: RaceReport): string[] {
  return [
    ...(table.length > 0 ? ['Perplexity on the test documents before and after fine-tuning, and what it cost:', ...aligned([HEADINGS, ...table.map(cells)])] : []),
    ...runs.flatMap(({ name, notes: { warning } }) => (warning === undefined ? [] : [`${name}: ${warning}`])),
    ...runs.flatMap(({ name, state, error }) => (state === 'finished' ? [] : [`${name} failed: ${error ?? 'it did not say why'}`])),
    ...runs.flatMap(({ name, saveError }) => (saveError === undefined ? [] : [`${name} was not saved: ${saveError}`])),
    conclusion,
  ];
}
