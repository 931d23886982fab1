import { setImmediate as turn } from 'node:timers/promises';
import { deadline } from '../domain/deadline.ts';
import { ProviderError, Refusal } from '../domain/errors.ts';
import type { Revocability } from '../domain/grant.ts';
import type { MintId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Secret } from '../domain/secret.ts';
import type { DecisionRecord, MintIntent } from '../ledger/index.ts';
import type { Minted, Plan, Provider } from '../providers/provider.ts';
import type { ExchangeContext } from './context.ts';
import { tellException } from './exceptions.ts';
import type { GiveUp } from './give-up.ts';

/** How long after its intent a mint may still be recorded. The provider's own time is well inside it. */
export const MINT_DEADLINE_SECONDS = 15;
const PROVIDER_TIMEOUT_MS = 10_000;
const CLOCK_SLACK_MS = 1_000;

/** What is recorded before the provider is asked. */
export function mintIntent(plan: Plan): MintIntent {
  const own = plan.short ? { ends_at: plan.endsAt.toISOString() } : {};
  return { id: plan.mint, request: plan.request, deadline_seconds: MINT_DEADLINE_SECONDS, ...own };
}

/** A credential on its way to the caller, and what to do when it does not get there. */
export interface Handover {
  readonly credential: Secret<JsonObject>;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly credentialExpiresAt: Date;
  readonly revocability: Revocability;
  /** The caller was gone before the answer was flushed: nobody has the credential, so it is ended. */
  lost(): void;
}

/** A mint whose intent is on its way to the ledger. */
export interface Intended {
  readonly provider: Provider;
  readonly plan: Plan;
  /** What allowed it, and the commit of both. */
  readonly record: DecisionRecord;
  readonly opening: Promise<{ readonly epoch: number }>;
  readonly origin: string | null;
  /** The grant's first: without it there is no grant. */
  readonly endsGrant: boolean;
}

/**
 * From an intent to a credential that may leave: once it is committed ask the provider, hold its answer against the plan, record it.
 * Whatever fails after the intent is given up: the grant moves to `ending`, or to `failed` where nothing can live.
 * @throws whatever `opening` does, with nothing asked; ProviderError, Refusal `superseded` or `under_order`, Fault `ledger_unavailable`;
 * each with nothing handed out.
 * @param timeoutMs - what the provider has, from the commit on.
 * @returns what the caller is told: `about`, and the credential.
 */
export function makeMinting(
  { ledger, log }: Pick<ExchangeContext, 'ledger' | 'log'>,
  giveUp: GiveUp,
  timeoutMs = PROVIDER_TIMEOUT_MS,
) {
  return async function mintAndActivate<About extends object>(
    intended: Intended,
    about: About,
  ): Promise<About & Handover> {
    const { provider, plan, record, opening, origin, endsGrant } = intended;
    const recorded = opening.then(ignore, notRecorded);
    // Cleared when it is over: a timer of its own for each would stay for ten seconds, with all that hangs on it.
    const bounded = deadline(timeoutMs, undefined, recorded);
    const { minted, active } = await issued().finally(bounded.clear);
    return {
      ...about,
      credential: minted.credential,
      issuedAt: active.issuedAt,
      expiresAt: active.expiresAt,
      credentialExpiresAt: minted.expiresAt,
      revocability: plan.revocability,
      lost: () =>
        giveUp({
          mint: plan.mint,
          handle: minted.handle,
          nothingLives: false,
          endGrant: endsGrant,
          error: 'caller_gone',
        }),
    };

    async function issued() {
      const { signal } = bounded;
      const minting = mint(signal);
      minting.catch(ignore); // where the intent is not committed, nobody waits for it
      const { epoch } = await opening;
      tellException(log, record.exception_id, record);
      const minted = await attempt(plan.mint, null, async () => checked(plan, await minting));
      const active = await attempt(plan.mint, minted.handle, () =>
        ledger.issuing.activate(plan.mint, epoch, minted.handle, minted.expiresAt, origin),
      );
      await attempt(plan.mint, minted.handle, () => confirmed(minted.handle, signal));
      return { minted, active };
    }

    async function mint(signal: AbortSignal): Promise<Minted> {
      if (!provider.mintWhen) {
        await recorded;
        return provider.mint(plan, signal);
      }
      await turn(); // the commit is on its way first
      return provider.mintWhen(recorded, plan, signal);
    }

    /** What was ended meanwhile cannot be extended: that it was is the reason then, and not that the provider does not know it any more. */
    async function confirmed(handle: JsonObject, signal: AbortSignal): Promise<void> {
      try {
        await provider.confirm?.(handle, signal);
      } catch (error) {
        const goesOn = await ledger.issuing.isLive(plan.mint).catch(() => true);
        throw goesOn ? error : new Refusal('superseded');
      }
    }

    async function attempt<T>(mint: MintId, handle: JsonObject | null, step: () => Promise<T>): Promise<T> {
      try {
        return await step();
      } catch (error) {
        const failed = error instanceof ProviderError ? error : undefined;
        giveUp({
          mint,
          handle: handle ?? failed?.handle ?? null,
          nothingLives: failed?.nothingLives ?? false,
          endGrant: endsGrant,
          error: codeOf(error),
        });
        throw error;
      }
    }
  };
}

/** Nothing has been asked of the provider; its caller is told why by the commit itself. */
function notRecorded(): never {
  throw new ProviderError('provider_refused', { nothingLives: true, facts: { finding: 'not_recorded' } });
}

function ignore(): void {}

/** Never trust an issuer's answer: a credential that outlives its plan is wider than what was decided. */
function checked(plan: Plan, minted: Minted): Minted {
  if (minted.expiresAt.getTime() > plan.endsAt.getTime() + CLOCK_SLACK_MS) {
    const { handle } = minted;
    throw new ProviderError('provider_answer_wrong', { nothingLives: false, handle, facts: { what: 'expires_at' } });
  }
  return minted;
}

export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'internal_error';
}
