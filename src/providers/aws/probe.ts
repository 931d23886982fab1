import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AssumeRoleCommand, DecodeAuthorizationMessageCommand, type STSClient } from '@aws-sdk/client-sts';
import { ProviderError } from '../../domain/errors.ts';
import { ask } from './call.ts';
import { requireKeys, type Clients } from './clients.ts';
import { whyOf } from './errors.ts';
import { SHORTEST_SESSION } from './limits.ts';
import { GRANT_TAG } from './plan.ts';
import { text } from './policy.ts';

/** Looks in a row that are denied, and between two of them. */
const DENIED_LOOKS = 3;
const LOOK_EVERY_MS = 500;

/** A session of nobody's whose tag is denied together with what was ended: whether it is denied shows whether that counts. */
export interface Canary {
  /** As a grant of the deny list. No grant has such an id. */
  readonly grant: string;
  /** Comes back when it is denied: true; or when it is over, or cannot tell: false. @param gotThrough - told of each look that does. */
  watch(signal: AbortSignal, gotThrough: () => void): Promise<boolean>;
}

export interface Probe {
  /** One that is not denied yet; `undefined` where none can be had. */
  prepare(signal: AbortSignal): Promise<Canary | undefined>;
  /** Why the last one could not be had. */
  problem(): string | undefined;
}

/**
 * Asks STS of the provider's region, as a session of a role that has the boundary and may do one thing. It sees what STS
 * sees there: other services and regions may be later.
 */
export function makeProbe(clients: Clients, region: string, role: string): Probe {
  let problem: string | undefined;

  const assume = async (grant: string, signal: AbortSignal): Promise<STSClient> => {
    const command = new AssumeRoleCommand({
      RoleArn: role,
      RoleSessionName: 'writ-probe',
      DurationSeconds: SHORTEST_SESSION,
      Policy: text([{ Effect: 'Allow', Action: 'sts:DecodeAuthorizationMessage', Resource: '*' }]),
      Tags: [{ Key: GRANT_TAG, Value: grant }],
    });
    const sts = clients.stsForEnds(region);
    const { Credentials } = await ask(signal, command, (options) => sts.send(command, options));
    return clients.as(requireKeys(Credentials), sts);
  };

  return {
    async prepare(signal) {
      const grant = `gprobe${randomBytes(4).toString('hex').slice(1)}`;
      try {
        const session = await assume(grant, signal);
        if (await isDenied(session, signal)) {
          problem = 'denied before it should be';
          return undefined;
        }
        problem = undefined;
        const failed = (why: string) => (problem = why);
        return { grant, watch: (until, gotThrough) => watch(session, until, gotThrough, failed) };
      } catch (error) {
        problem = whyOf(error);
        return undefined;
      }
    },
    problem: () => problem,
  };
}

async function watch(
  session: STSClient,
  signal: AbortSignal,
  gotThrough: () => void,
  failed: (why: string) => void,
): Promise<boolean> {
  try {
    for (let denied = 0; denied < DENIED_LOOKS;) {
      await sleep(LOOK_EVERY_MS, undefined, { signal });
      denied = (await isDenied(session, signal)) ? denied + 1 : 0;
      if (denied === 0) gotThrough();
    }
    return true;
  } catch (error) {
    if (!signal.aborted) failed(whyOf(error));
    return false;
  }
}

/** An action whose permission is asked before anything else: with it, what was sent is no message. @throws ProviderError. */
async function isDenied(session: STSClient, signal: AbortSignal): Promise<boolean> {
  const command = new DecodeAuthorizationMessageCommand({ EncodedMessage: 'writ' });
  try {
    await ask(signal, command, (options) => session.send(command, options));
    return false;
  } catch (error) {
    if (error instanceof ProviderError && error.facts['finding'] === 'access_denied') return true;
    if (error instanceof ProviderError && error.facts['aws'] === 'InvalidAuthorizationMessageException') return false;
    throw error;
  }
}
