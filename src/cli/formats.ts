import type { IssuedGrant } from '../client/index.ts';
import { credentialEnd } from './lifetime.ts';
import { unfit, variablesOf } from './variables.ts';

/** How `writ credential` prints one: each form for the program that reads it (docs/cli.md). */
export const FORMATS = ['json', 'env', 'aws-process', 'kubectl'] as const;
export type Format = (typeof FORMATS)[number];

/** The text, its last line end included. @throws CliError `credential_unfit` where the type does not fit the form. */
export function formatCredential(grant: IssuedGrant, format: Format): string {
  switch (format) {
    case 'json':
      return json({ ...grant.credential, grant: grant.id, expires_at: credentialEnd(grant) });
    case 'env':
      return Object.entries(variablesOf(grant))
        .map(([name, value]) => `export ${name}=${shellQuote(value)}\n`)
        .join('');
    case 'aws-process':
      return awsProcess(grant);
    case 'kubectl':
      return execCredential(grant);
  }
}

/** https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html */
function awsProcess(grant: IssuedGrant): string {
  const { credential } = grant;
  if (credential.type !== 'aws')
    throw unfit(`aws-process is for credentials of type aws, and this one is ${credential.type}`);
  return json({
    Version: 1,
    AccessKeyId: credential.access_key_id,
    SecretAccessKey: credential.secret_access_key,
    SessionToken: credential.session_token,
    Expiration: credentialEnd(grant),
  });
}

/** https://kubernetes.io/docs/reference/config-api/client-authentication.v1/ */
function execCredential(grant: IssuedGrant): string {
  const { credential } = grant;
  if (credential.type !== 'jwt')
    throw unfit(`kubectl is for credentials of type jwt, and this one is ${credential.type}`);
  return json({
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    status: { token: credential.token, expirationTimestamp: credentialEnd(grant) },
  });
}

function json(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

/** For POSIX shells: within single quotes nothing but the quote itself means anything (XCU 2.2.2). */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
