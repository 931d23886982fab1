import { ProviderError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/clock.ts';
import type { Identity, Operator } from '../../src/domain/identity.ts';
import type { GrantId } from '../../src/domain/ids.ts';
import type { Profile } from '../../src/domain/profile.ts';
import type { Tool } from '../../src/domain/tool.ts';
import type { VainUse } from '../../src/exchange/after-revocation.ts';
import { makeApply } from '../../src/exchange/apply.ts';
import type { Caller, ExchangeContext, OperatorCaller } from '../../src/exchange/context.ts';
import { makeClaim } from '../../src/exchange/claim.ts';
import { makeGiveUp } from '../../src/exchange/give-up.ts';
import { makeIssue } from '../../src/exchange/issue.ts';
import type { IssueRequest, Issued, Pending } from '../../src/exchange/issue.ts';
import { makeLiveLimit } from '../../src/exchange/live-limit.ts';
import { makeMinting } from '../../src/exchange/minting.ts';
import { makeOrders } from '../../src/exchange/orders.ts';
import { makeRenew } from '../../src/exchange/renew.ts';
import { makeClaimOnce, makeIssueOnce, makeReplace } from '../../src/exchange/repeat.ts';
import { makeRevoke, makeSettleGrant } from '../../src/exchange/revoke.ts';
import { makeLiveRules } from '../../src/exchange/rules.ts';
import type { RuleSet } from '../../src/exchange/rules.ts';
import { makeSettle } from '../../src/exchange/settle.ts';
import { makeLedger } from '../../src/ledger/index.ts';
import type { Ledger } from '../../src/ledger/index.ts';
import { makeToolSet } from '../../src/policy/index.ts';
import type { PolicyAnswer } from '../../src/policy/policy.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { ids, makeWorld as makeLedgerWorld } from '../ledger/world.ts';
import { memoryProvider } from '../support/memory-provider.ts';
import type { MemoryProvider } from '../support/memory-provider.ts';
import { startPgProxy } from '../support/pg-proxy.ts';

export const PROFILE: Profile = {
  name: 'orders-read',
  provider: 'memory',
  owner: 'payments',
  environment: 'production',
  effect: 'read',
  ttl: { default: 300, max: 900, min: 10 },
  parameters: { month: { pattern: '\\d{4}-\\d{2}', optional: true } },
  section: {},
};
export const ALLOW: PolicyAnswer = { outcome: 'allow', policies: ['agents-read'], controls: [], errors: [] };

/** So many answers of policies are ready at a time. */
const PIECE = 8;

/** A set of rules as these tests write it: profiles, and what the policies answer to whatever they are asked. */
export interface TestRules {
  readonly profiles?: readonly Profile[];
  readonly tools?: readonly Tool[];
  readonly answer?: PolicyAnswer;
  /** Makes the text another one. */
  readonly note?: string;
}

export function compile(body: string): RuleSet {
  const { profiles = [PROFILE], tools = [], answer = ALLOW } = JSON.parse(body) as TestRules;
  return {
    profiles: new Map(profiles.map((profile) => [profile.name, profile])),
    policies: {
      ids: answer.policies,
      overridable: [],
      tools: makeToolSet(tools),
      decide: () => answer,
      decideAll: (requests) => requests.map(() => answer),
      decideSoon: () => Promise.resolve(answer),
      decideMany: () => {
        const answers: PolicyAnswer[] = [];
        const all = async function* () {
          for (let from = 0; from < answers.length; from += PIECE) yield answers.slice(from, from + PIECE);
        };
        return { ask: () => void answers.push(answer), answers: all };
      },
    },
  };
}

/** The exchange of one process on a ledger of its own, which it reaches through a proxy; its provider is in memory. */
export type World = Awaited<ReturnType<typeof makeWorld>>;

export async function makeWorld(
  options: {
    readonly provider?: MemoryProvider;
    readonly others?: readonly MemoryProvider[];
    readonly liveGrants?: number;
  } = {},
) {
  const record = await makeLedgerWorld();
  const proxy = await startPgProxy(record.database.brokerUrl);
  const provider = options.provider ?? memoryProvider();
  const process = await startProcess(proxy.url, [provider, ...(options.others ?? [])], options.liveGrants ?? 1_000);
  await record.activateRules('{}');
  await process.context.rules.refresh();
  return {
    ...process,
    record,
    proxy,
    provider,
    /** Activates rules and has this process load them. */
    async activate(rules: TestRules) {
      await record.activateRules(JSON.stringify(rules));
      await process.context.rules.refresh();
    },
    /** What a broker's death and a reaper's round come to: time goes by, and what is due is ended. */
    async reap(grant: GrantId, seconds: number) {
      await record.age(grant, seconds);
      await record.ledger.reaping.advanceDue(500);
      await process.settleGrant(grant);
      return (await record.grant(grant)).state;
    },
    async close() {
      await process.close();
      proxy.close();
      await record.close();
    },
  };
}

/** What the composition root builds of the exchange. */
export async function startProcess(
  url: string,
  served: readonly Provider[] | ((parts: { ledger: Ledger; clock: Clock }) => readonly Provider[]),
  liveGrants = 1_000,
) {
  const ledger: Ledger = makeLedger({ url, poolSize: 6, timeoutMs: 2_000 });
  const clock = await ledger.startClock(() => Date.now());
  const providers = typeof served === 'function' ? served({ ledger, clock }) : served;
  const warnings: Readonly<Record<string, unknown>>[] = [];
  const alerts: VainUse[] = [];
  const note = (facts: Readonly<Record<string, unknown>>) => void warnings.push(facts);
  const context: ExchangeContext = {
    ledger,
    rules: makeLiveRules(ledger.generations, compile),
    providers: new Map(providers.map((provider) => [provider.name, provider])),
    clock,
    approvals: { lifetimeSeconds: 3_600, notify: [], maxOpen: 1_000 },
    ids,
    owner: ids.mint(),
    log: { info: () => undefined, warn: note, error: note },
    alert: async (use) => alerts.push(use) > 0,
  };
  const settle = makeSettle(context);
  const lost = makeGiveUp(context, settle);
  const settleGrant = makeSettleGrant(context, settle);
  const parts = {
    mintAndActivate: makeMinting(context, lost.giveUp),
    liveLimit: makeLiveLimit({ limit: liveGrants, count: ledger.grants.liveCount, nowMs: () => Date.now() }),
  };
  const issue = makeIssue(context, parts);
  const replace = makeReplace(context, parts, settleGrant);
  const issueOnce = makeIssueOnce(context, issue, replace);
  return {
    context,
    parts,
    warnings,
    /** What was used after it was taken back. */
    alerts,
    settle,
    settleGrant,
    giveUp: lost.giveUp,
    drain: lost.drain,
    /** Where a person may have to answer first. */
    request: issue,
    issue: async (...asked: Parameters<typeof issue>) => given(await issue(...asked)),
    issueOnce: async (...asked: Parameters<typeof issue>) => given(await issueOnce(...asked)),
    requestOnce: issueOnce,
    claim: makeClaim(context, parts),
    claimOnce: makeClaimOnce(context, makeClaim(context, parts), replace),
    renew: makeRenew(context, parts),
    revoke: makeRevoke(context, settleGrant),
    orders: makeOrders(context, () => undefined),
    apply: makeApply(context, {
      compile: (files) => ({ hash: '', text: JSON.stringify(files) }),
      filesOf: (text) => JSON.parse(text) as Record<string, string>,
      difference: () => ({}),
    }),
    async close() {
      await lost.drain();
      clock.close();
      await ledger.close();
    },
  };
}

/** The credential's answer, where nobody has to be asked. */
export function given(answer: Issued | Pending): Issued {
  if ('approval' in answer) throw new Error('a person has to answer first');
  return answer;
}

export function caller(id = 'spiffe://dev.local/agent/one', change: Partial<Identity> = {}): Caller {
  const hour = new Date(Date.now() + 3_600_000);
  const identity = { id, trust: 'mesh', attributes: {}, groups: [], expiresAt: hour, vouchedUntil: hour, ...change };
  return { identity, origin: '192.0.2.7' };
}

export function operator(subject = 'ada'): OperatorCaller {
  const who: Operator = { issuer: 'https://sso.test', subject, display: subject, roles: ['security'] };
  return { operator: who, origin: '192.0.2.9' };
}

export const REQUEST: IssueRequest = { profile: PROFILE.name, parameters: {}, purpose: 'look up an order' };

export const lives = (provider: MemoryProvider, issued: Pick<Issued, 'credential'>) =>
  provider.works(issued.credential.reveal());

/** What a call that must fail says: its code. */
export async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'done',
    (error: unknown) => (error as { code?: unknown }).code ?? error,
  );
}

export const notDone = () => new ProviderError('provider_refused', { nothingLives: true });
export const unclear = () => new ProviderError('provider_timeout', { nothingLives: false });
