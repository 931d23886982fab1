import { makeSealer } from '../../src/audit/sealer.ts';
import { TRANSITIONS } from '../ledger/transitions/index.ts';
import { makeWorld } from '../ledger/world.ts';
import { auditLedger } from '../support/audit-ledger.ts';

/** Tests move times, mark orders and tasks as done with, and ask people about something else than they say. */
const OF_TESTS =
  /(opened|issued|expires|ending|closed|activated|ended|created)_at is |ends_at is |: asked is |says what no event (order\.(swept|lifted)|task\.ended) does|deadline|past its end/;

test('whatever the ledger can do, its tables are what its events say', async () => {
  const world = await makeWorld();
  try {
    for (const { arrange } of TRANSITIONS) await arrange(world).then(({ run }) => run());
    const seal = makeSealer(world.ledger.sealing);
    while ((await seal(false)).more);
    const found = await auditLedger(world.database.pool);
    expect(found.filter((line) => !OF_TESTS.test(line))).toEqual([]);
  } finally {
    await world.close();
  }
});
