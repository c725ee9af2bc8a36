import { expect, it } from 'vitest';
import { repeatsSentence } from './repeats.ts';

it('says how many windows repeat, and when too many do', () => {
  expect(repeatsSentence([10, 90])).toBe('90 different windows of generic text were drawn, none of them twice; 10 were not drawn.');
  expect(repeatsSentence([0, 75, 20, 5])).toBe('100 different windows of generic text were drawn, 25 of them (25.0%) more than once; none was left out.');
  expect(repeatsSentence([1000, 40, 40, 20])).toMatch(/60 of them \(60\.0%\) more than once; 1,000 were not drawn\. With so many repeats/);
  expect(repeatsSentence([5])).toBe('No window of generic text was drawn.');
});
