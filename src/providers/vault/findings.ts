import type { HealthFinding } from '../provider.ts';
import { NAMES } from './values.ts';

type Detail = Readonly<Record<string, string>>;
export interface Kind {
  readonly severity: HealthFinding['severity'];
  /** What is wrong, and what to run or change. */
  say(detail: Detail): string;
}

const error = (say: Kind['say']): Kind => ({ severity: 'error', say });
const warning = (say: Kind['say']): Kind => ({ severity: 'warning', say });
const role = (name = '', setting = '') => `run vault write auth/token/roles/${name} ${setting}.`;

/** Everything that the check can find. */
const FINDINGS = {
  server_not_initialized: error(() => 'The server is not initialized: run vault operator init.'),
  server_sealed: error(() => 'The server is sealed: run vault operator unseal.'),
  server_is_dr_secondary: error(() => 'The server is a secondary for disaster recovery: put the primary into address.'),
  broker_token_is_batch: error(
    () => "The broker's token is a batch token, which makes no others: set token_type=service on its login role.",
  ),
  broker_token_counted: error(
    () => "The broker's token has a number of uses, and makes no others: set token_num_uses=0 on its login role.",
  ),
  capability_missing: error(
    ({ path, capability }) =>
      `The broker's policy lacks ${capability ?? ''} on ${path ?? ''}: see the policy in docs/providers/vault.md.`,
  ),
  role_missing: error(({ name }) => `A profile names the token role ${name ?? ''}, which does not exist.`),
  role_not_orphan: error(
    ({ name }) => `Tokens of the role ${name ?? ''} die with the broker's own: ${role(name, 'orphan=true')}`,
  ),
  role_not_renewable: error(
    ({ name }) => `Tokens of the role ${name ?? ''} cannot be extended: ${role(name, 'renewable=true')}`,
  ),
  role_makes_batch: error(
    ({ name }) => `The role ${name ?? ''} makes tokens that cannot be revoked: ${role(name, 'token_type=service')}`,
  ),
  role_is_periodic: error(
    ({ name }) => `Tokens of the role ${name ?? ''} could be renewed for ever: ${role(name, 'token_period=0')}`,
  ),
  role_without_max: error(
    ({ name, seconds = '1h' }) =>
      `Nothing bounds how far tokens of the role ${name ?? ''} are renewed: ${role(name, `token_explicit_max_ttl=${seconds}`)}`,
  ),
  role_max_too_short: error(
    ({ name, seconds }) =>
      `A profile allows ${seconds ?? ''}, longer than the role ${name ?? ''} does: lower its ttl.max, or ${role(name, `token_explicit_max_ttl=${seconds ?? ''}`)}`,
  ),
  role_counts_uses: error(
    ({ name }) =>
      `The role ${name ?? ''} gives tokens fewer uses than a profile says: ${role(name, 'token_num_uses=0')}`,
  ),
  role_refuses_policy: error(
    ({ name, policy }) =>
      `The role ${name ?? ''} does not allow the policy ${policy ?? ''}: name it in its allowed_policies or allowed_policies_glob.`,
  ),
  role_refuses_alias: error(
    ({ name }) =>
      `The role ${name ?? ''} allows no entities of grants: ${role(name, `allowed_entity_aliases=${NAMES}`)}`,
  ),
  policy_templates_off: error(
    ({ profile }) =>
      `The profile ${profile ?? ''} has policies written for each grant, and allow_policy_templates is not true in writ.yaml.`,
  ),
  server_is_standby: warning(
    () =>
      'The server is a standby, and what it answers may lag: put the active one, or a balancer that finds it, into address.',
  ),
  broker_is_root: warning(() => "The broker's token is root: give it the policy in docs/providers/vault.md."),
  broker_too_wide: warning(
    ({ path }) => `The broker may write to ${path ?? ''}, which no profile needs: see docs/providers/vault.md.`,
  ),
  broker_token_never_ends: warning(
    () => "The broker's token never ends: log in by approle, jwt or kubernetes instead of a token.",
  ),
  broker_token_ends: warning(
    ({ seconds }) =>
      `The broker's token ends in ${seconds ?? ''} and is not renewable: log in by approle, jwt or kubernetes instead.`,
  ),
  role_allows_any_policy: warning(
    ({ name }) =>
      `The role ${name ?? ''} allows every policy but root: name those of the profiles in allowed_policies.`,
  ),
  strays_unseen: warning(
    ({ path, size }) =>
      'Entities that no record knows of, such as after a restored backup, are not looked for: ' +
      (size === undefined
        ? `allow the broker list on ${path ?? ''}.`
        : `the list of ${path ?? ''} is more than ${size}; give Writ a namespace of its own.`),
  ),
  connection_not_encrypted: warning(() => 'The connection is not encrypted: use an https address.'),
  clock_differs: warning(({ seconds }) => `The server's clock is ${seconds ?? ''} s off.`),
  provider_unreachable: error(() => 'The server cannot be reached, or is sealed or a standby.'),
  provider_timeout: error(() => 'The server did not answer in time.'),
  provider_refused: error(({ why }) => `The server refused (${why ?? ''}).`),
  provider_throttled: error(
    () => 'The server answers that there are too many requests (429), or is catching up (412).',
  ),
  provider_answer_wrong: error(() => 'The server gave an answer that makes no sense: is it a Vault or an OpenBao?'),
} as const satisfies Record<string, Kind>;

export type FindingCode = keyof typeof FINDINGS;

/** Every code with its severity: docs/providers/vault.md says of each what to do. */
export const FINDING_KINDS: Readonly<Record<FindingCode, Kind>> = FINDINGS;

export function finding(code: FindingCode, detail: Detail = {}): HealthFinding {
  const { severity, say } = FINDINGS[code];
  return { severity, code, message: say(detail) };
}
