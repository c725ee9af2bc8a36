// A method as the command line writes it, "SLM-pn:strategy=fitted,fittedSteps=12", taken apart into words; and what it stands for.
import { UserError } from '../core/invariant.ts';
import { DEFAULT_CHOICES, invalidMethodField, type ChoiceOf, type MethodChoice, type MethodName, type OptionValue } from './method.ts';

export interface WrittenMethod {
  /** As it was written; names the run. */
  readonly text: string;
  readonly method: MethodName;
  readonly options: Readonly<Record<string, string>>;
}

/** The options each method has. */
export const METHOD_FIELDS: { readonly [M in MethodName]: readonly Exclude<keyof ChoiceOf<M>, 'method'>[] } = {
  'SLM': [],
  'SLM-nopt': [],
  'SLM-pn': ['strategy', 'cluster', 'fittedSteps', 'halving'],
  'SLM-mix': ['strategy', 'cluster'],
  'SLM-is': ['start', 'pretrainingSteps'],
  'SLM-d': ['weight', 'temperature', 'teacherSteps'],
  'LLM': [],
};

/**
 * The defaults of the method with the options that were written.
 * @throws UserError naming the first option that the method does not have or that is out of range
 */
export function choiceOf({ method, options }: WrittenMethod): MethodChoice {
  const fields: readonly string[] = METHOD_FIELDS[method];
  const unknown = Object.keys(options).find((field) => !fields.includes(field));
  if (unknown !== undefined) throw new UserError(`${method} has no option ${unknown}; ${fields.length > 0 ? `it has ${fields.join(', ')}` : 'it has none'}.`);
  const values = Object.fromEntries(Object.entries(options).map(([field, text]) => [field, valueOf(text)]));
  const choice = { ...DEFAULT_CHOICES[method], ...values } as MethodChoice;
  const invalid = invalidMethodField(choice);
  if (invalid) throw new UserError(invalid);
  return choice;
}

/** What is neither a number nor true or false stays a word, for invalidMethodField to judge. */
function valueOf(text: string): OptionValue {
  if (text === 'true' || text === 'false') return text === 'true';
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}
