import type { Environment } from './context.ts';

/**
 * What a command under `exec` inherits: nothing that could be a standing credential or choose one. By prefix, because a
 * list of credentials is never complete; what is known to be a mere setting stays.
 */
const STRIPPED = /^(AWS_|VAULT_|BAO_|PG|WRIT_)/i;

const SETTINGS: ReadonlySet<string> = new Set([
  'AWS_CA_BUNDLE',
  'AWS_DEFAULT_OUTPUT',
  'AWS_DEFAULT_REGION',
  'AWS_DEFAULTS_MODE',
  'AWS_EC2_METADATA_DISABLED',
  'AWS_ENDPOINT_URL',
  'AWS_MAX_ATTEMPTS',
  'AWS_PAGER',
  'AWS_REGION',
  'AWS_RETRY_MODE',
  'AWS_USE_DUALSTACK_ENDPOINT',
  'AWS_USE_FIPS_ENDPOINT',
  'VAULT_CACERT',
  'VAULT_CAPATH',
  'VAULT_FORMAT',
  'VAULT_TLS_SERVER_NAME',
  'PGAPPNAME',
  'PGCLIENTENCODING',
  'PGCONNECT_TIMEOUT',
  'PGDATESTYLE',
  'PGOPTIONS',
  'PGSSLMODE',
  'PGSSLROOTCERT',
  'PGTZ',
  'WRIT_URL',
]);
/** `AWS_ENDPOINT_URL_S3` and its like. */
const ENDPOINT = /^AWS_ENDPOINT_URL_[A-Z0-9_]+$/;

/** `keep` names variables that are handed down all the same; one that ends in `*` is a prefix. */
export function inheritable(env: Environment, keep: readonly string[]): Record<string, string> {
  const kept = (name: string) =>
    keep.some((each) => (each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : name === each));
  const setting = (name: string) => SETTINGS.has(name) || ENDPOINT.test(name);
  const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(entries.filter(([name]) => kept(name) || setting(name) || !STRIPPED.test(name)));
}
