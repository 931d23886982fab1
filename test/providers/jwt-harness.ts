import { randomBytes } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import type { MintId } from '../../src/domain/ids.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import type { Profile } from '../../src/domain/profile.ts';
import { Secret } from '../../src/domain/secret.ts';
import { makeKeyRing } from '../../src/keys/ring.ts';
import type { KeyRing } from '../../src/keys/ring.ts';
import { jwt } from '../../src/providers/jwt/index.ts';
import type { Provider, ProviderDeps, Signer } from '../../src/providers/provider.ts';
import { memoryKeyStore } from '../support/memory-key-store.ts';
import type { MemoryKeyStore } from '../support/memory-key-store.ts';
import type { ProviderHarness } from './harness.ts';

export const ISSUER = 'http://127.0.0.1:8080';
/** A resource server that asks about each token, and one that verifies offline. */
export const ASKING = 'https://tools.example';
export const OFFLINE = 'https://offline.example';

export function jwtProfile(section: JsonObject = {}, parameters: Profile['parameters'] = {}): Profile {
  return {
    name: 'tools-refund-read',
    provider: 'tools',
    owner: 'payments',
    environment: 'development',
    effect: 'read',
    ttl: { default: 300, max: 3_600, min: 2 },
    parameters,
    section: { audience: ASKING, scope: 'refund:read', ...section },
  };
}

/** A member that must be a string. */
export function text(value: Json | undefined): string {
  if (typeof value !== 'string') throw new Error('not a string');
  return value;
}

export interface JwtWorld {
  readonly store: MemoryKeyStore;
  readonly ring: KeyRing;
  readonly deps: ProviderDeps;
  readonly now: () => Date;
  readonly pass: (instant: Date) => void;
  /** A provider, with another signer or other audiences where wanted. */
  readonly provider: (deps?: Partial<ProviderDeps>, config?: { readonly max_ttl?: number }) => Provider;
}

/** A key ring over a store in memory, with a clock that is moved. */
export function jwtWorld(): JwtWorld {
  let ms = Date.parse('2026-11-23T12:00:00Z');
  const now = () => new Date(ms);
  const clock = { now, offsetMs: () => 0 };
  const store = memoryKeyStore(now);
  const encryption = [{ id: 'kek-1', key: new Secret(new Uint8Array(randomBytes(32))) }];
  const times = { rotateEverySeconds: 2_592_000, maxTokenLifeSeconds: 86_400 };
  const ring = makeKeyRing({ store, encryption, clock, classes: ['access'], ...times });
  const deps: ProviderDeps = {
    clock,
    issuer: ISSUER,
    introspectingAudiences: new Set([ASKING]),
    reservedAudiences: new Set([ISSUER, 'writ-operators']),
    signer: ring,
    readFile: () => Promise.reject(new Error('no file is read')),
  };
  return {
    store,
    ring,
    deps,
    now,
    pass: (instant) => (ms = Math.max(ms, instant.getTime() + 1)),
    provider: (others = {}, config = {}) => jwt.create('tools', config, { ...deps, ...others }),
  };
}

/** For the contract suite: the resource server verifies as RFC 9068 §4 says, and asks whether the mint is active. */
export function jwtHarness(): ProviderHarness {
  const world = jwtWorld();
  const { ring, now } = world;
  const signed = new Map<string, number>();
  const ended = new Set<string>();
  const active = (mint: string) => !ended.has(mint) && (signed.get(mint) ?? 0) * 1000 > now().getTime();

  const signer: Signer = {
    sign(tokenClass, payload) {
      if (payload['jti'] !== undefined) signed.set(text(payload['jti']), Number(payload['exp']));
      return ring.sign(tokenClass, payload);
    },
  };
  const lie = (name: string, told: (token: () => Promise<string>, payload: JsonObject) => Promise<string>) => ({
    name,
    provider: () =>
      Promise.resolve(
        world.provider({ signer: { sign: (of, payload) => told(() => signer.sign(of, payload), payload) } }),
      ),
  });
  const other = (name: string, change: JsonObject) =>
    lie(name, (_token, payload) => signer.sign('access', { ...payload, ...change }));
  const altered = (name: string, alter: (parts: readonly string[]) => readonly string[]) =>
    lie(name, async (token) => alter((await token()).split('.')).join('.'));
  const header = (value: JsonObject) => Buffer.from(JSON.stringify(value)).toString('base64url');

  return {
    provider: world.provider({ signer }),
    profile: jwtProfile(
      { claims: { order: '{{parameters.order}}' } },
      { order: { pattern: '[0-9]+', optional: false } },
    ),
    parameters: { order: '4711' },
    shortestLifeSeconds: 1,
    now,
    pass(instant) {
      world.pass(instant);
      return Promise.resolve();
    },
    ending: (mint) => void ended.add(mint),
    async use(credential) {
      const keys = createLocalJWKSet({ keys: [...(await ring.jwks()).keys] });
      const expected = { issuer: ISSUER, audience: ASKING, typ: 'at+jwt', algorithms: ['ES256'], currentDate: now() };
      const verified = await jwtVerify(text(credential['token']), keys, expected).catch(() => undefined);
      return verified && active(text(verified.payload.jti)) ? 'works' : 'refused';
    },
    secrets: (credential) => [text(credential['token']), ...text(credential['token']).split('.').slice(-1)],
    alive: (mint: MintId) => Promise.resolve(active(mint)),
    traces: () => Promise.resolve([]),
    faults: {
      lies: [
        other('a wider scope', { scope: 'refund:read refund:submit' }),
        other('another audience', { aud: OFFLINE }),
        other('another subject', { sub: 'spiffe://dev.local/agent/other' }),
        other('a later end', { exp: Math.floor(now().getTime() / 1000) + 7_200 }),
        other('a claim more', { admin: true }),
        altered('another kind of token', ([, ...rest]) => [header({ alg: 'ES256', kid: 'k', typ: 'JWT' }), ...rest]),
        altered('no algorithm', ([, ...rest]) => [header({ alg: 'none', kid: 'k', typ: 'at+jwt' }), ...rest]),
        altered('no signature', ([head = '', payload = '']) => [head, payload, '']),
        altered('a payload that is none', ([head = '', , signature = '']) => [head, 'e30', signature]),
        lie('no token', () => Promise.resolve('opaque')),
      ],
    },
    close() {
      ring.close();
      return Promise.resolve();
    },
  };
}
