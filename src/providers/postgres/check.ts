import pg from 'pg';
import { MAX_CLOCK_OFFSET_MS, type Clock } from '../../domain/clock.ts';
import type { HealthFinding, LedgerPlace } from '../provider.ts';
import { finding } from './findings.ts';
import type { Server } from './server.ts';

const OLDEST = 160_000;

interface Facts {
  readonly version: number;
  readonly version_text: string;
  readonly standby: boolean;
  readonly me: string;
  readonly superuser: boolean;
  readonly createrole: boolean;
  readonly prepared: number;
  readonly encrypted: boolean;
  readonly now: Date;
  readonly system_identifier: string;
  /** Other databases that PUBLIC may connect to. */
  readonly open: readonly string[];
}

const FACTS = `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS version_text,
  pg_is_in_recovery() AS standby, me.rolname AS me, me.rolsuper AS superuser, me.rolcreaterole AS createrole,
  current_setting('max_prepared_transactions')::int AS prepared,
  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted,
  clock_timestamp() AS now, (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
  (SELECT coalesce(array_agg(d.datname::text ORDER BY d.datname), '{}') FROM pg_database d
   WHERE d.datallowconn AND d.datname <> current_database() AND EXISTS (
     SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
     WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT')) AS open
FROM pg_roles me WHERE me.rolname = current_user`;

export interface SetUp {
  readonly acceptedDatabases: readonly string[];
  readonly clock: Clock;
  readonly ledger: () => Promise<LedgerPlace | undefined>;
}

/** The server and the administrator's login. @throws ProviderError when they cannot be asked. */
export async function checkServer(
  server: Server,
  setUp: SetUp,
  signal: AbortSignal,
): Promise<readonly HealthFinding[]> {
  const { rows } = await server.run(signal, (client) => client.query<Facts>(FACTS));
  const facts = rows[0];
  if (!facts) return [finding('provider_answer_wrong')];
  const ledger = await setUp.ledger().catch(() => undefined);
  const shared = ledger?.systemIdentifier === facts.system_identifier ? ledger : undefined;
  const me = pg.escapeIdentifier(facts.me);
  const offset = facts.now.getTime() - setUp.clock.now().getTime();

  const findings: HealthFinding[] = [];
  if (facts.version < OLDEST) findings.push(finding('server_too_old', { version: facts.version_text }));
  if (facts.standby) findings.push(finding('server_read_only'));
  if (facts.superuser) findings.push(finding('administrator_is_superuser', { me }));
  else if (!facts.createrole) findings.push(finding('administrator_cannot_create_roles', { me }));
  for (const name of facts.open) {
    const database = pg.escapeIdentifier(name);
    if (name === shared?.database) findings.push(finding('ledger_open_to_public', { database }));
    else if (!setUp.acceptedDatabases.includes(name)) findings.push(finding('database_open_to_public', { database }));
  }
  if (shared) findings.push(finding('ledger_on_same_server'));
  if (facts.prepared > 0) findings.push(finding('prepared_transactions_on'));
  if (!facts.encrypted && !isLoopback(server.address.host)) findings.push(finding('connection_not_encrypted'));
  if (Math.abs(offset) > MAX_CLOCK_OFFSET_MS)
    findings.push(finding('clock_differs', { seconds: (offset / 1000).toFixed(1) }));
  return findings;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.[0-9.]+$/.test(host);
}
