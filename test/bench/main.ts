/**
 * `npm run bench`: each part beside a floor or a twin that is measured in turn with it, in the same run. Options: --quick (fewer calls),
 * --only NAME, where NAME is one of `PARTS`, or the first word of several; --callers 1,8, the only rows of the overhead's tables.
 */
import { evaluations } from './evaluations.ts';
import { delays, fresh, jwt, postgres } from './issuances.ts';
import { memory } from './memory.ts';
import { overheadAws, overheadSlow, overheadVault } from './overhead.ts';
import type { Part } from './part.ts';
import { million } from './million.ts';
import { sealer, verify } from './sealer.ts';
import { makeWorld } from './world.ts';

const OVERHEAD = [overheadAws, overheadVault, overheadSlow];
/** Those that apply rules of their own come last. */
const PARTS: readonly Part[] = [
  jwt,
  fresh,
  postgres,
  delays,
  memory,
  sealer,
  verify,
  million,
  ...OVERHEAD,
  evaluations,
];

const option = (name: string) =>
  process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined;
const only = option('--only');
const callers = option('--callers')?.split(',').map(Number);
const wanted = PARTS.filter(({ name, byName = false }) =>
  only === undefined ? !byName : name === only || (!byName && name.startsWith(`${only}-`)),
);
if (wanted.length === 0) throw new Error(`--only takes one of ${PARTS.map(({ name }) => name).join(', ')}`);

const world = await makeWorld({ quick: process.argv.includes('--quick'), callers });
try {
  world.say(
    `node ${process.version}; the floor: verify, decide, two SQL calls, sign, no HTTP; medians of rounds in turn\n`,
  );
  for (const part of wanted) await part.run(world);
} finally {
  await world.close();
}
