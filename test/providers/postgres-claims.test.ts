import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { makeIds } from '../../src/domain/ids.ts';
import type { Minted, Plan, Provider } from '../../src/providers/provider.ts';
import { blocksOf, readPage } from '../docs/pages.ts';
import { runSql, urlFor } from '../support/sql.ts';
import { postgresHarness, profileOf, roleName } from './postgres-harness.ts';

/**
 * What a login is told that it is for decides which rows it sees, by the statements of docs/providers/postgres.md; and
 * nothing that whoever holds it says changes that.
 */
const harness = await postgresHarness();
const { target, provider, login, look } = harness;
const ids = makeIds(randomBytes, Date.now);
const forever = new AbortController().signal;
const records: Plan[] = [];

beforeAll(async () => {
  const blocks = blocksOf(await readPage('docs/providers/postgres.md'));
  const narrowing = blocks.find(({ text }) => text.includes('FUNCTION public.writ_claim'))?.text ?? '';
  await runSql(
    target.url,
    'CREATE TABLE invoices (id bigint PRIMARY KEY, customer text NOT NULL, month text NOT NULL)',
    `INSERT INTO invoices VALUES (1, 'acme', '2026-09'), (2, 'acme', '2026-10'), (3, 'globex', '2026-10')`,
    narrowing.replaceAll('readonly', target.readonly),
  );
});
afterAll(async () => {
  for (const plan of records) {
    const record = { mint: plan.mint, grant: ids.grant(), endsAt: plan.endsAt, request: plan.request };
    await provider.end(record, {}, 'revocation', forever);
    await provider.cleanup?.(record, forever);
  }
  await harness.close();
});

function plan(customer: string, month = '2026-10'): Plan {
  const now = new Date();
  const claims = { customer: '{{parameters.customer}}', month: '{{parameters.month}}' };
  const subject = { trust: 'mesh', id: 'spiffe://dev.local/agent/invoices' };
  const asked = { mint: ids.mint(), grant: ids.grant(), task: ids.task(), subject, now };
  const endsAt = new Date(now.getTime() + 600_000);
  return provider.plan(profileOf(target, { claims }), { customer, month }, { ...asked, endsAt });
}

async function mint(of: Plan, by: Provider = provider): Promise<Minted> {
  const minted = await by.mint(of, forever);
  records.push(of);
  return minted;
}

async function connected(customer: string, month?: string): Promise<pg.Client> {
  const { credential } = await mint(plan(customer, month));
  return login(credential.reveal());
}

const seen = async (client: pg.Client) =>
  (await client.query<{ id: string }>('SELECT id FROM invoices ORDER BY id')).rows.map(({ id }) => id);

test.each([
  { customer: 'acme', month: '2026-10', rows: ['2'] },
  { customer: 'acme', month: '2026-09', rows: ['1'] },
  { customer: 'globex', month: '2026-10', rows: ['3'] },
  { customer: 'globex', month: '2026-09', rows: [] },
  { customer: `acme' OR 'a' = 'a`, month: '2026-10', rows: [] },
  { customer: '"} \\ $$ {{parameters.month}}', month: '2026-10', rows: [] },
])('$customer in $month sees $rows', async ({ customer, month, rows }) => {
  const client = await connected(customer, month);
  expect(await seen(client)).toEqual(rows);
  const { rows: said } = await client.query(`SELECT writ_claim('customer') AS customer, writ_claim('x') AS none`);
  expect(said).toEqual([{ customer, none: null }]);
  await client.end();
});

test('a login without claims sees nothing, and the set-up has no finding', async () => {
  const now = new Date();
  const subject = { trust: 'mesh', id: 'spiffe://dev.local/agent/invoices' };
  const asked = { mint: ids.mint(), grant: ids.grant(), task: ids.task(), subject, now };
  const bare = provider.plan(profileOf(target), {}, { ...asked, endsAt: new Date(now.getTime() + 600_000) });
  const client = await login((await mint(bare)).credential.reveal());
  expect(await seen(client)).toEqual([]);
  await client.end();
  const { findings } = await provider.check(forever, [profileOf(target, { claims: { month: 'x' } })]);
  expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
});

