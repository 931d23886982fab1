import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { parseDuration } from '../domain/duration.ts';
import { Secret } from '../domain/secret.ts';

/** The fields that the files of a configuration are made of. `{value}`: see `Report` in check.ts. */

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const LABEL = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/;

/** A name of our own: trust entries, providers, profiles, clients, keys. No slash: `<trust>/<id>` names one principal. */
export const name = z
  .string()
  .regex(NAME, '{value} is not a name: a-z, 0-9, - and _, beginning with one of the first two');

/** A name of the organisation's: an owner, an environment. */
export const label = z.string().regex(LABEL, '{value} is not a label: letters, digits and . _ @ -, at most 63');

export const text = z.string().min(1).max(2_048);

/** Whole seconds. */
export const duration = z.string().transform((written, context) => {
  const seconds = parseDuration(written);
  if (seconds !== undefined) return seconds;
  context.addIssue({ code: 'custom', message: '{value} is not a duration such as 90s, 15m, 1h or 30d' });
  return z.NEVER;
});

/** A whole number; also as text, because that is what the environment gives. */
export const integer = (min: number, max: number) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^[0-9]{1,15}$/.test(value) ? Number(value) : value),
    z.int().min(min).max(max),
  );

/** Where this broker is reached: an http or https origin, and nothing after it, because audiences are compared exactly. */
export const origin = z
  .string()
  .refine(isOrigin, 'must be an origin such as https://writ.example: no path, no slash at its end, no user');

function isOrigin(written: string): boolean {
  if (!URL.canParse(written)) return false;
  const url = new URL(written);
  return (url.protocol === 'https:' || url.protocol === 'http:') && url.origin === written;
}

/** Kept as a `Secret` because of the password in it. */
export const databaseUrl = z
  .string()
  .regex(/^postgres(?:ql)?:\/\/./, 'must be a URL such as postgres://user:password@host:5432/name')
  .transform((url) => new Secret(url));

/** An address, or a network as `10.0.0.0/8`. */
export const network = z
  .string()
  .refine(isNetwork, '{value} is neither an IP address nor a network such as 10.0.0.0/8');

function isNetwork(written: string): boolean {
  const [address = '', prefix, ...rest] = written.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^[0-9]{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

/** A host, or `host:port`, as the outbound client compares it. */
export const hostAndPort = z
  .string()
  .refine((written) => isHost(written), '{value} is not a host, nor a host with a port such as vault.internal:8200');

const isHost = (written: string) => URL.canParse(`http://${written}`) && /^[^/?#@\\]+$/.test(written);

/** Whether a listener on this host is reached from this machine alone. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
