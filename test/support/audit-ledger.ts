import type pg from 'pg';
import { verifyLedger } from '../../src/audit/verify.ts';
import { canonicalJson } from '../../src/domain/json.ts';
import type { Json } from '../../src/domain/json.ts';
import { beginReading, verificationReads } from '../../src/ledger/verification.ts';

/** A server that logins were issued for. */
export interface AuditedTarget {
  /** The provider's name in the ledger. */
  readonly provider: string;
  /** As the superuser, to look with. */
  readonly pool: pg.Pool;
  /** Who made the logins. */
  readonly administrator: string;
}

/**
 * Holds a whole ledger against its events, and what lives on the targets against the ledger. Answers everything that is
 * wrong, a line each: a state that the events do not lead to, a row without its event or an event without its row, a
 * login that nothing active stands behind, an intent past its deadline. To be asked when nothing is under way.
 * @param ledger - as its superuser.
 */
export async function auditLedger(ledger: pg.Pool, targets: readonly AuditedTarget[] = []): Promise<string[]> {
  const found = [...(await verified(ledger)), ...(await checkBodies(ledger)), ...(await checkDeadlines(ledger))];
  for (const target of targets) found.push(...(await checkLogins(ledger, target)));
  return found;
}

/** What `writ audit verify` finds. */
async function verified(ledger: pg.Pool): Promise<string[]> {
  const client = await ledger.connect();
  try {
    await beginReading(client);
    const options = { keys: [], kept: [], onProgress: () => undefined };
    const { findings } = await verifyLedger(verificationReads(client), options);
    return findings.map(({ code, about, message }) => `${about}: ${message} (${code})`);
  } finally {
    await client.query('rollback');
    client.release();
  }
}

/** The body of an event is canonical text. */
async function checkBodies(ledger: pg.Pool): Promise<string[]> {
  const { rows } = await ledger.query<{ seq: string; body: string }>('select seq, body from events order by seq');
  return rows.flatMap(({ seq, body }) =>
    canonicalJson(JSON.parse(body) as Json) === body ? [] : [`event ${seq}: its body is not canonical`],
  );
}

async function checkDeadlines(ledger: pg.Pool): Promise<string[]> {
  const { rows } = await ledger.query<{ line: string }>(
    `select format('grant %s: issuing, and mint %s is past its deadline', g.id, m.id) as line
       from grants g join mints m on m.grant_id = g.id where g.state = 'issuing' and m.deadline < clock_timestamp()
     union all select format('mint %s: an intent past its deadline', id) from mints where state = 'intent' and deadline < clock_timestamp()
     union all select format('grant %s: active past its end', id) from grants where state = 'active' and expires_at < clock_timestamp()
     union all select format('grant %s: closed, and mint %s is %s', g.id, m.id, m.state)
       from grants g join mints m on m.grant_id = g.id where g.closed_at is not null and m.state <> 'ended'`,
  );
  return rows.map(({ line }) => line);
}

const utc = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const LOGINS = `select r.rolname as role, r.rolcanlogin as login, ${utc('r.rolvaliduntil')} as until,
    (select count(*)::int from pg_stat_activity s where s.usesysid = r.oid) as sessions
  from pg_roles r where r.rolname ^@ 'writ_m' and exists (select from pg_auth_members m join pg_roles a on a.oid = m.member
    where m.roleid = r.oid and a.rolname = $1)`;

interface Login {
  readonly role: string;
  readonly login: boolean;
  readonly until: string;
  readonly sessions: number;
}

/** Who can log in, or is there, has a live mint of an active grant behind it, and both end at the same time. */
async function checkLogins(ledger: pg.Pool, { provider, pool, administrator }: AuditedTarget): Promise<string[]> {
  const { rows: roles } = await pool.query<Login>(LOGINS, [administrator]);
  const { rows: live } = await ledger.query<{ role: string; until: string }>(
    `select 'writ_' || m.id as role, ${utc('m.ends_at')} as until
       from mints m join grants g on g.id = m.grant_id where m.state = 'live' and g.state = 'active' and m.provider = $1`,
    [provider],
  );
  const untils = new Map(live.map(({ role, until }) => [role, until]));
  const found: string[] = [];
  for (const { role, login, until, sessions } of roles) {
    if (!login && sessions === 0) continue;
    if (!untils.has(role)) found.push(`login ${role}: nothing active stands behind it (sessions: ${sessions})`);
    else if (untils.get(role) !== until)
      found.push(`login ${role}: lives until ${until}, its mint until ${untils.get(role)}`);
    untils.delete(role);
  }
  return [...found, ...[...untils.keys()].map((role) => `login ${role}: an active grant's, and it is not there`)];
}
