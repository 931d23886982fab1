import { attesterKinds } from './attesters/index.ts';
import { operatorTrustSchema } from './attesters/operators.ts';
import { startBroker } from './broker.ts';
import { loadSettings } from './config/index.ts';
import type { Environment } from './config/index.ts';
import { makeLog } from './logging.ts';
import { providerKinds } from './providers/index.ts';
import { mustFit } from './schema-fit.ts';
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
