import type { Account, Principal, Role } from './account.ts';
import type { SignedAction } from './actions.ts';
import { requireAllowed, type Extras } from './authorize.ts';
import { encoded } from './encoded.ts';
import { noSuchEntity } from './errors.ts';
import { text, type Form } from './query.ts';

const ROLE_NAME = { min: 1, max: 64, pattern: /^[\w+=,.@-]+$/u };
export const ARN = { min: 20, max: 2048 };

const getRole: SignedAction = {
  signed: true,
  params: ['RoleName'],
  run(account, form, who) {
    const role = namedRole(account, form, who, 'iam:GetRole');
    const boundary = role.boundary.readable();
    return {
      Role: {
        Path: '/',
        RoleName: role.name,
        RoleId: role.id,
        Arn: role.arn,
        CreateDate: role.created,
        AssumeRolePolicyDocument: encoded(role.trust.text),
        MaxSessionDuration: role.maxSessionSeconds,
        PermissionsBoundary: boundary && { PermissionsBoundaryType: 'Policy', PermissionsBoundaryArn: boundary },
      },
    };
  },
};

const putRolePermissionsBoundary: SignedAction = {
  signed: true,
  params: ['RoleName', 'PermissionsBoundary'],
  run(account, form, who) {
    const arn = text(form, 'PermissionsBoundary', ARN);
    const role = namedRole(account, form, who, 'iam:PutRolePermissionsBoundary', { 'iam:PermissionsBoundary': arn });
    if (!account.policies.has(arn)) throw noSuchEntity(`Policy ${arn} does not exist or is not attachable.`);
    role.boundary.write(arn);
    return {};
  },
};

const deleteRolePermissionsBoundary: SignedAction = {
  signed: true,
  params: ['RoleName'],
  run(account, form, who) {
    const role = namedRole(account, form, who, 'iam:DeleteRolePermissionsBoundary');
    if (role.boundary.latest() === undefined) throw noSuchEntity(`Role ${role.name} has no permissions boundary.`);
    role.boundary.write(undefined);
    return {};
  },
};

function namedRole(account: Account, form: Form, who: Principal, action: string, extras?: Extras): Role {
  const name = text(form, 'RoleName', ROLE_NAME);
  const arn = `arn:aws:iam::${account.id}:role/${name}`;
  requireAllowed(account, who, action, arn, extras);
  const role = account.roles.get(arn);
  if (!role) throw noSuchEntity(`The role with name ${name} cannot be found.`);
  return role;
}

export const roleActions = {
  GetRole: getRole,
  PutRolePermissionsBoundary: putRolePermissionsBoundary,
  DeleteRolePermissionsBoundary: deleteRolePermissionsBoundary,
};
