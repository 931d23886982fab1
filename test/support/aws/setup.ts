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

export interface ClientOptions {
  /** Another address of the same account. */
  readonly url?: string;
  readonly region?: string;
  /** Default 1: no retries. */
  readonly maxAttempts?: number;
}

/** Clients of the real SDK that go by the server's clock. */
export function stsClient(aws: FakeAws, credentials: AwsKeys, options: ClientOptions = {}): STSClient {
  return new STSClient(configuration(aws, credentials, { region: aws.region, ...options }));
}

export function iamClient(aws: FakeAws, credentials: AwsKeys, options: ClientOptions = {}): IAMClient {
  return new IAMClient(configuration(aws, credentials, { region: aws.iamRegion, ...options }));
}

function configuration(aws: FakeAws, credentials: AwsKeys, { url = aws.url, maxAttempts = 1, ...rest }: ClientOptions) {
  return { endpoint: url, credentials, maxAttempts, systemClockOffset: aws.now().getTime() - Date.now(), ...rest };
}

/** The `name` of what a call throws, `undefined` for one that is answered. */
export async function errorName(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
  return undefined;
}
