import pg from 'pg';
import { GRANT_STATES, GRANT_TRANSITIONS } from '../../src/domain/grant.ts';
import { makeWorld, OPERATOR } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

/** DESIGN, *Life of a grant*, in its words: what stands here is legal, and nothing else. */
const GRANTS = `pending_approval -> issuing, lapsed, refused; issuing -> active, ending, failed; active -> ending;
  ending -> expired, revoked, failed, stuck; stuck -> expired, revoked, failed`;
const MINT_STATES = ['intent', 'live', 'ending', 'ended'];
const MINTS = 'intent -> live, ending, ended; live -> ending; ending -> ended';
const ENDS = ['expired', 'revoked', 'failed', 'lapsed', 'refused'];

const legal = (text: string, from: string) =>
  text
    .split(';')
    .map((step) => step.trim().split(/ -> |, /))
    .find(([first]) => first === from)
    ?.slice(1) ?? [];

let world: World;
let superuser: pg.Client;
let broker: pg.Client;
let template: OpenedGrant;

beforeAll(async () => {
  world = await makeWorld();
  superuser = new pg.Client({ connectionString: world.database.url });
  broker = new pg.Client({ connectionString: world.database.brokerUrl });
  await Promise.all([superuser.connect(), broker.connect()]);
  template = await world.live();
  await superuser.query('set session_replication_role = replica'); // this one may put a row into any state
});
afterAll(async () => {
  await Promise.all([superuser.end(), broker.end()]);
  await world.close();
});

const closedAt = (state: string) => (ENDS.includes(state) ? new Date() : null);

/** The states that a row in `from` can be moved to with the broker's rights; whatever else a state asks for is given. */
async function reachable(table: 'grants' | 'mints', from: string, states: readonly string[]): Promise<string[]> {
  const reached: string[] = [];
  for (const to of states.filter((state) => state !== from)) {
    const set = {
      grants: `update grants set state = $2, why = 'expiry', closed_at = $3 where id = $1`,
      mints: `update mints set state = $2, handle = '{}', outcome = case when $3::timestamptz is not null then 'ended' end where id = $1`,
    }[table];
    const id = table === 'grants' ? template.grant : template.mint;
    const closed = (state: string) => (table === 'grants' ? closedAt(state) : state === 'ended' ? new Date() : null);
    await superuser.query(set, [id, from, closed(from)]);
    const moved = broker.query(set, [id, to, closed(to)]).then(
      () => true,
      (error: unknown) => (error as { code?: string }).code,
    );
    const outcome = await moved;
    if (outcome === true) reached.push(to);
    else expect({ from, to, outcome }).toEqual({ from, to, outcome: '23514' });
  }
  return reached;
}

describe('grants', () => {
  test.each(GRANT_STATES)('%s: the table of the domain is that of the design', (from) => {
    expect([...GRANT_TRANSITIONS[from]].sort()).toEqual(legal(GRANTS, from).sort());
  });

  test.each(GRANT_STATES)('%s: the database lets the legal steps through, and no other', async (from) => {
    expect((await reachable('grants', from, GRANT_STATES)).sort()).toEqual(legal(GRANTS, from).sort());
  });

  test('begin as an intent or a question', async () => {
    const copy = `insert into grants select (jsonb_populate_record(g, jsonb_build_object('id', $2::text, 'state', $3::text, 'closed_at', $4::timestamptz, 'why', 'expiry'))).*
      from grants g where id = $1`;
    const begun: string[] = [];
    for (const [n, state] of GRANT_STATES.entries()) {
      const made = broker.query(copy, [template.grant, `gcopy0000000${n}`, state, closedAt(state)]);
      if (await made.catch((error: unknown) => expect(error).toMatchObject({ code: '23514' }))) begun.push(state);
    }
    expect(begun).toEqual(['pending_approval', 'issuing']);
  });
});

describe('mints', () => {
  test.each(MINT_STATES)('%s: the database lets the legal steps through, and no other', async (from) => {
    expect((await reachable('mints', from, MINT_STATES)).sort()).toEqual(legal(MINTS, from).sort());
  });

  test('begin as an intent', async () => {
    const copy = `insert into mints select (jsonb_populate_record(m, jsonb_build_object('id', $2::text, 'state', $2::text, 'handle', '{}'::jsonb,
      'outcome', case when $2 = 'ended' then 'ended' end))).* from mints m where id = $1`;
    const begun: string[] = [];
    for (const state of MINT_STATES) {
      const made = broker.query(copy, [template.mint, state]);
      if (await made.catch((error: unknown) => expect(error).toMatchObject({ code: '23514' }))) begun.push(state);
    }
    expect(begun).toEqual(['intent']);
  });
});

test.each([
  { rule: 'an end says why', set: `state = 'ending', why = null` },
  { rule: 'what is closed has its time', set: `state = 'failed', why = 'abandoned', closed_at = null` },
  { rule: 'what is open has none', set: `state = 'ending', why = 'expiry', closed_at = now()` },
  { rule: 'what is active was issued', set: `state = 'active', issued_at = null` },
  { rule: 'a reason is one of the closed ones', set: `state = 'ending', why = 'boredom'` },
])('a grant: $rule', async ({ set }) => {
  const { grant } = await world.open();
  await expect(broker.query(`update grants set ${set} where id = $1`, [grant])).rejects.toMatchObject({
    code: '23514',
  });
});

test('a set of rules is kept under the hash of its text, whoever writes it', async () => {
  const hash = '0'.repeat(64);
  const wrong = { hash, body: 'something', author: OPERATOR, difference: {}, base: world.generation(), origin: null };
  await expect(world.ledger.generations.activate(wrong)).rejects.toMatchObject({ sqlState: '23514' });
  await expect(superuser.query(`insert into rule_texts values ($1, 'else')`, [hash])).rejects.toMatchObject({
    code: '23514',
  });
});
