import { makeIds, type MintId } from '../../src/domain/ids.ts';
import { randomBytes } from 'node:crypto';
import type { JsonObject } from '../../src/domain/json.ts';
import type { MintRecord, MintRequest, Plan, Provider, ProviderDeps } from '../../src/providers/provider.ts';
import { VaultConfig } from '../../src/providers/vault/config.ts';
import { vault } from '../../src/providers/vault/index.ts';
import { VaultSection } from '../../src/providers/vault/section.ts';
import { makeServer, openDoor, type Door, type FakeServer, type Trouble } from '../support/vault/index.ts';
import { adminOf, NAMES, setUp, type Admin, type Names, type SetUp } from './vault-setup.ts';
import { PARAMETERS, vaultProfile } from './vault-shapes.ts';

export const forever = new AbortController().signal;

export interface Options {
  readonly config?: JsonObject;
  readonly files?: Readonly<Record<string, string | (() => string)>>;
}

/** A server that is set up as the page says, with brokers before it: what the contract suite's harness needs of it. */
export interface VaultWorld {
  readonly names: Names;
  /** Where the server is asked without a broker in between. */
  readonly url: string;
  readonly admin: Admin;
  readonly made: SetUp;
  /** In whole seconds: how long a call takes counts where time is real. */
  readonly shortestLifeSeconds: number;
  now(): Date;
  passTo(instant: Date): Promise<void>;
  /** A provider by way of `door`, or of a door that is always open. */
  provider(options?: Options & { readonly door?: Pick<Door, 'url'> }): Provider;
  /** A door of its own before the same server, and a provider by way of it; closing the provider closes the door. */
  troubled(trouble?: Trouble, options?: Options): Promise<{ readonly provider: Provider; readonly door: Door }>;
  /** As the server itself sees it. */
  isAlive(mint: MintId): Promise<boolean>;
  traces(mint: MintId): Promise<readonly string[]>;
  /** Whether a login that the database engine made is let in. */
  admits(login: JsonObject): Promise<boolean>;
  close(): Promise<void>;
}

/** The same on the fake, whose time is moved and whose state is looked at. */
export interface FakeVaultWorld extends VaultWorld {
  readonly server: FakeServer;
  readonly door: Door;
  readonly clock: ProviderDeps['clock'];
  /** What a test asks for, of the profile with this section. */
  request(lifeSeconds?: number): MintRequest;
  plan(provider: Provider, section: JsonObject, request?: MintRequest): Plan;
  pass(seconds: number): void;
  /** @throws Error when the server met a request that it does not know. */
  close(): Promise<void>;
}

/** A provider of the kind, as the configuration would make it. */
export function makeProvider(entry: JsonObject, clock: ProviderDeps['clock'], files: Options['files'] = {}): Provider {
  return vault.create('vault-main', VaultConfig.parse(entry), {
    clock,
    issuer: 'http://127.0.0.1:8080',
    introspectingAudiences: new Set(),
    reservedAudiences: new Set(),
    signer: { sign: () => Promise.reject(new Error('nothing is signed here')) },
    readFile: async (path) => {
      const text = files[path];
      if (text === undefined) throw new Error('no such file');
      return typeof text === 'string' ? text : text();
    },
  });
}

export async function vaultWorld(time?: () => number): Promise<FakeVaultWorld> {
  const server = makeServer(time);
  const door = await openDoor(server);
  const admin = adminOf(door.url, server.rootToken());
  await admin.call('POST', 'sys/auth/approle', { type: 'approle' });
  const made = await setUp(admin);
  await admin.call('POST', 'database/roles/readonly', { default_ttl: '1h', max_ttl: '24h' });
  const clock = { now: server.now, offsetMs: () => 0 };
  const ids = makeIds(randomBytes, () => server.now().getTime());
  const doors: Door[] = [door];
  const providers: Provider[] = [];

  const provider: VaultWorld['provider'] = ({ door: { url } = door, config = {}, files = {} } = {}) => {
    const auth = { method: 'approle', role_id: made.roleId, secret_id: made.secretId };
    const created = makeProvider({ address: url, auth, allow_policy_templates: true, ...config }, clock, files);
    providers.push(created);
    return created;
  };

  const state = server.state();
  const tokensOf = (mint: MintId) => [...state.tokens.values()].filter((token) => token.meta?.['writ_mint'] === mint);
  const leasesOf = (mint: MintId) => [...state.leases.values()].filter((lease) => state.mintOf(lease.token) === mint);

  const world: FakeVaultWorld = {
    names: NAMES,
    shortestLifeSeconds: 1,
    url: door.url,
    server,
    door,
    now: server.now,
    passTo: async (instant) => server.advanceTo(instant),
    async isAlive(mint) {
      const usable = tokensOf(mint).some(
        (token) => state.alive(token) && state.entities.get(token.entity)?.disabled !== true,
      );
      return usable || leasesOf(mint).length > 0;
    },
    async traces(mint) {
      const name = `writ-${mint}`;
      return [
        ...tokensOf(mint).map((token) => `token ${token.accessor}`),
        ...leasesOf(mint).map((lease) => `lease ${lease.id}`),
        ...(state.entityOf(name) ? [`entity ${name}`] : []),
        ...(state.policies.has(name) ? [`policy ${name}`] : []),
      ];
    },
    admits: async ({ username, password }) => server.database.admits(username, password),
    admin,
    made,
    clock,
    provider,
    async troubled(trouble = {}, options = {}) {
      const own = await openDoor(server);
      doors.push(own);
      own.trouble = trouble;
      const behind = provider({ ...options, door: own });
      const close = async () => {
        await behind.close();
        await own.close();
      };
      return { door: own, provider: { ...behind, close } };
    },
    request(lifeSeconds = 600) {
      const now = server.now();
      const endsAt = new Date(now.getTime() + lifeSeconds * 1000);
      const subject = { trust: 'mesh', id: 'spiffe://dev.local/agent/a' };
      return { mint: ids.mint(), grant: ids.grant(), task: ids.task(), subject, now, endsAt };
    },
    plan: (of, section, request = world.request()) =>
      of.plan(vaultProfile(VaultSection.parse(section)), PARAMETERS, request),
    pass: (seconds) => server.advanceTo(new Date(server.now().getTime() + seconds * 1000)),
    async close() {
      for (const each of providers) await each.close();
      for (const each of doors) await each.close();
      if (server.complaints.length > 0) throw new Error(server.complaints.join('\n'));
    },
  };
  return world;
}

export function recordOf(plan: Plan, request: MintRequest): MintRecord {
  const stored = JSON.parse(JSON.stringify(plan.request)) as JsonObject;
  return { mint: plan.mint, grant: request.grant, endsAt: plan.endsAt, request: stored };
}
