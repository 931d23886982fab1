import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { makeIsAllowed, OutboundError } from '../domain/outbound.ts';
import { makeIsPublicAddress } from './addresses.ts';

/** All addresses of a name, as `dns.lookup` with `all: true` gives them. */
export type Resolve = (
  hostname: string,
  options: { readonly all: true; readonly family?: number; readonly hints?: number },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** What may be fetched, judged for each hop. */
export interface Guard {
  /** @throws OutboundError `refused_scheme` or `refused_address`. */
  check(url: URL): void;
  /** The look-up for a connection to this URL: the addresses that are checked are the ones that are connected to. */
  lookup(url: URL): LookupFunction;
}

export function makeGuard(allow: readonly string[], resolve: Resolve): Guard {
  const isPublic = makeIsPublicAddress();
  const isAllowed = makeIsAllowed(allow);

  return {
    check(url) {
      if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isAllowed(url))) {
        throw new OutboundError('refused_scheme', `${url.protocol}//${url.host} is not https, nor allowed by name`);
      }
      if (url.username !== '' || url.password !== '') {
        throw new OutboundError('refused_scheme', `a URL of ${url.host} carries credentials`);
      }
      const literal = url.hostname.replace(/^\[(.*)\]$/, '$1');
      if (isIP(literal) !== 0 && !isPublic(literal) && !isAllowed(url)) throw refusedAddress(url.host);
    },

    lookup(url) {
      const anyAddress = isAllowed(url);
      return (hostname, options, callback) => {
        resolve(hostname, { ...asked(options), all: true }, (error, addresses) => {
          if (error) {
            callback(error, '');
            return;
          }
          const [first] = addresses;
          if (!first) callback(new OutboundError('unreachable', `${url.host} has no address`), '');
          else if (!anyAddress && !addresses.every(({ address }) => isPublic(address))) {
            callback(refusedAddress(url.host), '');
          } else if (options.all) callback(null, addresses);
          else callback(null, first.address, first.family);
        });
      };
    },
  };
}

function asked(options: { family?: number | string | undefined; hints?: number | undefined }) {
  return {
    ...(typeof options.family === 'number' ? { family: options.family } : {}),
    ...(options.hints === undefined ? {} : { hints: options.hints }),
  };
}

function refusedAddress(host: string): OutboundError {
  return new OutboundError('refused_address', `${host} is not a public address, nor allowed by name`);
}
