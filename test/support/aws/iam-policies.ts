import { sizeOf, type Account, type ManagedPolicy, type PolicyVersion, type Principal } from './account.ts';
import type { SignedAction } from './actions.ts';
import { requireAllowed } from './authorize.ts';
import { encoded } from './encoded.ts';
import { AwsError, noSuchEntity } from './errors.ts';
import { ARN } from './iam-roles.ts';
import { readPolicy } from './policy/document.ts';
import { optionalInteger, optionalText, text, type Form } from './query.ts';

const VERSIONS_MAX = 5;
const SIZE_MAX = 6144;
const DOCUMENT = { min: 1, max: 131_072, pattern: /^[\u0009\u000A\u000D\u0020-\u00FF]+$/u };
const VERSION_ID = { min: 1, max: 64, pattern: /^v[1-9]\d*$/u };

const getPolicy: SignedAction = {
  signed: true,
  params: ['PolicyArn'],
  run(account, form, who) {
    const policy = namedPolicy(account, form, who, 'iam:GetPolicy');
    const { versions, defaultId } = policy.state.readable();
    const bounded = [...account.roles.values()].filter((role) => role.boundary.readable() === policy.arn);
    return {
      Policy: {
        PolicyName: policy.name,
        PolicyId: policy.id,
        Arn: policy.arn,
        Path: '/',
        DefaultVersionId: defaultId,
        AttachmentCount: 0,
        PermissionsBoundaryUsageCount: bounded.length,
        IsAttachable: true,
        CreateDate: policy.created,
        UpdateDate: versions.at(-1)?.created,
      },
    };
  },
};

const getPolicyVersion: SignedAction = {
  signed: true,
  params: ['PolicyArn', 'VersionId'],
  run(account, form, who) {
    const policy = namedPolicy(account, form, who, 'iam:GetPolicyVersion');
    const { versions, defaultId } = policy.state.readable();
    const version = named(versions, policy, form);
    return { PolicyVersion: { Document: encoded(version.policy.text), ...summary(version, defaultId) } };
  },
};

const listPolicyVersions: SignedAction = {
  signed: true,
  params: ['PolicyArn', 'MaxItems', 'Marker'],
  run(account, form, who) {
    const policy = namedPolicy(account, form, who, 'iam:ListPolicyVersions');
    const most = optionalInteger(form, 'MaxItems', 1, 1000) ?? 100;
    const from = Number(optionalText(form, 'Marker', { min: 1, max: 4, pattern: /^\d+$/u }) ?? 0);
    const { versions, defaultId } = policy.state.readable();
    const newest = versions.map((version) => summary(version, defaultId)).reverse();
    const more = newest.length > from + most;
    return {
      Versions: newest.slice(from, from + most),
      IsTruncated: more,
      Marker: more ? String(from + most) : undefined,
    };
  },
};

const createPolicyVersion: SignedAction = {
  signed: true,
  params: ['PolicyArn', 'PolicyDocument', 'SetAsDefault'],
  run(account, form, who) {
    const policy = namedPolicy(account, form, who, 'iam:CreatePolicyVersion');
    const document = text(form, 'PolicyDocument', DOCUMENT);
    const isDefault = form.params.get('SetAsDefault') === 'true';
    const { versions, defaultId } = policy.state.latest();
    const read = readPolicy(document);
    if (sizeOf(document) > SIZE_MAX) throw limitExceeded(`Cannot exceed quota for PolicySize: ${SIZE_MAX}`);
    if (versions.length >= VERSIONS_MAX) {
      throw limitExceeded(
        `A managed policy can have up to ${VERSIONS_MAX} versions. Before you create a new version, you must delete an existing version.`,
      );
    }
    const version = { id: `v${policy.nextVersion}`, policy: read, created: account.clock.now() };
    policy.nextVersion += 1;
    const counts = isDefault ? version.id : defaultId;
    policy.state.write({ versions: [...versions, version], defaultId: counts });
    return { PolicyVersion: summary(version, counts) };
  },
};

const deletePolicyVersion: SignedAction = {
  signed: true,
  params: ['PolicyArn', 'VersionId'],
  run(account, form, who) {
    const policy = namedPolicy(account, form, who, 'iam:DeletePolicyVersion');
    const { versions, defaultId } = policy.state.latest();
    const version = named(versions, policy, form);
    if (version.id === defaultId) {
      throw new AwsError(409, 'DeleteConflict', 'Cannot delete the default version of a policy.');
    }
    policy.state.write({ versions: versions.filter((one) => one !== version), defaultId });
    return {};
  },
};

const setDefaultPolicyVersion: SignedAction = {
  signed: true,
  params: ['PolicyArn', 'VersionId'],
  run(account, form, who) {
    const policy = namedPolicy(account, form, who, 'iam:SetDefaultPolicyVersion');
    const { versions } = policy.state.latest();
    policy.state.write({ versions, defaultId: named(versions, policy, form).id });
    return {};
  },
};

function namedPolicy(account: Account, form: Form, who: Principal, action: string): ManagedPolicy {
  const arn = text(form, 'PolicyArn', ARN);
  requireAllowed(account, who, action, arn);
  const policy = account.policies.get(arn);
  if (!policy) throw noSuchEntity(`Policy ${arn} does not exist or is not attachable.`);
  return policy;
}

function named(versions: readonly PolicyVersion[], { arn }: ManagedPolicy, form: Form): PolicyVersion {
  const id = text(form, 'VersionId', VERSION_ID);
  const version = versions.find((one) => one.id === id);
  if (!version) throw noSuchEntity(`Policy ${arn} version ${id} does not exist or is not attachable.`);
  return version;
}

function summary({ id, created }: PolicyVersion, defaultId: string) {
  return { VersionId: id, IsDefaultVersion: id === defaultId, CreateDate: created };
}

const limitExceeded = (message: string) => new AwsError(409, 'LimitExceeded', message);

export const policyActions = {
  GetPolicy: getPolicy,
  GetPolicyVersion: getPolicyVersion,
  ListPolicyVersions: listPolicyVersions,
  CreatePolicyVersion: createPolicyVersion,
  DeletePolicyVersion: deletePolicyVersion,
  SetDefaultPolicyVersion: setDefaultPolicyVersion,
};
