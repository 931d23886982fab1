import { AssumeRoleCommand, GetScopedCredentialsCommand } from '@aws-sdk/client-sts';
import type { AssumeRoleResponse, GetScopedCredentialsResponse, STSClient } from '@aws-sdk/client-sts';
import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import { askDated, type Pace } from './call.ts';
import { requireKeys, type Keys } from './clients.ts';
import { parseRoleArn } from './names.ts';
import type { AssumeRole, AwsRequest } from './plan.ts';

/** How far an answer's own time may be from the time at which it was made, either way. */
const SLACK_MS = 5_000;

/** A session as STS answered it, held against what was asked. */
export interface Opened {
  readonly keys: Keys;
  /** What `aws:userid` says: the role's own id and the session's name. */
  readonly id: string;
  readonly arn: string;
  /** How much of the token's room is taken, as far as STS says so. */
  readonly usage: JsonObject;
}

/** @throws ProviderError; `provider_answer_wrong` for a session that is not the one that was asked for. */
export async function openSession(client: STSClient, asked: AssumeRole, clock: Clock, pace: Pace): Promise<Opened> {
  const command = new AssumeRoleCommand({ ...asked });
  const { answer, date = clock.now() } = await askDated(pace, command, () => client.send(command));
  const keys = requireKeys(answer.Credentials);
  const { Arn: arn = '', AssumedRoleId: id = '' } = answer.AssumedRoleUser ?? {};
  if (arn !== sessionArn(asked)) throw differs('arn');
  if (!/^\w{1,128}:/.test(id) || id.slice(id.indexOf(':') + 1) !== asked.RoleSessionName)
    throw differs('assumed_role_id');
  if (asked.SourceIdentity !== undefined && answer.SourceIdentity !== undefined) {
    if (answer.SourceIdentity !== asked.SourceIdentity) throw differs('source_identity');
  }
  requireEnd(keys, date, asked.DurationSeconds);
  return { keys, id, arn, usage: usageOf(answer) };
}

/** A child of `parent`, which is never handed out itself. @throws ProviderError as above. */
export async function openChild(
  client: STSClient,
  parent: Opened,
  { child, source_identity }: AwsRequest,
  clock: Clock,
  pace: Pace,
): Promise<Opened> {
  if (!child) throw new TypeError('a child was not planned');
  const command = new GetScopedCredentialsCommand({ ...child });
  const { answer, date = clock.now() } = await askDated(pace, command, (options) => client.send(command, options));
  const keys = requireKeys(answer.Credentials);
  const { Arn: arn, ScopedSessionId: id } = answer.SessionInfo ?? {};
  if (arn !== parent.arn) throw differs('arn');
  if (id !== parent.id) throw differs('scoped_session_id');
  if (source_identity !== undefined && (answer.SourceIdentity ?? source_identity) !== source_identity)
    throw differs('source_identity');
  // With the parent's keys, or without its policy, a child would be as wide as its parent.
  const { accessKeyId, secretAccessKey, sessionToken } = parent.keys;
  if (
    keys.accessKeyId === accessKeyId ||
    keys.secretAccessKey === secretAccessKey ||
    keys.sessionToken === sessionToken
  )
    throw differs('keys');
  if ((answer.ScopedPoliciesCount ?? 1) !== 1) throw differs('scoped_policies_count');
  if (keys.expiration > parent.keys.expiration) throw differs('expiration');
  requireEnd(keys, date, child.DurationSeconds);
  return { keys, id: parent.id, arn: parent.arn, usage: usageOf(answer) };
}

function sessionArn({ RoleArn, RoleSessionName }: AssumeRole): string {
  const { partition = '', account = '', name = '' } = parseRoleArn(RoleArn) ?? {};
  return `arn:${partition}:sts::${account}:assumed-role/${name}/${RoleSessionName}`;
}

function requireEnd({ expiration }: Keys, madeAt: Date, seconds: number): void {
  const latest = madeAt.getTime() + seconds * 1000 + SLACK_MS;
  if (expiration.getTime() > latest || expiration <= madeAt) throw differs('expiration');
}

const USAGE = [
  ['session_token_utilization', 'SessionTokenUtilization'],
  ['session_token_size', 'SessionTokenSize'],
  ['packed_policy_size', 'PackedPolicySize'],
] as const;

/** What STS says of the token's size. `PackedPolicySize` is what older endpoints say of it. */
function usageOf(answer: AssumeRoleResponse | GetScopedCredentialsResponse): JsonObject {
  const usage: Record<string, number> = {};
  for (const [name, member] of USAGE) {
    const value: unknown = (answer as Readonly<Record<string, unknown>>)[member];
    if (typeof value === 'number') usage[name] = value;
  }
  return usage;
}

function differs(what: string): ProviderError {
  return new ProviderError('provider_answer_wrong', {
    nothingLives: false,
    facts: { finding: 'answer_differs', what },
  });
}
