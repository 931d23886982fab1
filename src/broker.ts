import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { makeSinkDelivery } from './audit/sinks/deliver.ts';
import { makeAttest, makeAttesters } from './attesters/index.ts';
import { makeKeySources } from './attesters/keys/sources.ts';
import { makeOperators, operatorTrustSchema } from './attesters/operators.ts';
import { makeClosers } from './closers.ts';
import type { Settings } from './config/index.ts';
import { makeBuckets } from './domain/bucket.ts';
import { makeIds } from './domain/ids.ts';
import type { ApprovalId } from './domain/ids.ts';
import type { Attested } from './domain/trust.ts';
import { makeAlert } from './exchange/after-revocation.ts';
import { makeAccessRequests } from './exchange/access-request.ts';
import { makeApply } from './exchange/apply.ts';
import { makeApprovals } from './exchange/approvals.ts';
import { makeDeliver } from './exchange/channels.ts';
import { makeClaim } from './exchange/claim.ts';
import { makeEvidenceReads } from './exchange/evidence.ts';
import { makeEvidencePack } from './exchange/evidence-pack.ts';
import type { Caller, ExchangeContext, Log } from './exchange/context.ts';
import { makeDelegate } from './exchange/delegate.ts';
import { makeEvaluate } from './exchange/evaluate.ts';
import { makeExceptionVerbs } from './exchange/exception-verbs.ts';
import { makeGiveUp } from './exchange/give-up.ts';
import { makeArchiveVerbs } from './exchange/archives.ts';
import { makeHoldVerbs } from './exchange/holds.ts';
import { makeIntrospect, makeRevokeToken } from './exchange/introspect.ts';
import { makeIssue } from './exchange/issue.ts';
import { makeLiveLimit } from './exchange/live-limit.ts';
import { makeMinting } from './exchange/minting.ts';
import { makeOrders } from './exchange/orders.ts';
import { makeResolvePrincipal } from './exchange/principal.ts';
import { makeReportOutcome } from './exchange/outcome.ts';
import { makeReask } from './exchange/reask.ts';
import { makeRenew } from './exchange/renew.ts';
import { makeClaimOnce, makeIssueOnce, makeReplace } from './exchange/repeat.ts';
import { makeRevoke, makeSettleGrant } from './exchange/revoke.ts';
import { makeLiveRules } from './exchange/rules.ts';
import { makeSettle } from './exchange/settle.ts';
import { makeSinkVerbs } from './exchange/sinks.ts';
import { makeTimeline } from './exchange/timeline.ts';
import { auditRouter } from './http/audit.ts';
import { makeTaskTokens } from './exchange/task-token.ts';
import { makeCreateTaskOnce } from './exchange/task-once.ts';
import { makeCreateTask, makeEndTask, makeListTasks, makeShowTask } from './exchange/tasks.ts';
import { makeWaiting } from './exchange/waiting.ts';
import { json, makeApp, rulesJson } from './http/app.ts';
import { accessRequestsRouter } from './http/access-requests.ts';
import { approvalsRouter } from './http/approvals.ts';
import { makeAuthenticate } from './http/authenticate.ts';
import { authzenRouter } from './http/authzen.ts';
import { decisionsRouter } from './http/decisions.ts';
import { evidencePackRouter } from './http/evidence-pack.ts';
import { answerOAuthErrors, answerTokenErrors } from './http/errors.ts';
import { exceptionsRouter } from './http/exceptions.ts';
import { generationsRouter } from './http/generations.ts';
import { grantsRouter } from './http/grants.ts';
import { healthRouter } from './http/health.ts';
import { archivesRouter } from './http/archives.ts';
import { holdsRouter } from './http/holds.ts';
import { oauthRouter } from './http/oauth.ts';
import { openApi, openApiRouter } from './http/openapi.ts';
import { ordersRouter } from './http/orders.ts';
import { sinksRouter } from './http/sinks.ts';
import { timelineRouter } from './http/timeline.ts';
import { makeTaskContext } from './http/task-context.ts';
import { tasksRouter } from './http/tasks.ts';
import { tokenRouter } from './http/token-endpoint.ts';
import { startKeys } from './keyring.ts';
import { makeLedger, openSinks } from './ledger/index.ts';
import { startListening } from './listening.ts';
import { makeMetrics } from './metrics.ts';
import { makeOutbound } from './outbound/client.ts';
import { buildProviders } from './provider-list.ts';
import { makeReadiness, startProviderChecks } from './readiness.ts';
import { startReaper } from './reaper/index.ts';
import { startSinks } from './reaper/sinks.ts';
import { makeDecisionPool } from './policy/index.ts';
import { startNotifier } from './reaper/notifier.ts';
import { startRefusalCounts } from './refusal-counts.ts';
import { makeRulesTools } from './rules-tools.ts';
import { startSealedLog } from './sealed-log.ts';
import { version } from './version.ts';

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
  closers: ReturnType<typeof makeClosers>,
): Promise<Broker> {
  const nowMs = () => Date.now();
  const metrics = makeMetrics();
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
  const read = (path: string) => readFile(resolve(settings.directory, path), 'utf8');
  const keySources = makeKeySources({ outbound, readFile: read });
  const attesters = makeAttesters(settings.identity.trust, {
    audience,
    clock,
    outbound,
    readFile: read,
    keys: keySources,
  });
  const attesting = (what: Attested) =>
    makeAttest(attesters.filter((_, index) => settings.identity.trust[index]?.attests.includes(what)));
  const attest = attesting('workloads');
  const attestPrincipal = attesting('principals');
  const operatorEntries = settings.operators.trust.map((entry) => operatorTrustSchema.parse(entry.config));
  const operators = makeOperators(operatorEntries, { clock, keys: keySources });
  // Not waited for: an issuer that is away keeps only its own workloads out.
  void keySources.load(clock.now());

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
    reservedAudiences: new Set([issuer, audience, ...operatorEntries.map((entry) => entry.audience)]),
    signer: keys,
    ledger: ledger.place,
    readFile: read,
    record: ledger.providerRecord,
    warn: (facts, message) => log.warn(facts, message),
  });
  for (const provider of providers.values()) closers.add(`provider ${provider.name}`, () => provider.close());
  const checks = startProviderChecks(providers, (provider) =>
    rules.profiles().filter((profile) => profile.provider === provider),
  );
  closers.add('provider checks', checks.close);

  const alert = makeAlert({ ledger, log, onUse: metrics.countUseAfterRevocation, nowMs });
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
    ids: makeIds(randomBytes, nowMs),
    owner: randomUUID(),
    log,
    alert,
  };
  const settle = makeSettle(context);
  const lost = makeGiveUp(context, settle);
  const reaper = startReaper(context, settle);
  closers.add('reaper', reaper.stop);
  closers.add('lost mints', lost.drain);
  const approvalUrl = (id: ApprovalId) => `${issuer}/v1/approvals/${id}`;
  const channels = settings.approvals.webhooks;
  const notifier = startNotifier(context, makeDeliver({ channels, outbound, approvalUrl, now: clock.now }));
  closers.add('notifier', notifier.stop);
  const waiting = makeWaiting({ settled: ledger.approvals.settled });
  const notices = ledger.listen((what) => {
    if (what !== 'approval') reaper.wake();
    if (what !== undefined && what !== 'approval') return;
    waiting.wake();
    notifier.wake();
  });
  closers.add('notices', notices.close);
  const refusals = startRefusalCounts(ledger.reaping.recordRefusals, clock.now);
  closers.add('refusal counts', refusals.close);

  if (settings.audit.sinks.length > 0) {
    const store = openSinks({ url: databaseUrl });
    closers.add('connection of the sinks', store.close);
    const deliver = makeSinkDelivery(outbound, clock.now, version);
    const { sinks } = settings.audit;
    closers.add('sinks', startSinks({ sinks, store, deliver, owner: context.owner, log }).stop);
  }

  const settleGrant = makeSettleGrant(context, settle);
  const parts = {
    mintAndActivate: makeMinting(context, lost.giveUp),
    liveLimit: makeLiveLimit({ limit: settings.limits.liveGrants, count: ledger.grants.liveCount, nowMs }),
  };
  const revoke = makeRevoke(context, settleGrant);
  const taskTokens = makeTaskTokens({ issuer, clock, sign: keys.sign, verify: keys.verify });
  const tokens = { clients: settings.clients, issuer, verify: keys.verify, tasks: taskTokens };
  const taskParts = { tokens: taskTokens, limits: { ...settings.tasks, maxOpen: settings.limits.openTasks } };
  const evidence = (token: string) => attest({ kind: 'bearer', token }, clock.now());
  const resolvePrincipal = makeResolvePrincipal((token) => attestPrincipal({ kind: 'bearer', token }, clock.now()));
  const replace = makeReplace(context, parts, settleGrant);
  const approvals = makeApprovals(context, waiting);
  const accessRequests = makeAccessRequests(context, {
    sign: (payload) => keys.sign('denial', payload),
    verify: (token) => keys.verify('denial', token),
    issuer,
    waiting,
  });
  const { clients } = settings;
  const taskOf = ({ identity }: Caller, token: string) =>
    clients.some(({ trust, id, may }) => trust === identity.trust && id === identity.id && may.includes('evaluate'))
      ? taskTokens.passedOn(token)
      : taskTokens.ofHolder(identity, token);
  const accessVerbs = {
    ...accessRequests,
    taskOf,
    reask: makeReask(context, clients),
    requestUrl: (id: ApprovalId) => `${issuer}/access/v1/requests/${id}`,
  };
  const { asWorkload, asOperator } = makeAuthenticate({
    attest: evidence,
    authenticateOperator: (token) => operators.authenticate(token, clock.now()),
    refusals: makeBuckets({
      capacity: settings.limits.refusalsPerMinute,
      perSecond: settings.limits.refusalsPerMinute / 60,
    }),
    requests: makeBuckets({ capacity: settings.limits.workloadBurst, perSecond: settings.limits.workloadPerSecond }),
    nowMs,
    onRefusal: (code) => {
      metrics.countRefusal(code);
      refusals.count(code);
    },
  });
  const readiness = makeReadiness({
    ping: ledger.ping,
    rules,
    clock,
    providers: checks.last,
    attesters: () => [...attesters.map((attester) => attester.status()), ...operators.status()],
    keys: keys.health,
    log: sealedLog.health,
    channels: notifier.last,
    closing: () => closing,
  });
  metrics.follow({
    grantsByState: ledger.grants.countByState,
    overdueSeconds: ledger.reaping.overdueSeconds,
    clockOffsetMs: clock.offsetMs,
    generation: rules.status,
    log: sealedLog,
    sinks: async () => {
      const [{ size }, states] = await Promise.all([ledger.sealing.head(), ledger.sinks.states()]);
      const known = new Set(settings.audit.sinks.map(({ name }) => name));
      return states
        .filter(({ name }) => known.has(name))
        .map(({ name, position, dead }) => ({ name, lag: size - position, dead }));
    },
    approvalsWaiting: ledger.approvals.waiting,
    longPolls: waiting.count,
    notices: ledger.notices.counts,
    exceptions: ledger.exceptions.counts,
    keysAgeSeconds: () => Object.fromEntries(attesters.map((one) => [one.name, one.status().keysAgeSeconds ?? 0])),
  });
  const grantVerbs = {
    issue: makeIssueOnce(context, makeIssue(context, parts), replace),
    claim: makeClaimOnce(context, makeClaim(context, parts), replace),
    resolvePrincipal,
    approvalUrl,
    approvalOf: ledger.approvals.ofGrant,
    awaitApproval: approvals.ofGrant,
    renew: makeRenew(context, parts),
    revoke,
    find: ledger.grants.find,
    list: ledger.grants.list,
  };
  const taskVerbs = {
    resolvePrincipal,
    create: makeCreateTaskOnce(context, taskParts, makeCreateTask(context, taskParts)),
    list: makeListTasks(context),
    show: makeShowTask(context),
    end: makeEndTask(context, reaper.wake),
  };
  const tokenVerbs = { delegate: makeDelegate(context, taskParts), attest: evidence, issuer };
  const oauthVerbs = {
    introspect: makeIntrospect(context, tokens),
    revokeToken: makeRevokeToken(context, tokens, revoke, taskVerbs.end),
    jwks: keys.jwks,
    issuer,
  };
  const callVerbs = {
    evaluate: makeEvaluate(context, {
      requestable: async (call) => {
        const offer = await accessRequests.offer(call);
        const endpoint = `${issuer}/access/v1/requests`;
        return offer && { endpoint, expires_at: offer.expiresAt.toISOString(), binding_token: offer.bindingToken };
      },
      clients,
      outcomeUrl: (decision) => `${issuer}/v1/tool-calls/${decision}/outcome`,
      onDecision: metrics.countCall,
    }),
    reportOutcome: makeReportOutcome(context, clients),
    taskOf,
    issuer,
  };
  const generationVerbs = {
    apply: makeApply(context, tools.apply),
    find: ledger.generations.find,
    filesOf: tools.apply.filesOf,
  };
  const evidenceReads = makeEvidenceReads(context);
  const decisionVerbs = { ...evidenceReads, now: clock.now };
  const app = makeApp({
    routers: [
      grantsRouter(grantVerbs, { asWorkload, asOperator, taskContext: makeTaskContext(taskTokens.ofHolder) }, json),
      tasksRouter(taskVerbs, asWorkload, json),
      approvalsRouter(approvals, approvalUrl, asOperator, json),
      exceptionsRouter(makeExceptionVerbs(context), asOperator, json),
      ordersRouter(makeOrders(context, reaper.wake), asOperator, json),
      tokenRouter(tokenVerbs, asWorkload, answerTokenErrors(log)),
      generationsRouter(generationVerbs, asOperator, rulesJson),
      decisionsRouter(decisionVerbs, asOperator),
      accessRequestsRouter(accessVerbs, asWorkload, json),
      authzenRouter(callVerbs, asWorkload, json),
      auditRouter(evidenceReads, version, asOperator),
      evidencePackRouter(makeEvidencePack(context, sealedLog.health), asOperator),
      sinksRouter(makeSinkVerbs(context), asOperator, json),
      holdsRouter(makeHoldVerbs(context), asOperator, json),
      archivesRouter(makeArchiveVerbs(context), asOperator, json),
      timelineRouter(makeTimeline(context), asOperator),
      oauthRouter(oauthVerbs, asWorkload, answerOAuthErrors(log)),
      healthRouter(readiness, metrics.registry),
      openApiRouter(openApi(version, issuer)),
    ],
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
