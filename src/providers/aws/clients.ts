import { IAMClient } from '@aws-sdk/client-iam';
import { AssumeRoleCommand, AssumeRoleWithWebIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import type { Credentials, STSClientConfig } from '@aws-sdk/client-sts';
import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { ProviderDeps } from '../provider.ts';
import { ask, cutOffWithCaller, WATCHING, watching } from './call.ts';
import type { AwsConfig, BoundaryConfig } from './config.ts';

const CONNECT_MS = 2_000;
const REQUEST_MS = 3_000;
const ATTEMPTS = 3;
/** An agent with a time of its own heeds the server's too, and is the first to close what is idle: a request must not meet that. */
const AGENT = { keepAlive: true, maxSockets: 50, timeout: 60_000 };
const LOGIN_MS = 9_000;
/** The broker's own sessions: as long as one of a session may be. */
const OWN_SESSION_SECONDS = 3_600;

/** Where IAM of a partition is; it is one for all regions. */
const IAM_REGIONS: readonly (readonly [prefix: string, region: string])[] = [
  ['cn-', 'cn-north-1'],
  ['us-gov-', 'us-gov-west-1'],
  ['us-isob-', 'us-isob-east-1'],
  ['us-iso-', 'us-iso-east-1'],
  ['eusc-', 'eusc-de-east-1'],
];

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
}

/** The broker's ways to AWS. What issues and what ends have connections of their own, so that neither waits for the other. */
export interface Clients {
  /** Of a region, as the broker itself. */
  sts(region: string): STSClient;
  /** The same, for what ends. */
  stsForEnds(region: string): STSClient;
  /** As a session of ours, where that client asks and over its connections. */
  as(keys: Keys, like: STSClient): STSClient;
  /** As the revoker of an account. */
  iam(boundary: BoundaryConfig): IAMClient;
  close(): void;
}

type Login = NonNullable<STSClientConfig['credentials']>;

export function makeClients(config: AwsConfig, { readFile, clock }: Pick<ProviderDeps, 'readFile' | 'clock'>): Clients {
  const common = {
    ...(config.endpoint !== undefined && { endpoint: config.endpoint }),
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
      httpAgent: AGENT,
      httpsAgent: AGENT,
    },
  };
  const open: { destroy(): void }[] = [];
  const makeSts = (options: STSClientConfig): STSClient => {
    const client = new STSClient({ ...common, ...options });
    client.middlewareStack.add(watching, WATCHING);
    return client;
  };
  const opened = <C extends { destroy(): void }>(client: C): C => {
    open.push(client);
    return client;
  };
  const login = loginOf(config, () => opened(makeSts({ region: config.region })), readFile, clock);
  const asBroker = (region: string, more: STSClientConfig = {}) => {
    const client = opened(makeSts({ region, ...(login && { credentials: login }), ...more }));
    cutOffWithCaller(client.config.requestHandler);
    return client;
  };

  // What the SDK does with a command is put together once and not for each issuance; it keeps the first one, which has no secret.
  const issuing = perKey((region) => asBroker(region, { cacheMiddleware: true }));
  const ending = perKey((region) => asBroker(region));
  const revokers = perKey((role: string) => {
    const credentials = keptWhileFresh(() => assumeOwn(ending(config.region), role), clock);
    const client = new IAMClient({ ...common, region: iamRegion(config.region), credentials });
    client.middlewareStack.add(watching, WATCHING);
    return opened(client);
  });
  return {
    sts: issuing,
    stsForEnds: ending,
    as(credentials, like) {
      const { region, requestHandler, systemClockOffset } = like.config;
      return makeSts({ region, credentials, requestHandler, systemClockOffset });
    },
    iam: ({ revoker_role_arn }) => revokers(revoker_role_arn),
    close: () => open.forEach((client) => client.destroy()),
  };
}

function perKey<T>(make: (key: string) => T): (key: string) => T {
  const made = new Map<string, T>();
  return (key) => {
    const there = made.get(key) ?? make(key);
    made.set(key, there);
    return there;
  };
}

/** `undefined`: the SDK looks for itself, and renews what it finds. */
function loginOf(
  { credentials }: AwsConfig,
  anonymous: () => STSClient,
  readFile: (path: string) => Promise<string>,
  clock: Clock,
): Login | undefined {
  if (!credentials) return undefined;
  const { web_identity, access_key_id = '', secret_access_key, session_token } = credentials;
  if (!web_identity) {
    const token = session_token?.reveal();
    const secret = secret_access_key?.reveal() ?? '';
    return { accessKeyId: access_key_id, secretAccessKey: secret, ...(token !== undefined && { sessionToken: token }) };
  }
  const client = anonymous();
  return keptWhileFresh(async () => {
    const token = await readFile(web_identity.token_file).catch((cause: unknown) => {
      const facts = { finding: 'no_credentials' };
      throw new ProviderError('provider_refused', { nothingLives: true, facts, cause });
    });
    const command = new AssumeRoleWithWebIdentityCommand({
      RoleArn: web_identity.role_arn,
      RoleSessionName: 'writ',
      WebIdentityToken: token.trim(),
      DurationSeconds: OWN_SESSION_SECONDS,
    });
    const answer = await ask(AbortSignal.timeout(LOGIN_MS), command, (options) => client.send(command, options));
    return requireKeys(answer.Credentials);
  }, clock);
}

/** How long before their end keys are made anew. */
const RENEW_MS = 300_000;
/** Keys that end within so long are not used: a call takes its time. */
const USABLE_MS = 15_000;
const told = (keys: Keys): Keys => ({ ...keys, expiration: new Date(0) });

/**
 * Keys of a session of the broker's own, made once for all who ask. The SDK would go by the machine's clock, so it is told that
 * they have ended, and asks here each time.
 */
function keptWhileFresh(make: () => Promise<Keys>, clock: Clock): () => Promise<Keys> {
  let kept: Keys | undefined;
  let making: Promise<Keys> | undefined;
  return async () => {
    const left = (kept?.expiration.getTime() ?? 0) - clock.now().getTime();
    if (!kept || left <= RENEW_MS) {
      making ??= make().finally(() => (making = undefined));
      const made = making.then((keys) => (kept = keys));
      if (!kept || left <= USABLE_MS) return told(await made);
      // What is kept is good: nobody waits for the next, and one that cannot be had is asked for again.
      made.catch(ignore);
    }
    return told(kept);
  };
}

async function assumeOwn(client: STSClient, role: string): Promise<Keys> {
  const command = new AssumeRoleCommand({
    RoleArn: role,
    RoleSessionName: 'writ-revoker',
    DurationSeconds: OWN_SESSION_SECONDS,
  });
  const answer = await ask(AbortSignal.timeout(LOGIN_MS), command, (options) => client.send(command, options));
  return requireKeys(answer.Credentials);
}

/** All that credentials have. @throws ProviderError `provider_answer_wrong`. */
export function requireKeys(credentials: Credentials | undefined): Keys {
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = credentials ?? {};
  if (!AccessKeyId || !SecretAccessKey || !SessionToken || !Expiration || Number.isNaN(Expiration.getTime())) {
    throw new ProviderError('provider_answer_wrong', { nothingLives: false, facts: { finding: 'no_keys_in_answer' } });
  }
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: SessionToken,
    expiration: Expiration,
  };
}

function iamRegion(region: string): string {
  return IAM_REGIONS.find(([prefix]) => region.startsWith(prefix))?.[1] ?? 'us-east-1';
}

function ignore(): void {}
