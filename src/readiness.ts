import type { AttesterStatus } from './attesters/attester.ts';
import { MAX_CLOCK_OFFSET_MS } from './domain/clock.ts';
import type { Clock } from './domain/clock.ts';
import type { JsonObject } from './domain/json.ts';
import type { Profile } from './domain/profile.ts';
import type { LiveRules } from './exchange/rules.ts';
import type { Readiness } from './http/health.ts';
import type { SchemaFit } from './ledger/index.ts';
import type { Health, Provider } from './providers/provider.ts';

const CHECK_EVERY_MS = 60_000;
const CHECK_TIMEOUT_MS = 10_000;

/**
 * The providers' last checks, taken anew every minute in the background: readiness must not wait for a sick one. What the
 * active rules ask of a provider is checked with it.
 */
export function startProviderChecks(
  providers: ReadonlyMap<string, Provider>,
  profilesOf: (provider: string) => readonly Profile[],
) {
  const last = new Map<string, Health>();
  const check = async (provider: Provider) => {
    const failed: Health = {
      healthy: false,
      findings: [{ severity: 'error', code: 'check_failed', message: 'the check itself failed' }],
    };
    const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
    last.set(provider.name, await provider.check(signal, profilesOf(provider.name)).catch(() => failed));
  };
  const checkAll = () => void Promise.all([...providers.values()].map(check));
  checkAll();
  const timer = setInterval(checkAll, CHECK_EVERY_MS);
  timer.unref();
  return { last: () => last, close: () => clearInterval(timer) };
}

export interface ReadinessSources {
  /** Rejects where the ledger does not answer. */
  readonly schema: () => Promise<SchemaFit>;
  readonly rules: LiveRules;
  readonly clock: Clock;
  readonly providers: () => ReadonlyMap<string, Health>;
  readonly attesters: () => readonly AttesterStatus[];
  readonly keys: () => JsonObject | undefined;
  readonly log: () => JsonObject;
  /** How the channels to approvers fared last: null, or why not. */
  readonly channels: () => ReadonlyMap<string, string | null>;
  readonly closing: () => boolean;
}

/**
 * Ready: the ledger answers and its schema is one that this version works with, the active rules are loaded, the clock is right, and nothing is shutting down. Providers and issuers of
 * evidence are shown; one that is sick concerns only those who need it. So are the sealed log and its witnesses: what is wrong with
 * them is an alarm, and taking replicas away would not help.
 */
export function makeReadiness(sources: ReadinessSources): () => Promise<Readiness> {
  return async () => {
    const schema = await sources.schema().catch(() => undefined);
    const ledger = schema !== undefined;
    const fits = schema !== undefined && schema.unfit === undefined;
    const rules = sources.rules.status();
    const loaded = rules.active !== undefined && rules.active === rules.loaded;
    const offset = sources.clock.offsetMs();
    const clock = Math.abs(offset) <= MAX_CLOCK_OFFSET_MS;
    const closing = sources.closing();
    const keys = sources.keys();
    const channels = [...sources.channels()];
    const checks: JsonObject = {
      ledger: { ok: ledger },
      ...(schema ? { schema: { ok: fits, ...schema } } : {}),
      rules: { ok: loaded, ...rules },
      clock: { ok: clock, offset_ms: offset },
      ...(closing ? { shutdown: { ok: false } } : {}),
      providers: Object.fromEntries([...sources.providers()].map(([name, health]) => [name, healthBody(health)])),
      evidence: Object.fromEntries(sources.attesters().map((status) => [status.name, attesterBody(status)])),
      ...(channels.length > 0 ? { approvals: Object.fromEntries(channels.map(channelBody)) } : {}),
      ...(keys ? { keys } : {}),
      log: sources.log(),
    };
    return { ready: fits && loaded && clock && !closing, checks };
  };
}

function healthBody({ healthy, findings }: Health): JsonObject {
  return { ok: healthy, findings: findings.map(({ severity, code, message }) => ({ severity, code, message })) };
}

function channelBody([name, error]: [string, string | null]): [string, JsonObject] {
  return [name, error === null ? { ok: true } : { ok: false, last_error: error }];
}

function attesterBody({ kind, healthy, keysAgeSeconds, lastError }: AttesterStatus): JsonObject {
  return {
    ok: healthy,
    kind,
    ...(keysAgeSeconds === undefined ? {} : { keys_age_seconds: Math.round(keysAgeSeconds) }),
    ...(lastError === undefined ? {} : { last_error: lastError }),
  };
}
