import { until } from '../support/waiting.ts';
import { makeWorld, TOOLS_PROFILE, type World } from './world.ts';

/** A restart looks at nothing that there is one of for each live grant. */
const LIVE = 5_000;

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

test('a restart with many live grants is as quick as with none', async () => {
  const none = await restarts();
  await world.select(MANY);
  await world.select(`select activate_mint(jsonb_build_object('mint', id, 'epoch', epoch, 'handle', '{"jti":"x"}'::jsonb,
    'expires_at', utc_text(ends_at), 'origin', null)) as answer from mints where state = 'intent'`);
  expect(await world.select(`select count(*)::int from grants where state = 'active' and provider = 'tools'`)).toEqual([
    LIVE,
  ]);
  const many = await restarts();
  expect(many.rows).toBeLessThan(none.rows + LIVE / 20);
  // the rows tell; the time, on a machine that does other things as well, only what is grossly wrong
  expect(many.ms).toBeLessThan(4 * none.ms);
  expect(await world.audit()).toEqual([]);
});

/** The quickest of three, from the start to the end of a first login: milliseconds, and rows that the ledger had to read. */
async function restarts(): Promise<{ ms: number; rows: number }> {
  const found: { ms: number; rows: number }[] = [];
  for (let n = 0; n < 3; n++) {
    const before = await read();
    const start = performance.now();
    const broker = await world.start('direct');
    const grant = await world.issue(broker);
    await broker.agent().workload.revoke(grant.id, 'test');
    const ms = performance.now() - start;
    broker.kill('SIGTERM');
    await broker.exited;
    found.push({ ms, rows: (await read()) - before });
  }
  return { ms: Math.min(...found.map(({ ms }) => ms)), rows: Math.min(...found.map(({ rows }) => rows)) };
}

/** Rows and index entries read so far; the brokers' connections have told theirs once they have ended. */
async function read(): Promise<number> {
  const theirs = `select pid from pg_stat_activity where datname = current_database() and usename <> current_user`;
  await until(async () => (await world.select(theirs)).length === 0);
  const [rows] = await world.select(
    `select (select sum(seq_tup_read) from pg_stat_user_tables) + (select sum(idx_tup_read) from pg_stat_user_indexes)`,
  );
  return Number(rows);
}

const MANY = `select open_grant(jsonb_build_object(
    'decision', jsonb_build_object('id', 'd' || lpad(n::text, 21, '0'), 'action', 'issue', 'generation', g.number, 'rules_hash', g.hash,
      'trust', 'mesh', 'subject', 'spiffe://test.example/agent/' || n % 100, 'resource', '${TOOLS_PROFILE}', 'outcome', 'allow', 'code', null,
      'policies', '[]'::jsonb, 'controls', '[]'::jsonb, 'errors', '[]'::jsonb, 'inputs', '{}'::jsonb, 'origin', null),
    'task', jsonb_build_object('id', 't' || lpad(n::text, 21, '0'), 'purpose', 'test', 'mode', 'autonomous', 'environment', 'shop'),
    'grant', jsonb_build_object('id', 'g' || lpad(n::text, 12, '0'), 'profile', '${TOOLS_PROFILE}', 'provider', 'tools', 'owner', 'payments',
      'environment', 'shop', 'effect', 'read', 'parameters', '{}'::jsonb, 'ttl_seconds', 3600, 'ttl_decided_by', 'request',
      'expires_at', now() + interval '1 hour', 'revocability', '{"mode":"immediate"}'::jsonb),
    'mint', jsonb_build_object('id', 'm' || lpad(n::text, 21, '0'), 'request', '{}'::jsonb, 'deadline_seconds', 60)))
  from generations g, generate_series(1, ${LIVE}) n where g.number = active_generation()`;
