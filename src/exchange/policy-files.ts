import { setImmediate as turn } from 'node:timers/promises';
import { parseRulesText, policyFiles } from '../config/index.ts';

/**
 * What `read` finds in the policy files of each of these generations. Parsing takes the thread that issuing needs: a file that several
 * generations have is read once, and everything else has its turn after each that was.
 */
export async function eachPolicyFile<Found>(
  generations: readonly string[],
  read: (path: string, text: string) => readonly Found[],
): Promise<Found[][]> {
  const known = new Map<string, readonly Found[]>();
  const all: Found[][] = [];
  for (const generation of generations) {
    const found: Found[] = [];
    for (const [path, text] of policyFiles(parseRulesText(generation))) {
      const key = `${path}\n${text}`;
      let policies = known.get(key);
      if (!policies) {
        known.set(key, (policies = read(path, text)));
        await turn();
      }
      found.push(...policies);
    }
    all.push(found);
    await turn();
  }
  return all;
}
