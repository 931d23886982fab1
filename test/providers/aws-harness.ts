import { createServer } from 'node:net';
import type { MintId } from '../../src/domain/ids.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import type { Profile } from '../../src/domain/profile.ts';
import { aws } from '../../src/providers/aws/index.ts';
import type { EndedMint, Provider, ProviderDeps, ProviderRecord } from '../../src/providers/provider.ts';
import { startFakeAws } from '../support/aws/index.ts';
import type { AwsKeys, DoorFaults, FakeAws } from '../support/aws/index.ts';
import { allow, document, trusting } from '../support/aws/setup.ts';
import type { ProviderHarness } from './harness.ts';

export const ACCOUNT = '123456789012';
/** One that a broker may have beside it. */
export const OTHER_ACCOUNT = '210987654321';
export const MONTH = '2026-11';
/** What the profile's sessions may read, and what lies beside it: the role itself may read both. */
export const INVOICE = `arn:aws:s3:::inv/${MONTH}/4711.pdf`;
export const NEXT_MONTH = 'arn:aws:s3:::inv/2026-12/4711.pdf';
export const BROKER = `arn:aws:iam::${ACCOUNT}:user/writ`;

export const SECTION: JsonObject = {
  role_arn: `arn:aws:iam::${ACCOUNT}:role/invoice-agents`,
  session_policy: {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: ['s3:GetObject'], Resource: 'arn:aws:s3:::inv/{{parameters.month}}/*' }],
  },
  tags: { team: 'payments' },
};

/** A member of a section that is undefined is left out. */
export type Members = Readonly<Record<string, Json | undefined>>;

export function awsProfile(section: Members = {}, more: Partial<Profile> = {}): Profile {
  const written = JSON.parse(JSON.stringify({ ...SECTION, ...section })) as Json;
  return {
    name: 'invoices-read',
    provider: 'aws-main',
    owner: 'payments',
    environment: 'production',
    effect: 'read',
    ttl: { default: 900, max: 3_600, min: 1 },
    parameters: { month: { pattern: '.*', optional: false } },
    section: aws.section.parse(written),
    ...more,
  };
}

/** A member that must be a string. */
export function text(value: Json | undefined): string {
  if (typeof value !== 'string') throw new Error('not a string');
  return value;
}

export function keysOf(credential: JsonObject): AwsKeys {
  return {
    accessKeyId: text(credential['access_key_id']),
    secretAccessKey: text(credential['secret_access_key']),
    sessionToken: text(credential['session_token']),
  };
}

export interface AwsWorld {
  readonly fake: FakeAws;
  readonly broker: AwsKeys;
  readonly boundary: string;
  readonly revoker: string;
  /** In whole seconds, as AWS counts. */
  now(): Date;
  pass(instant: Date): void;
  /** A provider at the fake, or at another door of it. */
  provider(options?: ProviderOptions): Provider;
  /** Everything that was warned of. */
  readonly warnings: JsonObject[];
  can(credential: JsonObject, action?: string, resource?: string): ReturnType<FakeAws['can']>;
}

export interface ProviderOptions {
  readonly url?: string;
  readonly name?: string;
  /** As `writ.yaml` has it, over what the world has. */
  readonly config?: Members;
  readonly revocation?: boolean | JsonObject;
  readonly record?: ProviderRecord;
  readonly deps?: Partial<ProviderDeps>;
}

/** What the broker needs, and no more: as docs/providers/aws.md says it. */
export const BROKER_POLICY = document(
  allow(
    ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'],
    [ACCOUNT, OTHER_ACCOUNT].map((account) => `arn:aws:iam::${account}:role/*`),
  ),
);
const revokerPolicy = (account: string, boundary: string) =>
  document(
    allow(
      [
        'iam:GetPolicy',
        'iam:GetPolicyVersion',
        'iam:ListPolicyVersions',
        'iam:CreatePolicyVersion',
        'iam:DeletePolicyVersion',
      ],
      boundary,
    ),
    allow('iam:GetRole', `arn:aws:iam::${account}:role/*`),
  );
