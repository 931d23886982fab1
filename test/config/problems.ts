import { ProblemsError, formatProblem } from '../../src/domain/problem.ts';

/** The problems of work that must fail, each as it is printed. */
export async function problemsOf(work: () => unknown): Promise<string[]> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ProblemsError) return error.problems.map(formatProblem);
    throw error;
  }
  throw new Error('there was no problem');
}
