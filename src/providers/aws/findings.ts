import type { HealthFinding } from '../provider.ts';

type Detail = Readonly<Record<string, string>>;
export interface Kind {
  readonly severity: HealthFinding['severity'];
  /** What is wrong, and what to run or change. */
  say(detail: Detail): string;
}

const error = (say: Kind['say']): Kind => ({ severity: 'error', say });
const warning = (say: Kind['say']): Kind => ({ severity: 'warning', say });

/** Everything that the check can find. An error: AWS itself refuses what the profiles ask for, until it is put right. */
const FINDINGS = {
  role_not_assumable: error(
    ({ role, why }) =>
      `${role} cannot be assumed (${why}): its trust policy must allow the broker sts:AssumeRole, sts:TagSession and` +
      ' sts:SetSourceIdentity, with the external id of the profile.',
  ),
  children_refused: error(
    ({ role, why }) =>
      `Sessions of ${role} get no children (${why}): allow sts:GetScopedCredentials in the role's own policies and its boundary.`,
  ),
  scoped_unavailable: error(
    () => 'scoped is on, and this endpoint has no GetScopedCredentials: set scoped to off, or to auto.',
  ),
  no_boundary: warning(
    ({ role }) =>
      `Sessions of ${role} cannot be revoked: revocation names no boundary for its account. Their end is all there is.`,
  ),
  boundary_not_attached: warning(
    ({ role, boundary }) =>
      `Sessions of ${role} cannot be revoked: its permissions boundary is not ${boundary}. Run aws iam put-role-permissions-boundary.`,
  ),
  role_not_readable: warning(
    ({ role, why }) =>
      `Nobody knows whether sessions of ${role} can be revoked (${why}): allow the revoker iam:GetRole on it.`,
  ),
  boundary_not_ours: warning(
    ({ boundary }) =>
      `${boundary} limits something else, and is left as it is: nothing can be revoked. Give Writ a policy of its own that allows all.`,
  ),
  boundary_of_another: warning(
    ({ boundary }) =>
      `${boundary} belongs to another provider or broker, or to this one before server.public_url was changed: nothing can be` +
      ' revoked. Give each its own, or set its document to one that allows all.',
  ),
  revoker_refused: warning(
    ({ boundary, why }) =>
      `${boundary} cannot be read and written (${why}): nothing can be revoked. See the permissions of the revoker's role.`,
  ),
  deny_list_full: warning(
    ({ boundary, count }) =>
      `${boundary} has no room for ${count} credentials that were ended: they live until their end. See fence.`,
  ),
  fence_in_place: warning(
    ({ boundary, count }) =>
      `${boundary} denies everything that was issued before an instant, and with it up to ${count} grants that live.`,
  ),
  probe_refused: warning(
    ({ boundary, why }) =>
      `Nobody tries whether ${boundary} counts (${why}): ends wait for propagation instead. The probe's role must have the` +
      ' boundary, trust the broker as the others do, and be allowed sts:DecodeAuthorizationMessage.',
  ),
  session_longer_than_role: warning(
    ({ role, seconds }) =>
      `max_session of a profile is more than ${role} allows, ${seconds} s: AWS refuses what is longer.`,
  ),
  ttl_longer_than_session: warning(
    ({ profile, seconds }) =>
      `ttl.max of the profile ${profile} is more than a session has here, ${seconds} s: what is longer is refused.`,
  ),
  connection_not_encrypted: warning(
    () => 'Credentials are answered over a connection that is not encrypted: use an https endpoint.',
  ),
  clock_differs: warning(
    ({ seconds }) => `AWS's clock is ${seconds} s off the ledger's: ends bite that much too late or too early.`,
  ),
  provider_unreachable: error(() => 'AWS cannot be reached.'),
  provider_timeout: error(() => 'AWS did not answer in time.'),
  provider_refused: error(({ why }) => `AWS refused the broker's own login (${why}).`),
  provider_throttled: error(() => 'AWS answers that it is asked too often.'),
  provider_answer_wrong: error(() => 'AWS gave an answer that makes no sense.'),
} as const satisfies Record<string, Kind>;

export type FindingCode = keyof typeof FINDINGS;

/** Every code with its severity: docs/providers/aws.md says of each what to do. */
export const FINDING_KINDS: Readonly<Record<FindingCode, Kind>> = FINDINGS;

export function finding(code: FindingCode, detail: Detail = {}): HealthFinding {
  const { severity, say } = FINDINGS[code];
  return { severity, code, message: say(detail) };
}