export const ROLE_POLICY = document(allow(['s3:GetObject', 's3:PutObject'], 'arn:aws:s3:::inv/*'), allow('sts:*', '*'));
export const ALLOW_ALL = document(allow('*'));

export async function awsWorld(options: { readonly scoped?: boolean } = {}): Promise<AwsWorld> {
  const fake = await startFakeAws({ scoped: options.scoped ?? true });
  const broker = fake.user('writ', [BROKER_POLICY]);
  const boundary = fake.managedPolicy('writ-boundary', ALLOW_ALL);
  const trust = trusting({ AWS: BROKER });
  const revoker = fake.role('writ-revoker', { trust, policies: [revokerPolicy(ACCOUNT, boundary)] });
  fake.role('invoice-agents', { trust, policies: [ROLE_POLICY], boundary });
  const now = () => new Date(Math.floor(fake.now().getTime() / 1000) * 1000);
  const warnings: JsonObject[] = [];

  const provider = ({ url, name, config, revocation, record, deps }: ProviderOptions = {}): Provider => {
    const written: Members = {
      region: fake.region,
      endpoint: url ?? fake.url,
      credentials: { access_key_id: broker.accessKeyId, secret_access_key: broker.secretAccessKey },
      ...(revocation !== undefined &&
        revocation !== false && {
          revocation: {
            boundary_arn: boundary,
            revoker_role_arn: revoker,
            ...(revocation === true ? {} : revocation),
          },
        }),
      ...config,
    };
    const parsed = aws.config.parse(JSON.parse(JSON.stringify(written)));
    return aws.create(name ?? 'aws-main', parsed, {
      clock: { now: fake.now, offsetMs: () => 0 },
      issuer: 'https://writ.example',
      introspectingAudiences: new Set(),
      reservedAudiences: new Set(),
      signer: { sign: () => Promise.reject(new Error('nothing is signed')) },
      readFile: () => Promise.reject(new Error('no file is read')),
      warn: (facts) => void warnings.push(facts),
      ...(record && { record: () => record }),
      ...deps,
    });
  };
  return {
    fake,
    broker,
    boundary,
    revoker,
    now,
    pass: (instant) => fake.advance(Math.max(0, instant.getTime() - fake.now().getTime() + 1)),
    provider,
    warnings,
    can: (credential, action = 's3:GetObject', resource = INVOICE) => fake.can(keysOf(credential), action, resource),
  };
}

/** One more account, with a boundary, a revoker and a role of its own: what `revocation.accounts` has of it. */
export function addOtherAccount({ fake }: AwsWorld) {
  const other = fake.addAccount(OTHER_ACCOUNT);
  const boundary = other.managedPolicy('writ-boundary', ALLOW_ALL);
  const trust = trusting({ AWS: BROKER });
  const revoker = other.role('writ-revoker', { trust, policies: [revokerPolicy(OTHER_ACCOUNT, boundary)] });
  const role = other.role('invoice-agents', { trust, policies: [ROLE_POLICY], boundary });
  const accounts = { [OTHER_ACCOUNT]: { boundary_arn: boundary, revoker_role_arn: revoker } };
  return { ...other, boundary, revoker, agents: role, accounts };
}

/** A ledger in memory, as far as the provider asks it: what was planned, and what of that is to end. */
export interface MemoryRecord {
  readonly record: ProviderRecord;
  /** A provider whose plans are on record. */
  watch(provider: Provider): Provider;
  end(mint: MintId, change?: Partial<EndedMint>): void;
}

