import { Fault, Refusal } from '../domain/errors.ts';
import type { UnverifiedToken, Verified } from './attester.ts';
import type { Claims } from './claims.ts';
import type { KeySource } from './keys/source.ts';
import { checkRules, checkTime, type TokenRules } from './rules.ts';
import { signingKey } from './signature.ts';

/** How one trust entry judges a token, in order: rules, signature, what the claims mean, and whom it asks about it. */
export interface Judge<Subject, Value> {
  readonly rules: TokenRules;
  /** Absent only where `confirm` stands in for the signature. */
  readonly keys?: KeySource | undefined;
  /** Reads verified claims. @throws Refusal `evidence_invalid`. */
  readonly read: (payload: Claims) => Subject;
  /** Asks the issuer about this very token; the answer counts for `seconds`. @throws Refusal; Fault. */
  readonly confirm?: ((token: UnverifiedToken, subject: Subject) => Promise<Confirmed<Subject>>) | undefined;
  /** What is handed on, made anew at each use. */
  readonly value: (subject: Subject, endsAt: Date, now: Date) => Value;
}

export interface Confirmed<Subject> {
  readonly subject: Subject;
  readonly seconds: number;
}

/** @throws Refusal `evidence_*`; Fault `evidence_source_unavailable`. */
export async function judgeToken<Subject, Value>(
  token: UnverifiedToken,
  judge: Judge<Subject, Value>,
  now: Date,
): Promise<Verified<Value>> {
  const validity = checkRules(token, judge.rules, now);
  const { keys } = judge;
  const key = keys && (await signingKey(token, keys, now));
  const read = judge.read(token.payload);
  const confirmed = await judge.confirm?.(token, read);
  const subject = confirmed?.subject ?? read;
  const confirmedUntil = confirmed ? now.getTime() + confirmed.seconds * 1_000 : Number.POSITIVE_INFINITY;
  const endsAt = new Date(validity.ends);

  return {
    value: judge.value(subject, endsAt, now),
    recall(later) {
      checkTime(validity, later);
      if (keys && key && !keys.holds(key, later)) return undefined;
      return later.getTime() < confirmedUntil ? judge.value(subject, endsAt, later) : undefined;
    },
  };
}

/**
 * Tries in order; the first that accepts wins. Several entries may share an issuer, so a refusal by one is no answer yet.
 * @throws the most telling of what they threw: a Fault (it might have been accepted), then a refusal for its time, then
 * any other; Refusal `evidence_untrusted` when there was nobody to ask.
 */
export async function firstAccepted<T>(tries: readonly (() => Promise<Verified<T>>)[]): Promise<Verified<T>> {
  let worst: unknown = new Refusal('evidence_untrusted');
  for (const attempt of tries) {
    try {
      return await attempt();
    } catch (error) {
      if (telling(error) > telling(worst)) worst = error;
    }
  }
  throw worst;
}

function telling(error: unknown): number {
  if (error instanceof Fault) return 3;
  if (!(error instanceof Refusal)) return 4;
  if (error.code === 'evidence_untrusted') return 0;
  return error.code === 'evidence_invalid' ? 1 : 2;
}
