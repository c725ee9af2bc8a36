// The eight steps of the page, in order. Ids are the anchors of the sections.

export const STEPS = [
  { id: 'pack', title: 'Model pack' },
  { id: 'data', title: 'Your text' },
  { id: 'expert', title: 'Expert' },
  { id: 'train', title: 'Fine-tune' },
  { id: 'result', title: 'Result' },
  { id: 'samples', title: 'Samples' },
  { id: 'export', title: 'Take it away' },
  { id: 'compare', title: 'Compare methods' },
] as const;

export type StepId = (typeof STEPS)[number]['id'];

export const stepNumber = (id: StepId): number => STEPS.findIndex((step) => step.id === id) + 1;