export function memoryRecord(now: () => Date): MemoryRecord {
  const planned = new Map<MintId, EndedMint>();
  const ended = new Map<MintId, Partial<EndedMint>>();
  const overOf = (grant: string) =>
    [...ended].some(([mint, { grantGoesOn }]) => planned.get(mint)?.grant === grant && grantGoesOn !== true);
  return {
    watch(provider) {
      const plan: Provider['plan'] = (profile, parameters, request) => {
        const made = provider.plan(profile, parameters, request);
        const { mint, grant, now: openedAt } = request;
        const mintedBefore = new Date(openedAt.getTime() + 15_000);
        const times = { openedAt, mintedBefore, endsAt: made.endsAt };
        const rest = { handle: null, grantGoesOn: false, confirmed: false };
        planned.set(mint, { mint, grant, request: made.request, ...times, ...rest });
        return made;
      };
      return Object.create(provider, { plan: { value: plan } }) as Provider;
    },
    end: (mint, change = {}) => void ended.set(mint, change),
    record: {
      endedEarly: () => {
        const mints = [...ended].flatMap(([mint, change]) => {
          const row = planned.get(mint);
          if (!row || row.endsAt <= now()) return [];
          return { ...row, ...change, grantGoesOn: change.grantGoesOn === true && !overOf(row.grant) };
        });
        return Promise.resolve({ at: now(), mints });
      },
      livingBy: (member) => {
        const living = new Map<string, { grants: number; since: Date }>();
        for (const { grant, request, openedAt, endsAt } of planned.values()) {
          const value = request[member];
          if (overOf(grant) || endsAt <= now() || typeof value !== 'string') continue;
          const there = living.get(value) ?? { grants: 0, since: openedAt };
          living.set(value, { grants: there.grants + 1, since: there.since < openedAt ? there.since : openedAt });
        }
        return Promise.resolve(living);
      },
    },
  };
}

/** Remembers the keys of every session that a door made, also of those whose answer never arrived. */
function rememberKeys(faults: DoorFaults, made: AwsKeys[]): void {
  const tell = faults.lie;
  faults.lie = (action, result) => {
    const { Credentials: given } = result;
    if (typeof given === 'object' && given !== null) {
      const { AccessKeyId, SecretAccessKey, SessionToken } = given as Readonly<Record<string, string>>;
      made.push({
        accessKeyId: AccessKeyId ?? '',
        secretAccessKey: SecretAccessKey ?? '',
        sessionToken: SessionToken ?? '',
      });
    }
    return tell?.(action, result) ?? result;
  };
}

export type Mode = 'children' | 'deny list' | 'expiry';

