import { deflateRawSync } from 'node:zlib';
import type { Account, Role, Session } from './account.ts';
import { AwsError } from './errors.ts';
import { makeId, makeSecretKey, makeToken } from './ids.ts';
import type { Layer } from './policy/evaluate.ts';
import { optionalInteger, type Form } from './query.ts';
import type { SessionTags } from './session-tags.ts';

export interface NewSession {
  readonly role: Role;
  readonly name: string;
  readonly tags: SessionTags;
  readonly sourceIdentity: string | undefined;
  readonly federatedProvider: string | undefined;
  readonly layers: readonly Layer[];
  readonly expiration: Date;
  readonly depth: number;
  /** How many of them brought a policy. */
  readonly scopes: number;
}

const TOKEN_MAX = 4096;

/** Now, as STS counts: in whole seconds. */
export function wholeSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000) * 1000;
}

/** Opens a session and returns what every such answer has: credentials and the size of their token. */
export function openSession(account: Account, form: Form, wanted: NewSession) {
  const { role, name, tags, layers, ...rest } = wanted;
  const minimum = optionalInteger(form, 'MinimumSessionTokenSize', 0, TOKEN_MAX) ?? 0;
  const packed = deflateRawSync(
    JSON.stringify([tags.tags, layers.map((layer) => layer.map(({ text }) => text))]),
  ).length;
  const size = Math.max(minimum, 360 + Math.ceil((packed * 4) / 3));
  if (size > TOKEN_MAX) {
    throw new AwsError(
      400,
      'PackedPolicyTooLarge',
      `The session token has ${size} bytes; the maximum is ${TOKEN_MAX} bytes.`,
    );
  }
  const keys = { accessKeyId: makeId('ASIA'), secretAccessKey: makeSecretKey(), sessionToken: makeToken(size) };
  const session: Session = {
    is: 'session',
    id: `${role.id}:${name}`,
    arn: `arn:aws:sts::${account.id}:assumed-role/${role.name}/${name}`,
    name,
    role: role.arn,
    of: role,
    accessKeyId: keys.accessKeyId,
    tags: tags.tags,
    transitiveTagKeys: tags.transitive,
    issuedAt: new Date(wholeSeconds(account.clock.now())),
    layers,
    ...rest,
  };
  account.keys.set(keys.accessKeyId, { keys, principal: session });
  account.sessions.push(session);
  return {
    session,
    credentials: {
      AccessKeyId: keys.accessKeyId,
      SecretAccessKey: keys.secretAccessKey,
      SessionToken: keys.sessionToken,
      Expiration: session.expiration,
    },
    usage: { SessionTokenUtilization: Math.ceil((size / TOKEN_MAX) * 100), SessionTokenSize: size },
  };
}
