/** One fault of a file: where it is and what would be right. Printed as `path:line message`. */
export interface Problem {
  readonly file: string;
  /** 1-based; 0 where the whole file is meant. */
  readonly line: number;
  readonly message: string;
}

export function formatProblem(problem: Problem): string {
  return problem.line > 0 ? `${problem.file}:${problem.line} ${problem.message}` : `${problem.file} ${problem.message}`;
}

/** Thrown by whatever loads files, with every problem found, in file and line order. */
export class ProblemsError extends Error {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.name = 'ProblemsError';
    this.problems = problems;
  }
}