/** For the contract suite, in each of the ways in which a credential ends. */
export async function awsHarness(mode: Mode): Promise<ProviderHarness> {
  const world = await awsWorld({ scoped: mode === 'children' });
  const { fake, now } = world;
  const { record, watch, end } = memoryRecord(fake.now);
  const made: AwsKeys[] = [];
  rememberKeys(fake.faults, made);
  const options: ProviderOptions = {
    config: { scoped: mode === 'children' ? 'on' : 'off' },
    ...(mode === 'deny list' && { revocation: { propagation: '1s' } }),
    record,
  };
  const makeProvider = (more: ProviderOptions = {}) => watch(world.provider({ ...options, ...more }));

  /** A session that is a parent of others is never handed out. */
  const handedOut = (mint: MintId) =>
    fake.sessions.filter(({ name, depth }) => name.endsWith(`-${mint}`) && (mode !== 'children' || depth > 0));
  const aliveOf = (mint: MintId) =>
    handedOut(mint).filter(({ accessKeyId }) => {
      const keys = made.find((each) => each.accessKeyId === accessKeyId);
      return keys !== undefined && fake.can(keys, 's3:GetObject', INVOICE) === 'allowed';
    });

  const behind = async (prepare: (faults: DoorFaults) => void): Promise<Provider> => {
    const door = await fake.door();
    prepare(door.faults);
    rememberKeys(door.faults, made);
    return makeProvider({ url: door.url });
  };
  type Result = Record<string, unknown>;
  const lie = (name: string, action: string, change: (result: Result) => Result) => ({
    name,
    provider: () =>
      behind((faults) => {
        faults.lie = (asked, result) => (asked === action ? { ...result, ...change(result) } : result);
      }),
  });
  const credentials = (result: Result, change: Result) => ({
    Credentials: { ...(result['Credentials'] as Result), ...change },
  });
  const later = (seconds: number) => new Date(now().getTime() + seconds * 1000);
  const lies = (action: string, user: string) => [
    lie('a later end', action, (result) => credentials(result, { Expiration: later(40_000) })),
    lie('an end that has passed', action, (result) => credentials(result, { Expiration: later(-10) })),
    lie('no end', action, (result) => credentials(result, { Expiration: undefined })),
    lie('no token', action, (result) => credentials(result, { SessionToken: undefined })),
    lie('no credentials', action, () => ({ Credentials: undefined })),
    lie('another identity', action, () => ({ SourceIdentity: 'somebody' })),
    lie('nobody', action, () => ({ [user]: undefined })),
  ];
  const assumed = (change: Result) => (result: Result) => ({
    AssumedRoleUser: { ...(result['AssumedRoleUser'] as Result), ...change },
  });
  const info = (change: Result) => (result: Result) => ({
    SessionInfo: { ...(result['SessionInfo'] as Result), ...change },
  });
  const other = `arn:aws:sts::${ACCOUNT}:assumed-role/admin/x`;

  return {
    provider: makeProvider(),
    profile: awsProfile(),
    parameters: { month: MONTH },
    shortestLifeSeconds: 30,
    neverAbsent: true,
    ...(mode !== 'deny list' && { endsByItself: true }),
    now,
    pass(instant) {
      world.pass(instant);
      return Promise.resolve();
    },
    ending: end,
    use: (credential) => Promise.resolve(world.can(credential) === 'allowed' ? 'works' : 'refused'),
    secrets: (credential) => [text(credential['secret_access_key']), text(credential['session_token'])],
    alive: (mint) => Promise.resolve(aliveOf(mint).length > 0),
    traces: (mint) => Promise.resolve(aliveOf(mint).map(({ arn }) => arn)),
    faults: {
      unreachable: async () => makeProvider({ url: `http://127.0.0.1:${await closedPort()}` }),
      silent: () => behind((faults) => (faults.silent = true)),
      refusing: () => behind((faults) => faults.fail('*', { status: 403, code: 'AccessDenied' })),
      throttled: () => behind((faults) => faults.throttle('*', 1_000)),
      lies: [
        ...(mode === 'children'
          ? [
              ...lies('GetScopedCredentials', 'SessionInfo'),
              lie("another's child", 'GetScopedCredentials', info({ Arn: other })),
              lie('a child of another name', 'GetScopedCredentials', info({ ScopedSessionId: 'AROAX:other' })),
              lie('a child as wide as its parent', 'GetScopedCredentials', () => ({ ScopedPoliciesCount: 0 })),
              lie("the parent's own keys", 'GetScopedCredentials', (result) => {
                const parent = made.at(-2);
                return credentials(result, {
                  AccessKeyId: parent?.accessKeyId,
                  SecretAccessKey: parent?.secretAccessKey,
                  SessionToken: parent?.sessionToken,
                });
              }),
            ]
          : lies('AssumeRole', 'AssumedRoleUser')),
        lie('another role', 'AssumeRole', assumed({ Arn: other })),
        lie('another name', 'AssumeRole', assumed({ AssumedRoleId: 'AROAX:writ-other' })),
      ],
      async cut(message) {
        const door = await fake.door();
        rememberKeys(door.faults, made);
        const { happened } = door.faults.cut(message);
        return { provider: makeProvider({ url: door.url }), happened };
      },
    },
    async close() {
      await fake.close();
    },
  };
}

/** Of a port on which nobody listens any more. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}
