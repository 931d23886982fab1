import { z } from 'zod';
import { ALGORITHM_NAMES, type Algorithm } from './algorithms.ts';
import { parseTemplate } from './template.ts';

/** Members that several kinds of configuration have. Messages complete a line that names the place. */
export function algorithmsSchema(fallback: readonly [Algorithm, ...Algorithm[]]) {
  const one = z.enum(ALGORITHM_NAMES, { error: `must be one of ${ALGORITHM_NAMES.join(', ')}` });
  return z
    .array(one)
    .min(1, 'must name an algorithm')
    .default([...fallback]);
}

export const templateSchema = z.string().superRefine((text, context) => {
  try {
    parseTemplate(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is not a template' });
  }
});

/** The name of a claim, or a JSON pointer to one. */
export const claimSchema = z.string().min(1, 'must name a claim');
