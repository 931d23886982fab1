import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { EndReason } from '../../domain/grant.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { Ended, Found, MintRecord } from '../provider.ts';
import type { Revocation } from './revocation.ts';
import type { Parents } from './parents.ts';
import { readRequest, type AwsRequest } from './plan.ts';

/**
 * When to look again: for what was written and is not seen yet, for a probe, for a list that could not be written, and for one
 * that has no room, or is not heeded.
 */
const UNSEEN_MS = 2_000;
const PROBED_MS = 1_000;
const FAILED_MS = 10_000;
const ASK_AGAIN_MS = 60_000;

export interface Ending {
  readonly clock: Clock;
  readonly parents: Parents;
  readonly revocation: Revocation;
}

/**
 * A session cannot be taken back; what can be done is to make no more children of it, and to have it denied. It is ended once the
 * denial has been seen for as long as it takes to count everywhere, or once it is over: then it says whether it was the
 * ending that brought that about.
 */
export async function endSession(
  { clock, parents, revocation }: Ending,
  mint: MintRecord,
  handle: JsonObject,
  why: EndReason,
  signal: AbortSignal,
): Promise<Ended> {
  const request = readRequest(mint);
  const goesOn = why === 'expiry'; // of a child that ends while its grant does not, and of one that is over
  if (!goesOn) parents.drop(mint.grant);
  const now = clock.now();
  const { endsAt } = mint;
  if (endsAt <= now) return isOverEarly(request, why) ? { kind: 'ended' } : { kind: 'not_revocable', until: endsAt };
  const at = (ms: number) => new Date(Math.min(endsAt.getTime(), ms));
  const isChild = request.mode === 'child';
  // Its session has other children, which are not to end.
  if (isChild && goesOn) return { kind: 'pending', until: endsAt };

  const denial = await revocation.deny(sessionOf(mint, request, handle), signal).catch(unlessBounded(isChild));
  switch (denial.kind) {
    case 'counts':
      return denial.from <= clock.now() ? { kind: 'ended' } : { kind: 'pending', until: at(denial.from.getTime()) };
    case 'gets_through':
      return { kind: 'pending', until: at(now.getTime() + PROBED_MS) };
    case 'unseen':
      return { kind: 'pending', until: at(now.getTime() + UNSEEN_MS) };
    case 'failed':
      return { kind: 'pending', until: at(now.getTime() + FAILED_MS) };
    case 'no_room':
    case 'not_attached':
      return { kind: isChild ? 'pending' : 'not_revocable', until: at(now.getTime() + ASK_AGAIN_MS) };
    case 'no_list':
      return isChild ? { kind: 'pending', until: endsAt } : { kind: 'not_revocable', until: endsAt };
  }
}

/**
 * Nothing lists sessions: whether one came to be is not known before its end, and a late one is useless after that. Until then
 * the denial of its grant covers it, for which no answer was needed.
 */
export async function findSession(
  { clock, revocation }: Ending,
  mint: MintRecord,
  signal: AbortSignal,
): Promise<Found> {
  const request = readRequest(mint);
  if (mint.endsAt > clock.now()) {
    await revocation.deny(sessionOf(mint, request, {}), signal).catch(unlessBounded(request.mode === 'child'));
  }
  return { kind: 'unknowable', until: mint.endsAt };
}

/** A child is over soon by itself: a denial that fails is no more than one that is missing. */
function unlessBounded(isChild: boolean): (error: unknown) => { readonly kind: 'failed' } {
  return (error) => {
    if (isChild && error instanceof ProviderError) return { kind: 'failed' };
    throw error;
  };
}

/** Its grant had longer to go, or nothing ended it but its time. */
function isOverEarly({ mode, ends_at, grant_ends_at }: AwsRequest, why: EndReason): boolean {
  return why === 'expiry' || (mode === 'child' && ends_at < grant_ends_at);
}

function sessionOf(mint: MintRecord, request: AwsRequest, handle: JsonObject) {
  const { session_name: name = request.session_name, answered_at: answered } = handle;
  return {
    grant: mint.grant,
    name: typeof name === 'string' ? name : request.session_name,
    identity: request.source_identity,
    role: request.role_arn,
    account: request.account,
    // Without an answer only what names it counts.
    issuedBefore: new Date(typeof answered === 'string' ? answered : mint.endsAt),
  };
}
