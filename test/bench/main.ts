/**
 * `npm run bench`: each part beside a floor or a twin that is measured in turn with it, in the same run. Options: --quick (fewer calls),
 * --only NAME, where NAME is one of `PARTS`, or the first word of several.
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

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
const wanted = PARTS.filter(({ name, byName = false }) =>
  only === undefined ? !byName : name === only || (!byName && name.startsWith(`${only}-`)),
);
if (wanted.length === 0) throw new Error(`--only takes one of ${PARTS.map(({ name }) => name).join(', ')}`);

const world = await makeWorld(process.argv.includes('--quick'));
try {
  world.say(
    `node ${process.version}; the floor: verify, decide, two SQL calls, sign, no HTTP; medians of rounds in turn\n`,
  );
  for (const part of wanted) await part.run(world);
} finally {
  await world.close();
}
