import pg from 'pg';
import type { Client, IssuedGrant, PostgresLogin } from '../client/index.ts';

export interface StoryParts {
  readonly client: Client;
  readonly agent: string;
  readonly profile: string;
  /** Of the ledger, to show what is on record. */
  readonly ledgerUrl: string;
  readonly say: (line: string) => void;
}

/** A step of the story did not come out as it should. */
export class StoryError extends Error {
  constructor(step: string, options?: ErrorOptions) {
    super(step, options);
    this.name = 'StoryError';
  }
}

/**
 * One real round: attest, issue a database login, use it, revoke it, see it refused, read the record. Each line quotes an answer that
 * was just received. @throws StoryError naming the step that failed.
 */
export async function tellStory({ client, agent, profile, ledgerUrl, say }: StoryParts): Promise<void> {
  const grant = await step(`${agent} asks for ${profile}`, async () => {
    const answer = await client.workload.issue({ profile, purpose: 'show what Writ does at its first start' });
    if (answer.state !== 'active') throw new Error(`the answer was ${answer.state}`);
    return answer;
  });
  const login = postgresLogin(grant);
  say(`attested   ${grant.subject} is who it says, by the development issuer of dev.local`);
  say(`decided    ${grant.decision.policies.join(', ')} permit(s) it, in generation ${grant.decision.generation}`);
  say(`issued     grant ${grant.id}: login ${login.username} until ${grant.expires_at}`);
  say(`           ${grant.ttl.seconds} s, decided by ${grant.ttl.decided_by}; revocable: ${grant.revocability.mode}`);

  const seen = await step('the login is used', () =>
    ask(login, 'select current_user as login, count(*)::int as orders from orders'),
  );
  say(`used       select count(*) from orders -> ${String(seen['orders'])}, as ${String(seen['login'])}`);

  const revoked = await step('the grant is revoked', () => client.workload.revoke(grant.id, 'the story is over'));
  if (revoked.state !== 'revoked') throw new StoryError(`the grant is revoked: its state is ${revoked.state}`);
  say(`revoked    grant ${revoked.id} is ${revoked.state}, confirmed by its provider`);

  say(`refused    ${await step('the login is refused', () => refusal(login))}`);

  const record = await step('the record is read', () => eventsOf(ledgerUrl, grant.task));
  say(`on record  ${record.join(', ')}`);
}

async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new StoryError(`${name}: ${reason(cause)}`, { cause });
  }
}

function reason(cause: unknown): string {
  const { code, message } = cause as { code?: unknown; message?: unknown };
  return [code, message].filter((part) => typeof part === 'string' && part !== '').join(': ');
}

function postgresLogin(grant: IssuedGrant): PostgresLogin {
  if (grant.credential.type !== 'postgres') throw new StoryError(`the credential is of type ${grant.credential.type}`);
  return grant.credential;
}

async function ask(login: PostgresLogin, sql: string): Promise<Record<string, unknown>> {
  const connection = new pg.Client({
    connectionString: login.url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  });
  connection.on('error', ignore);
  await connection.connect();
  try {
    const { rows } = await connection.query<Record<string, unknown>>(sql);
    return rows[0] ?? {};
  } finally {
    await connection.end();
  }
}

/** What the server says when the login is tried again. Only a refusal of the login itself counts. */
async function refusal(login: PostgresLogin): Promise<string> {
  try {
    await ask(login, 'select 1');
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code?.startsWith('28')) return `the same login again: ${code} ${message}`;
    throw error;
  }
  throw new Error('the login still works');
}

async function eventsOf(ledgerUrl: string, task: string): Promise<string[]> {
  const connection = new pg.Client({ connectionString: ledgerUrl, connectionTimeoutMillis: 5_000 });
  connection.on('error', ignore);
  await connection.connect();
  try {
    const { rows } = await connection.query<{ type: string }>(
      'select type from events where task_id = $1 order by seq',
      [task],
    );
    return rows.map((row) => row.type);
  } finally {
    await connection.end();
  }
}

/** A server that dies is met by the next thing that is asked of it. */
function ignore(): void {}
