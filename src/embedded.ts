import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { attesterKinds } from './attesters/index.ts';
import { operatorTrustSchema } from './attesters/operators.ts';
import { startBroker } from './broker.ts';
import { makeClient, WritError } from './client/index.ts';
import { makeClosers } from './closers.ts';
import { loadSettings, readRules, watchRules } from './config/index.ts';
import type { Environment, Settings } from './config/index.ts';
import { makeBrokerLogin, makeLedgerDatabase, makeTargetDatabase } from './dev/databases.ts';
import { openDevIssuer } from './dev/issuer.ts';
import type { DevIssuer } from './dev/issuer.ts';
import { devOverlay } from './dev/overlay.ts';
import { prepareBinaries } from './dev/postgres-binaries.ts';
import { startPostgres } from './dev/postgres-server.ts';
import { readOrMake, writePrivate } from './dev/private-file.ts';
import { serverUser } from './dev/server-user.ts';
import { openStateDirectory } from './dev/state-directory.ts';
import { StoryError, tellStory } from './dev/story.ts';
import { formatProblem, ProblemsError } from './domain/problem.ts';
import type { Problem } from './domain/problem.ts';
import { migrate } from './ledger/migrate.ts';
import { makeLog } from './logging.ts';
import { migrationsDirectory } from './migrations.ts';
import { providerKinds } from './providers/index.ts';
import { makeRulesTools } from './rules-tools.ts';
import { mustFit } from './schema-fit.ts';
import { untilToldToStop } from './signals.ts';

export interface EmbeddedOptions {
  readonly config: string;
  readonly state: string;
  readonly port?: number;
  readonly env: Environment;
  readonly say: (line: string) => void;
}

const AGENT = 'spiffe://dev.local/agent/first-start';

/**
 * The embedded default (`npm start`): two PostgreSQL servers, a development identity issuer and the sample configuration; one real round
 * at start, told as a story; the rules applied again whenever they are saved. Stays until it is told to stop.
 */
export async function runEmbedded({ config, state, port, env, say }: EmbeddedOptions): Promise<number> {
  const log = makeLog(env['WRIT_LOG_LEVEL'] ?? 'warn', 2);
  const closers = makeClosers((name, error) => log.warn({ name, error }, 'could not be closed'));
  const stop = untilToldToStop();
  try {
    const databases = await startDatabases(state, closers);
    const issuer = await openDevIssuer(databases.path);
    const settings = await loadSettings({
      directory: config,
      env: port === undefined ? env : { ...env, PORT: String(port) },
      attesterKinds,
      providerKinds,
      operatorTrustSchema,
      overlay: devOverlay(issuer, {
        DATABASE_URL: databases.brokerUrl,
        WRIT_KEK: await readOrMake(join(databases.path, 'kek'), () =>
          Promise.resolve(randomBytes(32).toString('base64')),
        ),
        ...(env['ORDERS_DB_URL'] ? {} : { ORDERS_DB_URL: databases.targetUrl }),
      }),
    });
    const broker = await startBroker(settings, {
      databaseUrl: databases.brokerUrl,
      log,
      ownHostOnly: true,
      decisionThread: new URL('./policy/worker.js', import.meta.url),
    });
    closers.add('broker', broker.close);
    const operators = await issuer.operatorTokens();
    await writePrivate(
      join(databases.path, 'dev.json'),
      JSON.stringify({ url: broker.url, database_url: databases.ledgerUrl, operators }, null, 2) + '\n',
    );
    say(`Writ listens on ${broker.url}; its state is in ${state}/\n`);

    const apply = makeApplyOnSave(broker.url, operators.platform, config, settings.rulesDirectory, say);
    const watch = await watchRules(settings.rulesDirectory, apply);
    closers.add('watch', watch.close);
    await apply();
    await sayWhatIsOff(settings, say);
    await tell(broker.url, issuer, databases.ledgerUrl, say);
    await stop;
    say('shutting down');
    return 0;
  } finally {
    await closers.closeAll();
  }
}

