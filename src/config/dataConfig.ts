// What a data set is made from and how it is split. Ranges and defaults the page draws its fields from.

export interface DataConfig {
  /** Share of documents held out for validation (early stopping). */
  readonly validationShare: number;
  /** Share of documents held out for the headline figures. */
  readonly testShare: number;
  /** Seed of the split and of everything random in data preparation. */
  readonly seed: number;
  /** Field chosen per structured file (path -> JSON field or CSV column); absent: guessed. */
  readonly fields: Readonly<Record<string, string>>;
  /** Jaccard similarity of word 5-shingles (estimated by MinHash) from which two documents count as near duplicates. */
  readonly nearDuplicateThreshold: number;
}

export const DEFAULT_DATA_CONFIG: DataConfig = {
  validationShare: 0.1,
  testShare: 0.1,
  seed: 1,
  fields: {},
  nearDuplicateThreshold: 0.8,
};

export const DATA_RANGES = {
  validationShare: { label: 'Validation share', min: 0.02, max: 0.4, step: 0.01 },
  testShare: { label: 'Test share', min: 0.02, max: 0.4, step: 0.01 },
  seed: { label: 'Split seed', min: 0, max: 2 ** 31 - 1, step: 1 },
  nearDuplicateThreshold: { label: 'Near-duplicate similarity', min: 0.5, max: 1, step: 0.05 },
} as const;

export type SplitName = 'train' | 'validation' | 'test';
export const SPLIT_NAMES: readonly SplitName[] = ['train', 'validation', 'test'];
