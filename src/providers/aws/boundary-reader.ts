import { GetPolicyCommand, GetPolicyVersionCommand, type IAMClient } from '@aws-sdk/client-iam';
import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { Json } from '../../domain/json.ts';
import { readDocument, type Found } from './boundary-document.ts';
import { ask } from './call.ts';
import { denying, type Deny, type Session } from './denials.ts';

/** How many versions are remembered: more than there are in the time that one takes to count. */
const REMEMBERED = 64;

/** A version of the boundary that was its default when it was looked at. */
export interface Observed {
  /** The number of `v12`: each version has the next. */
  readonly version: number;
  readonly found: Found;
  readonly denies: Deny;
  readonly seenAt: Date;
  /** It, or a later one, was seen before: something else may have counted in between, and what was tried until then says nothing. */
  readonly again: boolean;
}

export interface BoundaryReader {
  /** What counts now, as far as IAM says: its reads lag behind its writes. @throws ProviderError. */
  read(signal: AbortSignal): Promise<Observed>;
  /**
   * The versions that have denied a session without interruption, as far as was seen, from the first to the one that counts.
   * Every version in between was looked at; where one was missed, it begins with the next.
   */
  denying(session: Session): readonly Observed[];
}

export function makeBoundaryReader(iam: IAMClient, arn: string, clock: Clock): BoundaryReader {
  let seen: readonly Observed[] = [];
  let latest = 0;

  const fetchVersion = async (version: number, signal: AbortSignal): Promise<Observed> => {
    const command = new GetPolicyVersionCommand({ PolicyArn: arn, VersionId: `v${version}` });
    const { PolicyVersion } = await ask(signal, command, (options) => iam.send(command, options));
    const found = readDocument(arn, parse(PolicyVersion?.Document));
    const denies = found.kind === 'marked' ? denying(found.denials) : () => false;
    return { version, found, denies, seenAt: clock.now(), again: version <= latest };
  };

  /** Those that counted between two that were seen; `undefined` where one of them is gone. */
  const between = async (
    first: number,
    last: number,
    signal: AbortSignal,
  ): Promise<readonly Observed[] | undefined> => {
    if (last - first > REMEMBERED) return undefined;
    const missed: Observed[] = [];
    for (let version = first + 1; version < last; version++) {
      const one = await fetchVersion(version, signal).catch((error: unknown) => {
        if (error instanceof ProviderError && error.facts['finding'] === 'no_such_entity') return undefined;
        throw error;
      });
      if (!one) return undefined;
      missed.push(one);
    }
    return missed;
  };

  return {
    async read(signal) {
      const command = new GetPolicyCommand({ PolicyArn: arn });
      const { Policy } = await ask(signal, command, (options) => iam.send(command, options));
      const version = Number(/^v([1-9][0-9]{0,8})$/.exec(Policy?.DefaultVersionId ?? '')?.[1]);
      if (Number.isNaN(version)) throw new ProviderError('provider_answer_wrong', { nothingLives: false });
      const last = seen.at(-1);
      if (last?.version === version) return last;
      const observed = await fetchVersion(version, signal);
      // A lower number is a read that lags, or somebody who has put an older one back: neither continues what was seen.
      const missed = last && last.version < version ? await between(last.version, version, signal) : undefined;
      latest = Math.max(latest, version);
      // Others may have read meanwhile.
      if (seen.at(-1) === last) seen = missed ? [...seen, ...missed, observed].slice(-REMEMBERED) : [observed];
      return observed;
    },
    denying: (session) => seen.slice(seen.findLastIndex(({ denies }) => !denies(session)) + 1),
  };
}

/** As IAM sends it: percent-encoded JSON. */
function parse(document: string | undefined): Json {
  try {
    return JSON.parse(decodeURIComponent(document ?? '')) as Json;
  } catch {
    return null;
  }
}
