import { randomBytes, randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { startBackground } from './background.ts';
import { makeClosers } from './closers.ts';
import type { Closers } from './closers.ts';
import { keepCompiledCode } from './compiled-code.ts';
import type { Settings } from './config/index.ts';
import { makeBuckets } from './domain/bucket.ts';
import { inPieces, makeIds } from './domain/ids.ts';
import type { ApprovalId } from './domain/ids.ts';
import { makeAlert } from './exchange/after-revocation.ts';
import type { ExchangeContext, Log } from './exchange/context.ts';
import { makeLiveRules } from './exchange/rules.ts';
import { makeApp } from './http/app.ts';
import { makeAuthenticate } from './http/authenticate.ts';
import { healthRouter } from './http/health.ts';
import { makeIdentities, makeReadFile } from './identities.ts';
import { startKeys } from './keyring.ts';
import { makeLedger } from './ledger/index.ts';
import { startListening } from './listening.ts';
import { makeMetrics } from './metrics.ts';
import { makeOutbound } from './outbound/client.ts';
import { makeDecisionPool } from './policy/index.ts';
import { buildProviders } from './provider-list.ts';
import { makeReadiness, startProviderChecks } from './readiness.ts';
import { makeRouters } from './routes.ts';
import { makeRulesTools } from './rules-tools.ts';
import { startSealedLog } from './sealed-log.ts';
import { configuredSinks } from './sink-states.ts';
import { makeVerbs } from './verbs.ts';

/** More than this would only wait for the ledger. */
const MAX_THREADS = 4;

export interface BrokerOptions {
  readonly databaseUrl: string;
  readonly log: Log;
  /** Answer only to the address listened on, by its own names (the embedded default). */
  readonly ownHostOnly?: boolean;
  /** The compiled thread that batches are decided on; without it they are decided in turns with everything else. */
  readonly decisionThread?: URL;
}

export interface Broker {
  readonly url: string;
  /** Finishes what is in flight, starts nothing new, and lets go of everything. Twice is harmless. */
  close(): Promise<void>;
}

/** Builds everything from the settings; what it opened it closes in the reverse order. */
export async function startBroker(settings: Settings, options: BrokerOptions): Promise<Broker> {
  const { log } = options;
  keepCompiledCode();
  const closers = makeClosers((name, error) => log.warn({ name, error }, 'could not be closed'));
  try {
    return await build(settings, options, closers);
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function build(
  settings: Settings,
  { databaseUrl, log, ownHostOnly = false, decisionThread }: BrokerOptions,
  closers: Closers,
): Promise<Broker> {
  const nowMs = () => Date.now();
  const metrics = makeMetrics(nowMs);
  let closing = false;

  const listening = await startListening(settings.server);
  closers.add('listener', listening.drain);
  const issuer = settings.server.publicUrl ?? listening.url;
  const audience = settings.identity.audience ?? issuer;

  const ledger = makeLedger({
    url: databaseUrl,
    onIdleError: (error) => log.warn({ error }, 'a connection to the ledger broke'),
  });
  closers.add('ledger', ledger.close);
  const clock = await ledger.startClock(nowMs);
  closers.add('clock', clock.close);

  const pool = decisionThread && makeDecisionPool(decisionThread, Math.min(MAX_THREADS, availableParallelism()));
  if (pool) closers.add('decision threads', pool.close);
  const tools = makeRulesTools(settings.providers, pool);
  const rules = makeLiveRules(ledger.generations, tools.compileText);
  await rules.refresh();

  const outbound = makeOutbound({ allow: settings.outbound.allow });
  const identities = makeIdentities(settings, { audience, clock, outbound });
  const keys = await startKeys(settings.keys, ledger.signingKeys, clock, log, settings.audit.signer === undefined);
  closers.add('signing keys', keys.close);
  const { checkpointKey: ringKey } = keys;
  const sealedLog = await startSealedLog(settings.audit, { store: ledger.sealing, ringKey, outbound, clock, log });
  closers.add('sealing', sealedLog.stop);
  const providers = buildProviders(settings, {
    clock,
    issuer,
    introspectingAudiences: new Set(
      settings.clients.flatMap((client) => (client.may.includes('introspect') ? client.audiences : [])),
    ),
    reservedAudiences: new Set([issuer, audience, ...identities.operatorAudiences]),
    signer: keys,
    ledger: ledger.place,
    readFile: makeReadFile(settings),
    record: ledger.providerRecord,
    warn: (facts, message) => log.warn(facts, message),
  });
  for (const provider of providers.values()) closers.add(`provider ${provider.name}`, () => provider.close());
  const checks = startProviderChecks(providers, (provider) =>
    rules.profiles().filter((profile) => profile.provider === provider),
  );
  closers.add('provider checks', checks.close);

  const context: ExchangeContext = {
    ledger,
    rules,
    providers,
    clock,
    approvals: {
      lifetimeSeconds: settings.approvals.lifetimeSeconds,
      notify: settings.approvals.webhooks.map(({ name }) => name),
      maxOpen: settings.limits.pendingApprovals,
    },
    ids: makeIds(inPieces(randomBytes), nowMs),
    owner: randomUUID(),
    log,
    alert: makeAlert({ ledger, log, onUse: metrics.countUseAfterRevocation, nowMs }),
  };
  const approvalUrl = (id: ApprovalId) => `${issuer}/v1/approvals/${id}`;
  const background = startBackground(context, { settings, databaseUrl, ledger, outbound, approvalUrl, closers });
  const { waiting } = background;
  const services = { ledger, tools, identities, keys, sealedLog, background, metrics };
  const verbs = makeVerbs(context, { settings, issuer, approvalUrl, nowMs, ...services });

  const { refusalsPerMinute, workloadBurst, workloadPerSecond } = settings.limits;
  const steps = makeAuthenticate({
    attest: identities.attestWorkload,
    authenticateOperator: identities.authenticateOperator,
    refusals: makeBuckets({ capacity: refusalsPerMinute, perSecond: refusalsPerMinute / 60 }),
    requests: makeBuckets({ capacity: workloadBurst, perSecond: workloadPerSecond }),
    nowMs,
    onRefusal: (code) => {
      metrics.countRefusal(code);
      background.countRefusal(code);
    },
  });
  const readiness = makeReadiness({
    schema: ledger.schema,
    rules,
    clock,
    providers: checks.last,
    attesters: identities.status,
    keys: keys.health,
    log: sealedLog.health,
    channels: background.channels,
    closing: () => closing,
  });
  metrics.follow({
    grantsByState: ledger.grants.countByState,
    overdueSeconds: ledger.reaping.overdueSeconds,
    clockOffsetMs: clock.offsetMs,
    generation: rules.status,
    log: sealedLog,
    sinks: configuredSinks(ledger, settings.audit.sinks),
    approvalsWaiting: ledger.approvals.waiting,
    longPolls: waiting.count,
    notices: ledger.notices.counts,
    exceptions: ledger.exceptions.counts,
    keysAgeSeconds: identities.keysAgeSeconds,
  });
  const app = makeApp({
    health: healthRouter(readiness, metrics.registry),
    routers: makeRouters(verbs, { steps, issuer, approvalUrl, now: clock.now, log }),
    log,
    trustedProxies: settings.server.trustedProxies,
    ...(ownHostOnly ? { hosts: ownHosts(listening.port) } : {}),
    closing: () => closing,
    observe: metrics.observeRequest,
  });
  listening.handle(app);
  log.info({ url: listening.url }, 'listening');

  // In flight first: draining must end before anything that it uses goes.
  closers.add('requests in flight', listening.drain);
  closers.add('long polls', waiting.close);
  closers.add('new requests', () => void (closing = true));
  return { url: listening.url, close: closers.closeAll };
}

function ownHosts(port: number): ReadonlySet<string> {
  return new Set([`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]);
}
