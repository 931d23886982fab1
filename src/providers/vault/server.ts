import type { Secret } from '../../domain/secret.ts';
import type { Call, Client } from './client.ts';
import { certain, failedWith, isForbidden, isVaultsOwn, notVaults } from './errors.ts';
import { lookUp, type Session } from './session.ts';
import type { Reply } from './wire.ts';

/** A call as the broker itself makes it, or with another's token. */
export interface Ask extends Call {
  /** Statuses that are answers here and not failures, beside 200 to 299. */
  readonly accept?: readonly number[];
}

/** @throws ProviderError; see `failedWith`. */
export type Server = (ask: Ask, signal: AbortSignal) => Promise<Reply>;

/**
 * Calls with the broker's own token. 403 says that a token is unknown as well as that it may not: where its look-up is
 * refused too, it is dead, and the call is made once more after a new login.
 */
export function makeServer(client: Client, session: Session): Server {
  const isAlive = async (token: Secret<string>, signal: AbortSignal) =>
    !isForbidden(await client(lookUp(token), signal));

  /** Without a token nothing of the call was sent. */
  const tokenFor = (signal: AbortSignal) =>
    session.token(signal).catch((error: unknown) => {
      throw certain(error);
    });

  async function asBroker(call: Call, signal: AbortSignal): Promise<Reply> {
    const token = await tokenFor(signal);
    const reply = await client({ ...call, token }, signal);
    if (!isForbidden(reply) || (await isAlive(token, signal))) return reply;
    session.drop(token);
    return session.canLogIn ? client({ ...call, token: await tokenFor(signal) }, signal) : reply;
  }

  return async (ask, signal) => {
    const reply = await (ask.token ? client(ask, signal) : asBroker(ask, signal));
    if (!isVaultsOwn(reply)) throw notVaults(reply, ask.step);
    const accepted = (reply.status >= 200 && reply.status < 300) || ask.accept?.includes(reply.status);
    if (!accepted) throw failedWith(reply, ask.step);
    return reply;
  };
}
