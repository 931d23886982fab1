import { access, constants } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { ProblemsError } from '../domain/problem.ts';
import { Secret } from '../domain/secret.ts';
import type { Json } from '../domain/json.ts';
import { readAudit } from './audit-settings.ts';
import { check } from './check.ts';
import type { Report } from './check.ts';
import { readWebhooks } from './channels.ts';
import { readEncryptionKeys } from './encryption-keys.ts';
import { readOperators, readProviders, readTrust } from './entries.ts';
import type { EntryKind } from './entries.ts';
import type { Environment } from './environment.ts';
import { listOf, mapOf, openForm } from './form.ts';
import { crossCheck, productionCheck } from './settings-checks.ts';
import { salvage, writYaml } from './settings-schema.ts';
import type { WritYaml } from './settings-schema.ts';
import type { Overlay, ServerSettings, Settings } from './settings.ts';
import { readSettingsYaml } from './settings-file.ts';

export interface SettingsSource {
  /** Where `writ.yaml` lies; problems name the file below it as it is given here. */
  readonly directory: string;
  readonly env: Environment;
  readonly attesterKinds: readonly EntryKind[];
  readonly providerKinds: readonly EntryKind[];
  /** For an entry of `operators.trust`, without `development`. */
  readonly operatorTrustSchema?: z.ZodType;
  readonly overlay?: Overlay;
  /** Also everything that `writ serve` refuses. */
  readonly production?: boolean;
}

/** Reads `writ.yaml`. @throws ProblemsError with every problem of it, none of which shows what the environment said. */
export async function loadSettings(source: SettingsSource): Promise<Settings> {
  const { env, overlay = {} } = source;
  const yaml = await readSettingsYaml(source.directory);
  if (yaml.problems.length > 0) throw new ProblemsError(yaml.problems);
  const { value, off, report, problems } = openForm(yaml, env, overlay);

  const written = check(writYaml, value ?? {}, [], report) ?? salvage(value);
  const settings = await toSettings(written, value, off, source, report);
  crossCheck(settings, value, report);
  if (source.production === true) productionCheck(settings, value, env, report);

  const found = problems();
  if (found.length > 0) throw new ProblemsError(found);
  return settings;
}

/** Lists of entries are taken from the raw value, so that their problems show also where another member has one. */
async function toSettings(
  written: WritYaml,
  value: Json,
  off: ReadonlySet<string>,
  source: SettingsSource,
  report: Report,
): Promise<Settings> {
  const directory = resolve(source.directory);
  const audience = written.identity.audience ?? written.server.public_url;
  const databaseUrl = written.database.url ?? fromEnvironment(source);
  const { limits, keys } = written;
  return {
    directory,
    rulesDirectory: resolve(directory, written.rules),
    server: await toServer(written.server, directory, report),
    database: databaseUrl === undefined ? {} : { url: databaseUrl },
    identity: {
      ...(audience === undefined ? {} : { audience }),
      trust: readTrust(listOf(value, 'identity', 'trust'), source.attesterKinds, report),
    },
    operators: { trust: readOperators(listOf(value, 'operators', 'trust'), source.operatorTrustSchema, report) },
    providers: readProviders(mapOf(value, 'providers'), off, source.providerKinds, report),
    clients: Object.entries(written.clients).map(([name, client]) => ({ name, ...client })),
    ...(keys && {
      keys: {
        encryption: await readEncryptionKeys(keys.encryption, directory, report),
        rotateEverySeconds: keys.rotate_every,
      },
    }),
    audit: await readAudit(written.audit, directory, written.outbound.allow, report),
    approvals: {
      lifetimeSeconds: written.approvals.lifetime,
      webhooks: await readWebhooks(written.approvals.notify, directory, written.outbound.allow, report),
    },
    limits: {
      refusalsPerMinute: limits.refusals_per_minute,
      workloadBurst: limits.workload_burst,
      workloadPerSecond: limits.workload_per_second,
      liveGrants: limits.live_grants,
      openTasks: limits.open_tasks,
      pendingApprovals: limits.pending_approvals,
    },
    tasks: {
      defaultSeconds: written.tasks.default_life,
      maxSeconds: written.tasks.max_life,
      maxHops: written.tasks.max_hops,
    },
    outbound: written.outbound,
  };
}

/** `DATABASE_URL` counts also where the file has no `database`. */
function fromEnvironment({ env, overlay = {} }: SettingsSource): Secret<string> | undefined {
  const url = overlay.env?.['DATABASE_URL'] ?? env['DATABASE_URL'] ?? '';
  return url === '' ? undefined : new Secret(url);
}

async function toServer(written: WritYaml['server'], directory: string, report: Report): Promise<ServerSettings> {
  const { host, port, public_url: publicUrl, tls, trusted_proxies: trustedProxies } = written;
  for (const [name, path] of Object.entries(tls ?? {})) {
    const readable = await access(resolve(directory, path), constants.R_OK).then(
      () => true,
      () => false,
    );
    if (!readable) report(['server', 'tls', name], '{value} cannot be read');
  }
  return {
    host,
    port,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(tls && { tls: { cert: resolve(directory, tls.cert), key: resolve(directory, tls.key) } }),
    trustedProxies,
  };
}
