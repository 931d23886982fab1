import type { HealthFinding } from '../provider.ts';
import { GUARD_SQL } from './guard.ts';

type Detail = Readonly<Record<string, string>>;
export interface Kind {
  readonly severity: HealthFinding['severity'];
  /** What is wrong, and what to run or change. */
  say(detail: Detail): string;
}

const error = (say: Kind['say']): Kind => ({ severity: 'error', say });
const warning = (say: Kind['say']): Kind => ({ severity: 'warning', say });

/** Everything that the check can find. Names in `detail` are quoted for SQL already. */
const FINDINGS = {
  server_too_old: error(
    ({ version }) => `The server is PostgreSQL ${version}; Writ needs 16 or later, which can grant WITH SET FALSE.`,
  ),
  server_read_only: error(() => 'The server is a standby, which cannot create roles: put the primary into the url.'),
  administrator_cannot_create_roles: error(({ me }) => `Run as a superuser: ALTER ROLE ${me} CREATEROLE.`),
  database_open_to_public: error(
    ({ database }) =>
      `PUBLIC may connect to ${database}, and so may every issued login: run REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC,` +
      ' or name it in accepted_databases.',
  ),
  ledger_open_to_public: error(
    ({ database }) =>
      `PUBLIC may connect to the ledger's own database: run REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC. It cannot be accepted.`,
  ),
  password_not_asked: error(
    () =>
      'The server lets this address in without a password, so that an end and VALID UNTIL mean nothing:' +
      ' use scram-sha-256 in pg_hba.conf for every address that logins may come from.',
  ),
  role_missing: error(({ role }) => `A profile grants ${role}, which does not exist: run CREATE ROLE ${role} NOLOGIN.`),
  role_not_grantable: error(
    ({ role, me }) => `A profile grants ${role}: run GRANT ${role} TO ${me} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE.`,
  ),
  role_too_powerful: error(
    ({ role, held, because }) =>
      `A profile grants ${role}, and with it ${held}, which is more than a bundle of privileges (${because}):` +
      ' grant a role that has only the privileges wanted.',
  ),
  role_in_policy: error(
    ({ role, held }) =>
      `A profile grants ${role}, and with it ${held}, which row security policies name, and any login could drop those with` +
      ` DROP OWNED BY: run as a superuser in each such database: ${GUARD_SQL}`,
  ),
  role_may_pass_on: error(
    ({ role, held }) =>
      `A profile grants ${role}, and with it ${held}, which holds privileges WITH GRANT OPTION; what a login passes on outlives it:` +
      ` run REVOKE GRANT OPTION FOR ... FROM ${held}.`,
  ),
  role_may_create: error(
    ({ role, place, creator }) =>
      `Logins with ${role} may create objects in ${place}, and can give tables and views away for good with REASSIGN OWNED:` +
      ` run REVOKE CREATE ON ${place} FROM ${creator}, or name ${creator} in accepted_creators.`,
  ),
  role_can_log_in: warning(
    ({ role, held }) =>
      `A profile grants ${role}, and with it ${held}, which is a login of its own: an issued login may end its sessions.` +
      ' Grant a role with NOLOGIN.',
  ),
  administrator_is_superuser: warning(
    ({ me }) => `${me} is a superuser; CREATEROLE, and ADMIN on the roles of the profiles, are enough.`,
  ),
  prepared_transactions_on: warning(
    () =>
      'max_prepared_transactions is not 0: a prepared transaction keeps its locks after the login has ended. Set it to 0.',
  ),
  ledger_on_same_server: warning(
    () =>
      'The ledger is on this server: a login that keeps a transaction open holds up the sealing of events. Use two servers.',
  ),
  connection_not_encrypted: warning(() => 'The connection is not encrypted: add sslmode=verify-full to the url.'),
  clock_differs: warning(
    ({ seconds }) => `The server's clock is ${seconds} s off: VALID UNTIL bites that much too late or too early.`,
  ),
  role_cannot_connect: warning(
    ({ role, database }) => `Logins with ${role} cannot connect: run GRANT CONNECT ON DATABASE ${database} TO ${role}.`,
  ),
  provider_unreachable: error(() => 'The server cannot be reached.'),
  provider_timeout: error(() => 'The server did not answer in time.'),
  provider_refused: error(({ sqlstate }) => `The server refused (SQLSTATE ${sqlstate}).`),
  provider_throttled: error(() => 'The server has no room for another connection.'),
  provider_answer_wrong: error(() => 'The server gave an answer that makes no sense.'),
} as const satisfies Record<string, Kind>;

export type FindingCode = keyof typeof FINDINGS;

/** Every code with its severity: docs/providers/postgres.md says of each what to do. */
export const FINDING_KINDS: Readonly<Record<FindingCode, Kind>> = FINDINGS;

export function finding(code: FindingCode, detail: Detail = {}): HealthFinding {
  const { severity, say } = FINDINGS[code];
  return { severity, code, message: say(detail) };
}
