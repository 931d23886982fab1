import {
  accountOf,
  addManagedPolicy,
  addOidc,
  addRole,
  addUser,
  homeOf,
  makeAccount,
  type Account,
} from './account.ts';
import { makeApi } from './api.ts';
import { mayAssume } from './assume-role.ts';
import { authenticate, requireAllowed } from './authorize.ts';
import { openDoor } from './door.ts';
import { AwsError } from './errors.ts';
import type { Delays } from './eventual.ts';
import { makeServices } from './services.ts';
import type { Door, FakeAccount, FakeAws, FakeAwsOptions } from './types.ts';
import { judgeWebToken } from './web-identity-token.ts';

export type * from './types.ts';

const ACCOUNT = '123456789012';
const IAM_REGION = 'us-east-1';

/** An AWS in this process, of one account and those that are added: see `FakeAws`. */
export async function startFakeAws(options: FakeAwsOptions = {}): Promise<FakeAws> {
  const { region = 'eu-west-1', scoped = true, now: base = () => new Date() } = options;
  let ahead = 0;
  const now = () => new Date(base().getTime() + ahead);
  const delays: Delays = { propagationMs: 0, readDelayMs: 0 };
  const account = makeAccount(ACCOUNT, { now, delays });
  const api = makeApi({ account, services: makeServices({ scoped }), regions: { sts: region, iam: IAM_REGION } });
  const doors: Door[] = [];
  const door = async () => {
    const opened = await openDoor(api, now);
    doors.push(opened);
    return opened;
  };
  const main = await door();

  return {
    url: main.url,
    region,
    iamRegion: IAM_REGION,
    ...fakeAccount(account),
    now,
    advance: (ms) => {
      ahead += ms;
    },
    addAccount: (id) => fakeAccount(makeAccount(id, account.clock, account)),
    oidc: (issuer, provider) => addOidc(account, issuer, provider),
    can: (keys, action, resource) => {
      try {
        const who = authenticate(account, keys);
        if (action === 'sts:GetCallerIdentity') return 'allowed';
        const home = homeOf(who, account);
        const role = action === 'sts:AssumeRole' ? accountOf(resource, account)?.roles.get(resource) : undefined;
        if (role) mayAssume(home, who, role);
        else requireAllowed(home, who, action, resource);
        return 'allowed';
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        if (error.code === 'ExpiredToken') return 'expired';
        return error.code === 'AccessDenied' ? 'denied' : 'invalid';
      }
    },
    webIdentity: (token) => judgeWebToken(account, token),
    calls: api.calls,
    sessions: account.sessions,
    faults: Object.defineProperties(main.faults as FakeAws['faults'], {
      propagationMs: { get: () => delays.propagationMs, set: (ms: number) => (delays.propagationMs = ms) },
      readDelayMs: { get: () => delays.readDelayMs, set: (ms: number) => (delays.readDelayMs = ms) },
    }),
    door,
    close: async () => {
      await Promise.all(doors.map((one) => one.close()));
      if (api.unsupported.length > 0)
        throw new AggregateError(api.unsupported, 'the fake AWS could not judge what came in');
    },
  };
}

function fakeAccount(account: Account): FakeAccount {
  const { id, roles, policies } = account;
  return {
    account: id,
    user: (name, documents) => addUser(account, name, documents),
    role: (name, role) => addRole(account, name, role),
    managedPolicy: (name, document) => addManagedPolicy(account, name, document),
    setBoundary: (name, arn) => {
      const role = roles.get(`arn:aws:iam::${id}:role/${name}`);
      if (!role) throw new Error(`there is no role ${name}`);
      if (arn !== undefined && !policies.has(arn)) throw new Error(`there is no policy ${arn}`);
      role.boundary.replace(arn);
    },
    setIam: (health) => void (account.iam = health),
  };
}
