import { Unsupported } from '../errors.ts';

/** What a request says under a condition key, in lower case; `undefined`: the key is not there. */
export type Context = (key: string) => readonly string[] | undefined;

const SINGLE = new Set([
  'aws:currenttime',
  'aws:epochtime',
  'aws:federatedprovider',
  'aws:multifactorauthpresent',
  'aws:principalaccount',
  'aws:principalarn',
  'aws:principaltype',
  'aws:securetransport',
  'aws:sourceidentity',
  'aws:tokenissuetime',
  'aws:userid',
  'aws:username',
  'aws:viaawsservice',
  'iam:permissionsboundary',
  'sts:externalid',
  'sts:rolesessionname',
  'sts:sourceidentity',
]);
const MULTIPLE = new Set(['aws:tagkeys', 'sts:transitivetagkeys']);
const TAGS = /^aws:(principaltag|requesttag)\/.+$/u;
/** `token.example.com:sub`, `127.0.0.1:4000/path:aud`: claims of a web identity. */
const CLAIMS = /^(?=[^/]*[.:][^/]*[/:])[\w.-]+(:\d+)?(\/[\w./-]*)?:(aud|sub)$/u;

/** Whether a key can have several values. Throws for a key that this fake knows nothing of: it could only guess. */
export function isMultiple(key: string): boolean {
  const name = key.toLowerCase();
  if (MULTIPLE.has(name)) return true;
  if (SINGLE.has(name) || TAGS.test(name) || CLAIMS.test(name)) return false;
  throw new Unsupported(`the condition key "${key}" is not known here`);
}

/** A context of the given values; keys in any case, an `undefined` or empty value is a key that is not there. */
export function makeContext(values: Readonly<Record<string, string | readonly string[] | undefined>>): Context {
  const found = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    isMultiple(key);
    const list = typeof value === 'string' ? [value] : value;
    if (list.length > 0) found.set(key.toLowerCase(), list);
  }
  return (key) => found.get(key.toLowerCase());
}
