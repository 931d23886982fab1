import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { Secret } from '../../domain/secret.ts';
import { pause } from '../within.ts';
import type { VaultPath } from './values.ts';
import { originOf, type Origin, type Reply, type Wire } from './wire.ts';

/** Vault answers 412 while a replica has not seen yet what it needs: the same again soon, so many times. */
const NOT_YET = 412;
const NOT_YET_PAUSES_MS = [50, 150, 450];

export interface Call {
  /** What the call is for, in a word of ours: all that errors say of it. */
  readonly step: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: VaultPath;
  /** What there is below the path, which needs the capability `list`. */
  readonly list?: true;
  readonly body?: JsonObject;
  /** For a login there is none. */
  readonly token?: Secret<string>;
  /** Of the server as a whole: such paths are not served in a namespace. */
  readonly everywhere?: true;
  /** Response wrapping: how long the wrapped answer may be fetched, as Vault writes durations. */
  readonly wrapTtl?: string;
}

/** One call, answered with whatever status. @throws ProviderError where there is no answer. */
export type Client = (call: Call, signal: AbortSignal) => Promise<Reply>;

interface Server {
  readonly address: string;
  readonly namespace: string;
}

/** Nothing is loaded or asked before the first call. */
export function makeClient({ address, namespace }: Server, wire: Wire): Client {
  let opened: ReturnType<typeof open> | undefined;

  /** Judged by its status alone, and not as node-vault judges it. */
  async function once(call: Call, signal: AbortSignal): Promise<Reply> {
    let reply: Reply | undefined;
    const outgoing = {
      method: call.method,
      path: `/${call.path}${call.list ? '?list=true' : ''}`,
      // Made anew for each call, as node-vault keeps the first token in them.
      headers: {
        'X-Vault-Request': 'true',
        ...(call.body && JSON_BODY),
        ...(call.token && { 'X-Vault-Token': call.token.reveal() }),
        ...(namespace !== '' && !call.everywhere && { 'X-Vault-Namespace': namespace }),
        ...(call.wrapTtl !== undefined && { 'X-Vault-Wrap-TTL': call.wrapTtl }),
      },
      ...(call.body && { json: call.body }),
      signal,
      deliver: (delivered: Reply) => void (reply = delivered),
    };
    try {
      const { request } = await (opened ??= open(address, wire));
      await request(outgoing);
    } catch (error) {
      if (error instanceof ProviderError) throw during(call, error);
    }
    if (!reply) throw during(call, new ProviderError('provider_unreachable', { nothingLives: false }));
    return reply;
  }

  return async (call, signal) => {
    for (const ms of NOT_YET_PAUSES_MS) {
      const reply = await once(call, signal);
      if (reply.status !== NOT_YET) return reply;
      await pause(ms, signal);
    }
    return once(call, signal);
  };
}

/**
 * node-vault 0.12.0, of which nothing but `request` is used. Its own methods for tokens and logins put the new token in place
 * of ours, drop parameters and take 202 for an error, and `commands` leaves them out. What it reads from the environment
 * (a token, a namespace, a prefix, VAULT_SKIP_VERIFY) is overwritten. It logs whole bodies for DEBUG=node-vault: `debug`
 * is silent. And as its HTTP client follows redirects with the token, has no time limit and puts the token into its
 * errors, the requests go out over our own `Wire`, by the seam that it has for that.
 */
async function open(address: string, wire: Wire) {
  const to = originOf(address);
  const { default: nodeVault } = await import('node-vault');
  const options = {
    apiVersion: 'v1',
    endpoint: address,
    commands: {},
    debug: () => undefined,
    // It looks whether there are a method and a path, which is what our own types say.
    tv4: Object.assign(always, { validate: always }),
    rpDefaults: { strictSSL: true },
    'request-promise': { defaults: () => (outgoing: Outgoing) => sendOver(wire, to, outgoing) },
  };
  const client = nodeVault(options);
  client.endpoint = address;
  client.token = '';
  Object.assign(client, { namespace: '', pathPrefix: '' });
  return client;
}

const always = () => true;
const JSON_BODY = { 'Content-Type': 'application/json' };

/** What node-vault hands on, of what it was given. */
interface Outgoing {
  readonly method?: string;
  readonly uri?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: JsonObject;
  readonly signal: AbortSignal;
  readonly deliver: (reply: Reply) => void;
}

/** Whatever node-vault made of it, it goes to the server that this client is of. */
async function sendOver(wire: Wire, to: Origin, { method = 'GET', uri = '', headers = {}, json, ...rest }: Outgoing) {
  const path = uri.slice(to.address.length);
  const body = json === undefined ? {} : { body: JSON.stringify(json) };
  const reply = await wire.send({ method, to, path, headers, signal: rest.signal, ...body });
  rest.deliver(reply);
  return { statusCode: reply.status, body: reply.body, request: { path } };
}

function during({ step }: Call, { code, nothingLives, facts }: ProviderError): ProviderError {
  return new ProviderError(code, { nothingLives, facts: { ...facts, step } });
}
