import { parseId, type GrantId, type MintId } from '../../domain/ids.ts';
import { sha256Hex } from '../../domain/sha256.ts';

/** Characters that STS lets no name of a session and no source identity have. */
const OTHERS = /[^\w+=,.@-]+/g;
const SLUG_CHARS = 47;
const HASH_CHARS = 16;

/** `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`. */
export interface RoleArn {
  readonly partition: string;
  readonly account: string;
  /** Without the path: what an assumed role's own ARN has. */
  readonly name: string;
}

const ROLE = /^arn:(aws[a-z-]*):iam::(\d{12}):role\/(?:[\x21-\x7e]{1,510}\/)?([\w+=,.@-]{1,64})$/;

export function parseRoleArn(arn: string): RoleArn | undefined {
  const [, partition, account, name] = ROLE.exec(arn) ?? [];
  return partition === undefined || account === undefined || name === undefined
    ? undefined
    : { partition, account, name };
}

/** Names a session in CloudTrail and in `aws:userid`; known from the intent, so that no answer is needed to deny it. */
export function sessionName(grant: GrantId, mint: MintId): string {
  return `writ-${grant}-${mint}`;
}

/** The grant of a session's name, where it is one of ours. */
export function grantOf(session: string): GrantId | undefined {
  const [, grant = ''] = /^writ-([^-]+)-[^-]+$/.exec(session) ?? [];
  return parseId('grant', grant);
}

/**
 * Who a session is for, as CloudTrail and the deny list see it: readable, and the same for no other workload. The hash is over
 * the trust entry too, because an id is unique only together with it.
 */
export function sourceIdentity(subject: { readonly trust: string; readonly id: string }): string {
  const hash = sha256Hex(`${subject.trust}\0${subject.id}`).slice(0, HASH_CHARS);
  const readable = subject.id
    .replace(/^[a-z]+:\/\//, '')
    .replace(OTHERS, '-')
    .slice(-SLUG_CHARS);
  return `${readable}.${hash}`;
}
