import { WritError, type Client, type IssuedGrant } from '../../client/index.ts';
import { hasNext, isAging, isUsable, msLeft, type Held } from '../lifetime.ts';

export interface LatestParts {
  readonly client: Client;
  readonly grant: IssuedGrant;
  now(): Date;
  /** Told when there is nothing left to hand out, once until there is again. */
  readonly onTrouble: (error: WritError) => void;
}

/** The credential of one grant as long as the grant lives, in memory only. */
export interface Latest {
  /** The one in hand, or the next one shortly before its end. @throws WritError where there is none. */
  get(): Promise<IssuedGrant>;
  /** Stops what is under way; what comes after that is refused. */
  close(): void;
}

const PAUSE_MS = { first: 1_000, longest: 30_000 };
/** After these the broker need not be asked again. */
const OVER: ReadonlySet<string> = new Set(['grant_not_active', 'not_found']);

interface Trouble {
  readonly error: WritError;
  readonly pauseMs: number;
  readonly until: number;
}

/**
 * Asks for the next credential when somebody wants one and never by itself: an idle command costs nothing. Any number of
 * callers share one request. Behind the answer while the one in hand has time, before it when it has not.
 */
export function makeLatest({ client, grant, now, onTrouble }: LatestParts): Latest {
  const closing = new AbortController();
  let held: Held = { grant, since: now().getTime() };
  let underWay: Promise<void> | undefined;
  let trouble: Trouble | undefined;
  let told = false;

  async function fetchNext(): Promise<void> {
    try {
      const next = await client.workload.renew(grant.id, { signal: closing.signal });
      if (next.credential.type !== grant.credential.type) throw ended('The next credential is of another type');
      held = { grant: next, since: now().getTime() };
      trouble = undefined;
      told = false;
    } catch (error) {
      if (!(error instanceof WritError)) throw error;
      trouble = troubleOf(error, trouble, now().getTime());
    }
  }

  const next = () => (underWay ??= fetchNext().finally(() => (underWay = undefined)));

  function inHand(): IssuedGrant {
    if (msLeft(held.grant, now()) > 0) return held.grant;
    const error = trouble?.error ?? ended('The grant has ended');
    if (!told) onTrouble(error);
    told = true;
    throw error;
  }

  return {
    async get() {
      const over = trouble !== undefined && (OVER.has(trouble.error.code) || now().getTime() < trouble.until);
      if (!isAging(held, now()) || !hasNext(held.grant) || over || closing.signal.aborted) return inHand();
      const fetching = next();
      if (!isUsable(held, now())) await fetching;
      return inHand();
    },
    close: () => closing.abort(),
  };
}

function troubleOf(error: WritError, before: Trouble | undefined, now: number): Trouble {
  const pauseMs = before ? Math.min(before.pauseMs * 2, PAUSE_MS.longest) : PAUSE_MS.first;
  const wanted = Number(error.facts['retry_after_seconds'] ?? 0) * 1000;
  const until = now + Math.min(Math.max(pauseMs, wanted), PAUSE_MS.longest);
  return { error, pauseMs, until };
}

function ended(title: string): WritError {
  return new WritError({ status: 409, code: 'grant_not_active', title });
}
