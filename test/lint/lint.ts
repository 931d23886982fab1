import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A source in memory, and where it is to stand; paths begin at the top of the project. */
export interface Source {
  readonly file: string;
  readonly code: string;
}

export const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs the configuration of `npm run lint` over sources in memory, and gives each the rules that speak about it, once for
 * each time they do. `types`: with the rules that know types, for which the files must exist; otherwise they need not.
 * A § in a source is taken out first: it stands in words that a search for such words should not find in a test.
 */
export function lint<S extends Source>(sources: readonly S[], { types }: { readonly types: boolean }) {
  const cases = sources.map(({ file, code }) => ({ file, code: code.replaceAll('§', '') }));
  const options = { input: JSON.stringify({ types, cases }), encoding: 'utf8', maxBuffer: 2 ** 26 } as const;
  const spoken = execFileSync(process.execPath, [`${root}test/lint/lint-texts.js`], options);
  const rules = JSON.parse(spoken) as string[][];
  return sources.map((source, index) => ({ ...source, rules: rules[index] ?? [] }));
}
