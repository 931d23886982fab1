import { IAMClient } from '@aws-sdk/client-iam';
import { STSClient, type Credentials } from '@aws-sdk/client-sts';
import type { AwsKeys, FakeAws } from './types.ts';

/** `{ Version, Statement }` of statements. */
export function document(...statements: readonly object[]): object {
  return { Version: '2012-10-17', Statement: statements };
}

export function allow(
  action: string | readonly string[],
  resource: string | readonly string[] = '*',
  condition?: object,
): object {
  return { Effect: 'Allow', Action: action, Resource: resource, ...(condition && { Condition: condition }) };
}

export function deny(
  action: string | readonly string[],
  resource: string | readonly string[] = '*',
  condition?: object,
): object {
  return { Effect: 'Deny', Action: action, Resource: resource, ...(condition && { Condition: condition }) };
}

export const ASSUMING = ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'];

/** A trust policy of one statement, for all that AssumeRole may want. */
export function trusting(principal: object | string, condition?: object, action: readonly string[] = ASSUMING): object {
  return document({
    Effect: 'Allow',
    Principal: principal,
    Action: action,
    ...(condition && { Condition: condition }),
  });
}

export function keysOf(credentials: Credentials | undefined): AwsKeys {
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = credentials ?? {};
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined) {
    throw new Error('the answer has no credentials');
  }
  return { accessKeyId, secretAccessKey, sessionToken };
}

/** Clients of the real SDK, one try each unless told otherwise. */
export function stsClient(
  { url, region }: Pick<FakeAws, 'url' | 'region'>,
  credentials: AwsKeys,
  maxAttempts = 1,
): STSClient {
  return new STSClient({ endpoint: url, region, credentials, maxAttempts });
}

export function iamClient(
  { url, iamRegion }: Pick<FakeAws, 'url' | 'iamRegion'>,
  credentials: AwsKeys,
  maxAttempts = 1,
): IAMClient {
  return new IAMClient({ endpoint: url, region: iamRegion, credentials, maxAttempts });
}