async function startDatabases(state: string, closers: ReturnType<typeof makeClosers>) {
  const user = await serverUser();
  const directory = await openStateDirectory(state, user);
  const binaries = await prepareBinaries(directory.servers, user);
  const start = async (name: string) => {
    const server = await startPostgres({ name, directory: directory.servers, binaries, user, durable: true });
    closers.add(`${name} server`, server.stop);
    return server;
  };
  const starting = [start('ledger'), start('target')] as const;
  // Both are waited for, whatever becomes of one: what has started must be known to the closers.
  await Promise.allSettled(starting);
  const [ledger, target] = await Promise.all(starting);
  const ledgerUrl = await makeLedgerDatabase(ledger.url);
  await migrate(ledgerUrl.reveal(), migrationsDirectory);
  await mustFit(ledgerUrl.reveal());
  const brokerUrl = await makeBrokerLogin(ledgerUrl, directory.path);
  const targetUrl = await makeTargetDatabase(target.url, directory.path);
  return {
    path: directory.path,
    ledgerUrl: ledgerUrl.reveal(),
    brokerUrl: brokerUrl.reveal(),
    targetUrl: targetUrl.reveal(),
  };
}

/** Providers whose environment is not there, with the profiles that nobody gets until it is. */
async function sayWhatIsOff({ providers, rulesDirectory }: Settings, say: (line: string) => void): Promise<void> {
  const off = new Set(providers.filter(({ on }) => !on).map(({ name }) => name));
  if (off.size === 0) return;
  const rules = await readRules(rulesDirectory)
    .then(makeRulesTools(providers).compile)
    .catch(() => undefined);
  for (const name of off) {
    const profiles = [...(rules?.profiles.values() ?? [])].filter(({ provider }) => provider === name);
    say(
      `off        ${name}: its 'when' is empty; with it ${profiles.map((profile) => profile.name).join(', ') || 'no profile'}`,
    );
  }
}

/** Sends the rules as `writ apply` does, and says what came of it. Rules that do not check change nothing. */
function makeApplyOnSave(
  url: string,
  token: string,
  config: string,
  rulesDirectory: string,
  say: (line: string) => void,
) {
  const client = makeClient({ url, operatorToken: () => token });
  return async function apply(): Promise<void> {
    try {
      const generation = await client.operator.apply(await readRules(rulesDirectory));
      const { unchanged, number } = generation;
      if (unchanged) {
        say(`rules      generation ${number ?? '?'} is active; ${config}/ says the same`);
        return;
      }
      say(`rules      generation ${number ?? '?'} is active, from ${config}/:`);
      const summary = (generation.difference as { summary?: unknown }).summary;
      for (const line of Array.isArray(summary) ? summary : []) say(`             ${String(line)}`);
    } catch (error) {
      say(`rules      nothing was changed: ${config}/ does not check`);
      for (const line of problemLines(error)) say(`             ${line}`);
    }
  };
}

function problemLines(error: unknown): string[] {
  if (error instanceof ProblemsError) return error.problems.map(formatProblem);
  const problems = error instanceof WritError ? error.facts['problems'] : undefined;
  if (Array.isArray(problems)) return problems.map((problem) => formatProblem(problem as Problem));
  return [error instanceof Error ? error.message : 'for a reason that is not known'];
}

async function tell(url: string, issuer: DevIssuer, ledgerUrl: string, say: (line: string) => void): Promise<void> {
  const client = makeClient({ url, identityToken: () => issuer.identityToken(AGENT, url) });
  try {
    await tellStory({ client, agent: AGENT, profile: 'orders-read', ledgerUrl, say });
    say('\nThe same by hand, in another terminal:');
    say('  export WRIT_IDENTITY_TOKEN=$(npx writ identity spiffe://dev.local/agent/me)');
    say(`  curl -s ${url}/v1/grants -H "Authorization: Bearer $WRIT_IDENTITY_TOKEN" \\`);
    say(`    -H 'Content-Type: application/json' -d '{"profile": "orders-read", "purpose": "try Writ"}'`);
    say('  npx writ grants --state active');
    say('  npx writ revoke --profile orders-read --reason "enough of it"');
    say('\nEdit config/ and save: it is applied. Ctrl-C ends it.');
  } catch (error) {
    if (!(error instanceof StoryError)) throw error;
    say(`FAILED     ${error.message}`);
    say('           The broker stays up; the line above says what did not answer as it should.');
  }
}
