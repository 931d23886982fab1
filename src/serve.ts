import { attesterKinds } from './attesters/index.ts';
import { operatorTrustSchema } from './attesters/operators.ts';
import { StartError, startBroker } from './broker.ts';
import { loadSettings } from './config/index.ts';
import type { Environment } from './config/index.ts';
import { SCHEMA_RANGE, schemaVersion } from './ledger/migrate.ts';
import { makeLog } from './logging.ts';
import { providerKinds } from './providers/index.ts';
import { untilToldToStop } from './signals.ts';

const decisionThread = new URL('./policy/worker.js', import.meta.url);

/** `writ serve`: production. Stays until it is told to stop. @throws ProblemsError, StartError. */
export async function serve(options: { readonly config: string; readonly env: Environment }): Promise<number> {
  const { config, env } = options;
  const settings = await loadSettings({
    directory: config,
    env,
    attesterKinds,
    providerKinds,
    operatorTrustSchema,
    production: true,
  });
  const databaseUrl = settings.database.url?.reveal() ?? env['DATABASE_URL'] ?? '';
  await mustFit(databaseUrl);
  const log = makeLog(env['WRIT_LOG_LEVEL'] ?? 'info', 1);
  const broker = await startBroker(settings, { databaseUrl, log, decisionThread });
  await untilToldToStop();
  log.info({}, 'shutting down');
  await broker.close();
  return 0;
}

/** Two neighbouring versions run at once; a schema outside of what this one knows is refused. */
async function mustFit(databaseUrl: string): Promise<void> {
  const version = await schemaVersion(databaseUrl).catch((cause: unknown) => {
    const code = (cause as { code?: unknown }).code;
    throw new StartError(`the ledger cannot be reached (${typeof code === 'string' ? code : 'no code'})`, { cause });
  });
  if (version === undefined) throw new StartError('the ledger has no schema yet: run `writ migrate` first');
  if (version < SCHEMA_RANGE.oldest)
    throw new StartError(`the ledger's schema is too old (${version}): run \`writ migrate\` first`);
  if (version > SCHEMA_RANGE.newest) {
    throw new StartError(
      `the ledger's schema is newer than this version knows (${version}; up to ${SCHEMA_RANGE.newest})`,
    );
  }
}
