import { devNull } from 'node:os';
import { WritError, type AwsCredential, type Client, type IssuedGrant } from '../../client/index.ts';
import { CliError, EXIT } from '../exit.ts';
import { credentialEnd, hasNext } from '../lifetime.ts';
import { unfit, type Variables } from '../variables.ts';
import { openEndpoint, refusal, type CredentialEndpoint, type EndpointAnswer } from './endpoint.ts';
import { makeLatest, type Latest } from './latest.ts';

/** How a command gets AWS credentials: `static` variables, or an `endpoint` that has the next one when one has ended. */
export interface AwsOptions {
  readonly awsEndpoint?: boolean;
  readonly awsStatic?: boolean;
}

/**
 * Whether an endpoint is wanted: by default where the credential ends before its grant, since variables in the environment
 * of a process that runs cannot be renewed.
 * @throws CliError `credential_unfit` where AWS is asked for and the credential is of another type.
 */
export function wantsEndpoint(grant: IssuedGrant, { awsEndpoint, awsStatic }: AwsOptions): boolean {
  const { type } = grant.credential;
  if (type !== 'aws' && (awsEndpoint || awsStatic))
    throw unfit(`--aws-${awsEndpoint ? 'endpoint' : 'static'} is for credentials of type aws, and this one is ${type}`);
  return type === 'aws' && (awsEndpoint ?? (!awsStatic && hasNext(grant)));
}

/** How a credential reaches a command: the command's whole environment, and what stands behind it until it ends. */
export interface Delivery {
  readonly env: Variables;
  close(): Promise<void>;
}

export interface DeliveryParts {
  readonly client: Client;
  readonly grant: IssuedGrant;
  readonly inherited: Variables;
  now(): Date;
  readonly note: (line: string) => void;
}

/** Serves a grant's credentials until it is closed. @throws CliError `aws_endpoint_failed` where nothing can be listened on. */
export async function deliverAws({ client, grant, inherited, now, note }: DeliveryParts): Promise<Delivery> {
  const onTrouble = (error: WritError) => note(`writ: no AWS credential of grant ${grant.id}: ${error.message}`);
  const latest = makeLatest({ client, grant, now, onTrouble });
  const endpoint = await openEndpoint(() => answerOf(latest)).catch((error: unknown) => {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const help = 'try --aws-static';
    throw new CliError('aws_endpoint_failed', `no port can be listened on (${code})`, { exit: EXIT.failed, help });
  });
  return {
    env: environmentFor(endpoint, grant, inherited),
    close: async () => {
      latest.close();
      await endpoint.close();
    },
  };
}

/** What would go before the endpoint in a client's order of search, whoever wants to keep it. */
const BEFORE_IT: ReadonlySet<string> = new Set([
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_SECURITY_TOKEN',
  'AWS_CREDENTIAL_EXPIRATION',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
]);

/**
 * SDKs look into the user's files before they ask an endpoint, and would find the very standing credentials that this is to
 * replace: they are pointed away from them, unless the command was given files of its own.
 */
function environmentFor({ url, token }: CredentialEndpoint, grant: IssuedGrant, inherited: Variables): Variables {
  const rest = Object.entries(inherited).filter(([name]) => !BEFORE_IT.has(name));
  const { region } = awsOf(grant);
  return {
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    BOTO_CONFIG: devNull,
    ...Object.fromEntries(rest),
    AWS_CONTAINER_CREDENTIALS_FULL_URI: url,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: token,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
  };
}

/** `4xx` where the broker has refused, `503` where asking again may help. */
async function answerOf(latest: Latest): Promise<EndpointAnswer> {
  try {
    const grant = await latest.get();
    const { access_key_id, secret_access_key, session_token } = awsOf(grant);
    const body = { AccessKeyId: access_key_id, SecretAccessKey: secret_access_key, Token: session_token };
    return { status: 200, body: { ...body, Expiration: credentialEnd(grant) } };
  } catch (error) {
    if (!(error instanceof WritError)) return refusal(500, 'internal', 'Something broke in writ exec');
    const refused = error.status >= 400 && error.status < 500 && error.status !== 429;
    return refusal(refused ? 403 : 503, error.code, error.title);
  }
}

function awsOf({ credential }: IssuedGrant): AwsCredential {
  if (credential.type !== 'aws')
    throw unfit(`a credential of type aws was expected, and this one is ${credential.type}`);
  return credential;
}