test('others see what they saw before, and no other policy widens what a login sees', async () => {
  const application = `${target.readonly}_application`;
  await look(`CREATE ROLE ${application} LOGIN PASSWORD 'x'`);
  await look(`GRANT ${target.readonly} TO ${application}`);
  const url = urlFor(target.superuserUrl, { user: application, password: 'x' });
  const [app, client] = [await login({ url }), await connected('acme')];
  expect([await seen(app), await seen(client)]).toEqual([['1', '2', '3'], ['2']]);
  await look('CREATE POLICY everything ON invoices USING (true)');
  expect([await seen(app), await seen(client)]).toEqual([['1', '2', '3'], ['2']]);
  await app.end();
  await client.end();
  await look('DROP POLICY everything ON invoices');
  await look(`DROP ROLE ${application}`);
});

test.each([
  { tries: `COMMENT ON ROLE "me" IS '{"customer": "globex", "month": "2026-10"}'` },
  { tries: `ALTER ROLE "me" SET writ.customer = 'globex'` },
  { tries: `SET writ.customer = 'globex'` },
  { tries: `SET ROLE readonly` },
  { tries: `SET SESSION AUTHORIZATION readonly` },
  { tries: 'SET row_security = off' },
  { tries: 'ALTER TABLE invoices DISABLE ROW LEVEL SECURITY' },
  { tries: 'DROP POLICY of_its_claims ON invoices' },
  { tries: 'DROP OWNED BY readonly' },
  { tries: `CREATE FUNCTION pg_temp.writ_claim(text) RETURNS text RETURN 'globex'` },
  { tries: `CREATE OR REPLACE FUNCTION public.writ_claim(name text) RETURNS text RETURN 'globex'` },
  { tries: `CREATE TEMP TABLE pg_roles AS SELECT 1 AS oid, session_user AS rolname` },
  { tries: `UPDATE pg_shdescription SET description = '{"customer": "globex", "month": "2026-10"}'` },
])('no way round: $tries', async ({ tries }) => {
  const of = plan('acme');
  const credential = (await mint(of)).credential.reveal();
  const client = await login(credential);
  const sql = tries.replaceAll('"me"', `"${roleName(of.mint)}"`).replaceAll('readonly', target.readonly);
  await client.query(sql).catch(() => undefined);
  await client.query('SET search_path = pg_temp, public').catch(() => undefined);
  const rows = await seen(client).catch(() => ['refused']);
  expect([['2'], ['refused']]).toContainEqual(rows);
  await client.end();
  const later = await login(credential); // a setting of a role counts from its next session on
  expect(await seen(later)).toEqual(['2']);
  await later.end();
  const [comment] = await look<{ text: string }>(
    `SELECT shobj_description(oid, 'pg_authid') AS text FROM pg_roles WHERE rolname = $1`,
    [roleName(of.mint)],
  );
  expect(comment).toEqual({ text: '{"customer":"acme","month":"2026-10"}' });
});

test.each([
  { name: 'without them', change: (sql: string) => sql.replace(/COMMENT ON ROLE [^;]*;/, '') },
  { name: 'for another customer', change: (sql: string) => sql.replace('"customer":"acme"', '"customer":"globex"') },
  { name: 'with one more', change: (sql: string) => sql.replace('{"customer"', '{"admin":"1","customer"') },
])('a login that comes out $name is none', async ({ change }) => {
  const { provider: lied, proxy } = await harness.proxied();
  const undo = proxy.rewrite(({ from, type, text }) =>
    from === 'frontend' && type === 'Q' ? change(text) : undefined,
  );
  const of = plan('acme');
  await expect(lied.mint(of, forever)).rejects.toMatchObject({
    code: 'provider_answer_wrong',
    facts: { finding: 'role_differs_from_plan' },
  });
  undo();
  expect(await look('SELECT FROM pg_roles WHERE rolname = $1', [roleName(of.mint)])).toEqual([]);
  await lied.close();
});
