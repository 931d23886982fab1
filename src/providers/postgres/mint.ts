import pg from 'pg';
import { ProviderError } from '../../domain/errors.ts';
import { canonicalJson, type JsonObject } from '../../domain/json.ts';
import { Secret } from '../../domain/secret.ts';
import type { Minted, Plan } from '../provider.ts';
import { claimsText } from './claims.ts';
import { beforeGrant, readBack, type Granting } from './catalogue.ts';
import { credentialFor } from './credential.ts';
import { asProviderError, certain, isTaken } from './errors.ts';
import { readRequest, type PostgresRequest } from './plan.ts';
import { newPassword, scramVerifier } from './scram.ts';
import type { Server } from './server.ts';

/**
 * One transaction of two messages: everything and its reading back, then COMMIT once what the catalogues say is the plan.
 * Until COMMIT is sent a failure leaves nothing; from then on nobody knows until the reaper has looked.
 */
export async function mintRole(server: Server, plan: Plan, signal: AbortSignal): Promise<Minted> {
  const request = readRequest(plan, server.address.database);
  const password = newPassword();
  const creation = createSql(request, await scramVerifier(password));
  const commit = { sent: false, barred: false };
  try {
    const answer = await server.run(signal, async (client) => {
      const made = await inTransaction(client, creation, request);
      if (commit.barred) throw new ProviderError('provider_timeout', { nothingLives: true });
      commit.sent = true;
      const { command } = await client.query('COMMIT');
      if (command !== 'COMMIT') throw new ProviderError('provider_answer_wrong', { nothingLives: false });
      return made;
    });
    return {
      credential: new Secret(credentialFor(server.address, request.role, password)),
      handle: { role: request.role, server: answer.granting.system_identifier },
      expiresAt: new Date(answer.made.valid_until),
    };
  } catch (error) {
    commit.barred = true; // the work may still be under way when its caller has gone
    const failed = asProviderError(error);
    // Where the name is taken, an earlier call for the same mint may have taken it.
    throw commit.sent || isTaken(failed.cause) ? failed : certain(failed);
  }
}

/**
 * Everything up to the COMMIT. GRANT locks the granted role against every other mint of it until the transaction ends, so
 * what takes time stands before it.
 */
function createSql(request: PostgresRequest, verifier: string): string {
  const role = pg.escapeIdentifier(request.role);
  const roles = request.memberships.map((membership) => membership.role);
  return [
    'BEGIN',
    // Whatever the server's default: see `joinRole`.
    "SET LOCAL createrole_self_grant = ''",
    `CREATE ROLE ${role} WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT` +
      ` CONNECTION LIMIT ${request.connection_limit} VALID UNTIL ${pg.escapeLiteral(request.valid_until)}` +
      ` PASSWORD ${pg.escapeLiteral(verifier)}`,
    ...(request.claims ? [`COMMENT ON ROLE ${role} IS ${pg.escapeLiteral(claimsText(request.claims))}`] : []),
    beforeGrant(roles),
    `GRANT ${roles.map(pg.escapeIdentifier).join(', ')} TO ${role} WITH ADMIN FALSE, INHERIT TRUE, SET FALSE`,
    readBack(request.role),
  ].join(';\n');
}

interface Answer {
  readonly granting: Granting;
  readonly made: PostgresRequest;
}

/** Leaves the transaction open when all is as planned. @throws ProviderError after a ROLLBACK. */
async function inTransaction(client: pg.ClientBase, sql: string, request: PostgresRequest): Promise<Answer> {
  const answer = readAnswer(await client.query(sql));
  const problem = difference(answer, request);
  if (!problem) return answer as Answer;
  await client.query('ROLLBACK');
  throw problem;
}

/** `pg` gives a result for each statement of a message, but types only one. */
function readAnswer(results: unknown): Partial<Answer> {
  if (!Array.isArray(results)) return {};
  const rows = (results as readonly pg.QueryResult[]).flatMap((result) => result.rows as readonly object[]);
  const granting = rows.find((row): row is Granting => 'held' in row);
  const readBack = rows.find((row): row is { made: PostgresRequest } => 'made' in row);
  return { ...(granting ? { granting } : {}), ...(readBack ? { made: readBack.made } : {}) };
}

function difference({ granting, made }: Partial<Answer>, request: PostgresRequest): ProviderError | undefined {
  const powerful = granting?.held.find((held) => held.because.length > 0);
  if (powerful) {
    const facts: JsonObject = { finding: 'role_too_powerful', role: powerful.role, because: powerful.because };
    return new ProviderError('provider_refused', { nothingLives: true, facts });
  }
  if (granting && made && canonicalJson(sorted(made)) === canonicalJson(request)) return undefined;
  return new ProviderError('provider_answer_wrong', {
    nothingLives: true,
    facts: { finding: 'role_differs_from_plan' },
  });
}

/** Memberships in the order of a plan. */
function sorted(made: PostgresRequest): PostgresRequest {
  const byRole = (a: { role: string }, b: { role: string }) => (a.role < b.role ? -1 : 1);
  return { ...made, memberships: [...made.memberships].sort(byRole) };
}
