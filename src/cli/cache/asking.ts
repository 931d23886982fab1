import { randomUUID } from 'node:crypto';
import { WritError, type IssuedGrant } from '../../client/index.ts';
import { deadline } from '../../domain/deadline.ts';
import { CliError } from '../exit.ts';
import { hasNext, marginMs, msLeft, type Held } from '../lifetime.ts';
import { approvalPending, claimKey } from '../wanted.ts';
import type { Wanted } from './cached.ts';
import type { Asked, Entry, Waits } from './entry.ts';

/** That there is no next credential of this grant: it has ended, is not the caller's, or may not be renewed. */
const REFUSED: ReadonlySet<number> = new Set([403, 404, 409]);
/** Answers that come before a request is looked at: evidence that is refused, and too much at once. */
const UNSEEN: ReadonlySet<number> = new Set([401, 429]);
/** What is in hand is of no use for less. */
const WORKS_MS = 1_000;
/** What a broker may take to end a credential whose answer was lost, before another grant is asked for. */
const REPEAT_MS = 3_000;
const PAUSE_MS = 500;
/** For less than the day that a broker remembers an idempotency key. */
const ASKED_MS = 72_000_000;

/**
 * The grant's next credential; the one in hand where the broker is away and it still works; `last` where the grant is at its
 * end and what is in hand has no next one, `over` where the broker says so.
 */
export async function followUp(
  wanted: Wanted,
  { grant, since }: Held,
  until: AbortSignal,
): Promise<IssuedGrant | 'last' | 'over'> {
  const { shell, client } = wanted;
  const grantLeft = Date.parse(grant.expires_at) - shell.now().getTime();
  if (!hasNext(grant) || grantLeft <= marginMs({ grant, since })) return 'last';
  try {
    return await bounded(wanted, grant, until, (signal) => client.workload.renew(grant.id, { signal }));
  } catch (error) {
    if (!(error instanceof WritError)) throw error;
    if (REFUSED.has(error.status)) return 'over';
    if (works(wanted, grant)) return grant;
    throw error;
  }
}

/** The request whose answer was lost, while a broker still knows it by its key. */
export function repeatable({ asked }: Pick<Entry, 'asked'>, now: Date): Asked | undefined {
  return asked && now.getTime() - asked.at < ASKED_MS ? asked : undefined;
}

/** What an entry had, when another grant is wanted: `held` is the last of its own, and may still work. */
export type Before = Pick<Entry, 'asked' | 'waits' | 'held'>;

/**
 * Another grant: what a person has approved, or what is asked for now. What is in hand stays in the cache until then; where
 * the broker is away, or is not done with what came before, it is the answer while it works. @throws as `claimed` and `issueAnew`.
 */
export async function another(wanted: Wanted, before: Before, until: AbortSignal): Promise<IssuedGrant> {
  const { waits, held } = before;
  const ask = async (signal: AbortSignal) =>
    (waits && (await claimed(wanted, waits, held, signal))) ?? (await issueAnew(wanted, before, signal));
  try {
    return await bounded(wanted, held?.grant, until, ask);
  } catch (error) {
    const passing = isPassing(error) || (error instanceof CliError && error.code === 'cache_busy');
    if (held && passing && works(wanted, held.grant)) return held.grant;
    throw error;
  }
}

/** Not so long that what is in hand ends over it. */
async function bounded<T>(
  wanted: Wanted,
  inHand: IssuedGrant | undefined,
  until: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (!inHand || !works(wanted, inHand)) return ask(until);
  const half = deadline(Math.ceil(msLeft(inHand, wanted.shell.now()) / 2), until);
  return ask(half.signal).finally(half.clear);
}

function works({ shell }: Wanted, grant: IssuedGrant): boolean {
  return msLeft(grant, shell.now()) > WORKS_MS;
}

const PASSING: ReadonlySet<string> = new Set(['unreachable', 'request_in_progress']);

function isPassing(error: unknown): boolean {
  return error instanceof WritError && (PASSING.has(error.code) || error.status === 429 || error.status >= 500);
}

/** What came to nothing is forgotten, and not what is in hand. */
export async function forgetAllBut({ store, key }: Wanted, held: Held | undefined): Promise<void> {
  await (held ? store.write({ ...key, held }) : store.remove(key.key)).catch(() => undefined);
}

/**
 * What a person has approved; `undefined` where that has come to nothing.
 * @throws CliError `approval_pending`; WritError also where it was denied, so that nobody is asked again at once, and where
 * the broker takes longer to end what an earlier claim made: the approval stands, and the next call claims it.
 */
async function claimed(
  wanted: Wanted,
  waits: Waits,
  held: Held | undefined,
  signal: AbortSignal,
): Promise<IssuedGrant | undefined> {
  const { shell, client } = wanted;
  const start = shell.now().getTime();
  for (;;) {
    try {
      return await client.workload.claim(waits.id, { idempotencyKey: claimKey(waits.id), signal });
    } catch (error) {
      if (!(error instanceof WritError)) throw error;
      if (error.code === 'approval_pending') throw approvalPending(waits);
      if (error.code === 'request_in_progress') {
        if (shell.now().getTime() - start >= REPEAT_MS) throw error;
        await shell.sleep(PAUSE_MS);
        continue;
      }
      if (error.status === 403) await forgetAllBut(wanted, held);
      else if (REFUSED.has(error.status)) return undefined;
      throw error;
    }
  }
}

/**
 * Another grant. The intent is on disk before the broker is asked: whoever finds it (`before`) repeats that request, and no
 * second grant is made.
 */
async function issueAnew(wanted: Wanted, before: Before, signal: AbortSignal): Promise<IssuedGrant> {
  const { shell, store, client, key, request } = wanted;
  const start = shell.now().getTime();
  const again = repeatable(before, shell.now());
  const asked: Asked = again ?? { under: randomUUID(), at: start };
  const held = before.held && { held: before.held };
  await store.write({ ...key, ...held, asked });
  for (;;) {
    try {
      const answer = await client.workload.issue(request, { idempotencyKey: asked.under, signal });
      if (answer.state === 'active') return answer;
      const { id, approval } = answer;
      // Where it cannot be kept, the intent still is: whoever repeats that is answered with the same request.
      await store
        .write({ ...key, ...held, waits: { id, approval } })
        .catch((error: unknown) => noteUnkept(wanted, error));
      throw approvalPending(answer);
    } catch (error) {
      if (!(error instanceof WritError)) throw error;
      if (error.code === 'request_in_progress' && again) {
        // The broker is ending what nobody received, which can take as long as that would have lived.
        if (shell.now().getTime() - start >= REPEAT_MS) return issueAnew(wanted, held ?? {}, signal);
        await shell.sleep(PAUSE_MS);
        continue;
      }
      // Nothing was handed out, that is known: there is nothing to repeat. Of a request before this one it is not, where evidence was refused or
      // too much was asked: nobody has looked for that one.
      const unknown = again && UNSEEN.has(error.status);
      if (error.status >= 400 && error.status < 500 && !unknown) await forgetAllBut(wanted, before.held);
      throw error;
    }
  }
}

/** A cache that fails is no reason to withhold what the broker has answered: it is said. */
export async function noteUnkept({ shell }: Wanted, error: unknown): Promise<void> {
  if (!(error instanceof CliError)) throw error;
  await shell.out.note(`writ: ${error.code}: ${error.message}`);
}
