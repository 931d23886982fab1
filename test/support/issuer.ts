import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type TestAlgorithm = 'ES256' | 'RS256' | 'EdDSA';

export interface TestKey {
  readonly kid: string;
  readonly alg: TestAlgorithm;
  readonly privateKey: KeyObject;
  /** Public, with `kid` and `alg`, without `use`. */
  readonly jwk: Readonly<Record<string, unknown>>;
}

/** A key of its own for each test run: none is ever written down. */
export function makeTestKey(kid: string, alg: TestAlgorithm = 'ES256'): TestKey {
  const { publicKey, privateKey } = {
    ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    EdDSA: () => generateKeyPairSync('ed25519'),
  }[alg]();
  return { kid, alg, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg } };
}

/** Signs whatever text it is given, so that a test can write what no library would. */
export function signCompact(key: TestKey, header: string, payload: string): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${signInput(key, input)}`;
}

export function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}

export function signInput({ alg, privateKey }: TestKey, input: string): string {
  const key = alg === 'ES256' ? { key: privateKey, dsaEncoding: 'ieee-p1363' as const } : privateKey;
  return sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(input), key).toString('base64url');
}

export interface MintOptions {
  /** Default: the current key. */
  readonly key?: TestKey;
  /** Over `alg`, `kid` and `typ: JWT`; `undefined` takes one away. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** `iat` and, 300 s before it, `exp`; default: now. */
  readonly now?: Date;
}

/** A local issuer over HTTP: discovery, JWKS and SPIFFE bundle of its keys, and tokens signed by the current one. */
export interface TestIssuer {
  /** Also the `iss` of its tokens: `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** `127.0.0.1:PORT`, for the outbound client's `allow`. */
  readonly host: string;
  readonly jwksUrl: string;
  readonly bundleUrl: string;
  /** How often each path was asked for, failures included. */
  readonly requests: Map<string, number>;
  /** The published keys; the last one signs. Set what you like: the documents are made when they are asked for. */
  keys: TestKey[];
  /** More members of the discovery document and of the bundle. */
  discovery: Readonly<Record<string, unknown>>;
  bundle: Readonly<Record<string, unknown>>;
  headers: Readonly<Record<string, string>>;
  /** While true every answer is a 503. */
  down: boolean;
  key(): TestKey;
  /** A new key signs from now on; the old ones go, unless they are kept beside it. */
  rotate(options?: { readonly keep?: boolean; readonly alg?: TestAlgorithm }): TestKey;
  /** Claims over `iss`, `sub: someone`, `iat`, `exp`; `undefined` takes one away. `aud` has no default. */
  mint(claims: Readonly<Record<string, unknown>>, options?: MintOptions): string;
  jwks(): string;
  bundleText(): string;
  close(): Promise<void>;
}

export async function startIssuer(alg: TestAlgorithm = 'ES256'): Promise<TestIssuer> {
  let serial = 1;
  const requests = new Map<string, number>();
  const documents: Record<string, () => string> = {
    '/jwks.json': () => issuer.jwks(),
    '/bundle.json': () => issuer.bundleText(),
    '/.well-known/openid-configuration': () =>
      JSON.stringify({ issuer: issuer.url, jwks_uri: issuer.jwksUrl, ...issuer.discovery }),
  };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.set(path, (requests.get(path) ?? 0) + 1);
    const document = issuer.down ? undefined : documents[path]?.();
    response.writeHead(issuer.down ? 503 : document === undefined ? 404 : 200, issuer.headers);
    response.end(document);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  const published = (use: string) => issuer.keys.map(({ jwk }) => ({ ...jwk, use }));
  const issuer: TestIssuer = {
    url: `http://${host}`,
    host,
    jwksUrl: `http://${host}/jwks.json`,
    bundleUrl: `http://${host}/bundle.json`,
    requests,
    keys: [makeTestKey('key-1', alg)],
    discovery: {},
    bundle: {},
    headers: {},
    down: false,
    key() {
      const key = issuer.keys.at(-1);
      if (!key) throw new Error('the issuer has no key');
      return key;
    },
    rotate({ keep = false, alg: next = alg } = {}) {
      serial += 1;
      const key = makeTestKey(`key-${serial}`, next);
      issuer.keys = keep ? [...issuer.keys, key] : [key];
      return key;
    },
    mint(claims, { key = issuer.key(), header = {}, now = new Date() } = {}) {
      const iat = Math.floor(now.getTime() / 1000);
      const payload = { iss: issuer.url, sub: 'someone', iat, exp: iat + 300, ...claims };
      return signCompact(
        key,
        JSON.stringify({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header }),
        JSON.stringify(payload),
      );
    },
    jwks: () => JSON.stringify({ keys: published('sig') }),
    bundleText: () => JSON.stringify({ spiffe_sequence: serial, keys: published('jwt-svid'), ...issuer.bundle }),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return issuer;
}
