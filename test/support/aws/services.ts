import type { Service, SignedAction } from './actions.ts';
import { assumeRole } from './assume-role.ts';
import { requireAllowed } from './authorize.ts';
import { AwsError } from './errors.ts';
import { policyActions } from './iam-policies.ts';
import { roleActions } from './iam-roles.ts';
import { getScopedCredentials } from './scoped-credentials.ts';
import { makeGetWebIdentityToken } from './web-identity-token.ts';
import { assumeRoleWithWebIdentity } from './web-identity.ts';

const ISSUER = 'https://issuer.tokens.sts.global.api.aws';

/** Needs no permission, and no policy can take it away. */
const getCallerIdentity: SignedAction = {
  signed: true,
  params: [],
  run: (account, _form, who) => ({ UserId: who.id, Account: account.id, Arn: who.arn }),
};

/** Of messages it knows none: who may ask is told that this is none. */
const decodeAuthorizationMessage: SignedAction = {
  signed: true,
  params: ['EncodedMessage'],
  run: (account, _form, who) => {
    requireAllowed(account, who, 'sts:DecodeAuthorizationMessage', '*');
    throw new AwsError(400, 'InvalidAuthorizationMessageException', 'The message is invalid.');
  },
};

export function makeServices({ scoped }: { readonly scoped: boolean }): readonly Service[] {
  return [
    {
      name: 'sts',
      version: '2011-06-15',
      namespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
      actions: {
        AssumeRole: assumeRole,
        AssumeRoleWithWebIdentity: assumeRoleWithWebIdentity,
        DecodeAuthorizationMessage: decodeAuthorizationMessage,
        GetCallerIdentity: getCallerIdentity,
        GetWebIdentityToken: makeGetWebIdentityToken(ISSUER),
        ...(scoped && { GetScopedCredentials: getScopedCredentials }),
      },
    },
    {
      name: 'iam',
      version: '2010-05-08',
      namespace: 'https://iam.amazonaws.com/doc/2010-05-08/',
      actions: { ...roleActions, ...policyActions },
    },
  ];
}
