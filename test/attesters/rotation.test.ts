/** Keys that come and go, at a real issuer over HTTP. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeTestKey, startIssuer, type TestIssuer } from '../support/issuer.ts';
import { AUDIENCE, OPERATORS_AUDIENCE, makeHarness, type EntryText, type Harness } from './harness.ts';

let issuer: TestIssuer;
beforeEach(async () => {
  issuer = await startIssuer();
});
afterEach(() => issuer.close());

const oidc = (config: object = {}): EntryText => ({ kind: 'oidc', config: { issuer: issuer.url, ...config } });
const byUrl = () => oidc({ jwks: { url: issuer.jwksUrl } });
const mint = (harness: Harness, claims: object = {}, options: object = {}) =>
  issuer.mint({ aud: AUDIENCE, jti: Math.random(), ...claims }, { now: harness.now, ...options });
const jwksRequests = () => issuer.requests.get('/jwks.json') ?? 0;
const settle = () => new Promise((resolve) => setTimeout(resolve, 50));

test('keys rotate without a restart', async () => {
  const harness = makeHarness([byUrl()]);
  expect(await harness.outcome(mint(harness))).toBe('someone');
  for (let i = 0; i < 3; i++) {
    harness.advance(10);
    issuer.rotate({ keep: i === 0 });
    expect(await harness.outcome(mint(harness))).toBe('someone');
  }
  expect(jwksRequests()).toBe(4);
});

test('a rotated key is found without a kid, too', async () => {
  const harness = makeHarness([byUrl()]);
  expect(await harness.outcome(mint(harness))).toBe('someone');
  harness.advance(10);
  issuer.rotate();
  expect(await harness.outcome(mint(harness, {}, { header: { kid: undefined } }))).toBe('someone');
});

test('a remembered token is refused once its key has left, long before its end', async () => {
  const harness = makeHarness([byUrl()]);
  const token = mint(harness, { exp: Math.floor(harness.now.getTime() / 1000) + 3_000 });
  expect(await harness.outcome(token)).toBe('someone');
  issuer.rotate();
  harness.advance(301);
  expect(await harness.outcome(token)).toBe('someone');
  await settle();
  expect(await harness.outcome(token)).toBe('evidence_invalid');
});

test('unknown kids do not make the broker hammer the issuer', async () => {
  const harness = makeHarness([byUrl()]);
  await harness.outcome(mint(harness));
  harness.advance(60);
  const before = jwksRequests();
  for (let i = 0; i < 100; i++) {
    const token = mint(harness, {}, { key: makeTestKey(`unknown-${i}`) });
    expect(await harness.outcome(token)).toBe('evidence_invalid');
    harness.advance(0.09);
  }
  expect(jwksRequests() - before).toBe(1);
  // Those who come with a good token are served all the while.
  expect(await harness.outcome(mint(harness))).toBe('someone');
});

test('a forged token that names a known key makes nobody look', async () => {
  const harness = makeHarness([byUrl()]);
  await harness.outcome(mint(harness));
  harness.advance(60);
  const forged = mint(harness, {}, { key: makeTestKey(issuer.key().kid) });
  expect(await harness.outcome(forged)).toBe('evidence_invalid');
  expect(jwksRequests()).toBe(1);
});

test('the bound is the source’s: entries and operators that share it do not multiply it', async () => {
  const harness = makeHarness(
    [
      { ...byUrl(), name: 'one' },
      { ...byUrl(), name: 'two' },
    ],
    [
      {
        issuer: issuer.url,
        jwks: { url: issuer.jwksUrl },
        audience: OPERATORS_AUDIENCE,
        roles: { auditor: { subjects: ['someone'] } },
      },
    ],
  );
  expect(await harness.outcome(mint(harness))).toBe('someone');
  expect(await harness.operatorOutcome(mint(harness, { aud: OPERATORS_AUDIENCE }))).toBe('someone');
  expect(jwksRequests()).toBe(1);
  harness.advance(60);
  for (const aud of [AUDIENCE, OPERATORS_AUDIENCE]) {
    const token = mint(harness, { aud }, { key: makeTestKey('unknown') });
    expect(await harness.outcome(token)).toBe('evidence_invalid');
    expect(await harness.operatorOutcome(token)).toBe('evidence_invalid');
  }
  expect(jwksRequests()).toBe(2);
});

test('an issuer that is down is ridden out within the bound, then it is a fault, and it shows', async () => {
  const harness = makeHarness([byUrl()]);
  await harness.outcome(mint(harness));
  issuer.down = true;
  for (let minutes = 0; minutes < 235; minutes += 5) {
    harness.advance(300);
    expect(await harness.outcome(mint(harness))).toBe('someone');
    await settle();
  }
  expect(harness.attesters[0]?.status()).toMatchObject({ healthy: false, keysAgeSeconds: 14_100 });
  expect(harness.attesters[0]?.status().lastError).toMatch(/503/);
  harness.advance(301);
  expect(await harness.outcome(mint(harness))).toBe('evidence_source_unavailable');
  issuer.down = false;
  harness.advance(5);
  expect(await harness.outcome(mint(harness))).toBe('someone');
  expect(harness.attesters[0]?.status()).toMatchObject({ healthy: true, keysAgeSeconds: 0 });
}, 20_000);

test('an issuer that was never reached is a fault, not a refusal', async () => {
  issuer.down = true;
  const harness = makeHarness([byUrl()]);
  expect(await harness.outcome(mint(harness))).toBe('evidence_source_unavailable');
});

test('an issuer that is away does not hide another entry that accepts', async () => {
  const harness = makeHarness([
    { ...oidc({ jwks: { url: `${issuer.url}/nowhere.json` } }), name: 'away' },
    { ...byUrl(), name: 'there' },
  ]);
  expect(await harness.attest({ kind: 'bearer', token: mint(harness) }, harness.now)).toMatchObject({ trust: 'there' });
});

describe('files', () => {
  test('are read again when they change, and survive a moment of absence or half a text', async () => {
    const harness = makeHarness([oidc({ jwks: { file: 'jwks.json' } })]);
    expect(await harness.outcome(mint(harness))).toBe('evidence_source_unavailable');
    harness.files.set('jwks.json', issuer.jwks());
    harness.advance(1);
    expect(await harness.outcome(mint(harness))).toBe('someone');

    harness.files.set('jwks.json', '{"keys":');
    harness.advance(5);
    expect(await harness.outcome(mint(harness))).toBe('someone');
    expect(harness.attesters[0]?.status().healthy).toBe(false);

    const old = mint(harness);
    issuer.rotate();
    harness.files.set('jwks.json', issuer.jwks());
    harness.advance(5);
    expect(await harness.outcome(mint(harness))).toBe('someone');
    expect(await harness.outcome(old)).toBe('evidence_invalid');
    expect(issuer.requests.size).toBe(0);
  });
});

describe('discovery', () => {
  test('finds the keys', async () => {
    const harness = makeHarness([oidc()]);
    expect(await harness.outcome(mint(harness))).toBe('someone');
  });

  test.each<[string, () => object]>([
    ['another issuer', () => ({ issuer: 'https://attacker.example' })],
    ['the issuer with a slash', () => ({ issuer: `${issuer.url}/` })],
    ['no issuer', () => ({ issuer: undefined })],
    ['no jwks_uri', () => ({ jwks_uri: undefined })],
    ['a jwks_uri that is no text', () => ({ jwks_uri: [issuer.jwksUrl] })],
    ['a jwks_uri inside', () => ({ jwks_uri: 'https://169.254.169.254/jwks.json' })],
    ['a jwks_uri that is a file', () => ({ jwks_uri: 'file:///etc/passwd' })],
  ])('a document with %s is no source of keys', async (_what, members) => {
    issuer.discovery = members() as Record<string, unknown>;
    const harness = makeHarness([oidc()]);
    expect(await harness.outcome(mint(harness))).toBe('evidence_source_unavailable');
    expect(jwksRequests()).toBe(0);
  });
});

test('a redirect of the keys to a private address is refused', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(302, { location: 'https://10.0.0.1/jwks.json' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  try {
    const harness = makeHarness([oidc({ jwks: { url } })]);
    expect(await harness.outcome(mint(harness))).toBe('evidence_source_unavailable');
    expect(harness.attesters[0]?.status().lastError).toMatch(/10\.0\.0\.1/);
  } finally {
    server.close();
  }
});

test('a weak key is left out when the set is loaded, and the status says why', async () => {
  const rsa = makeTestKey('weak', 'RS256');
  issuer.keys = [issuer.key(), { ...rsa, jwk: { ...rsa.jwk, e: 'AQ' } }];
  const harness = makeHarness([byUrl()]);
  const [good] = issuer.keys;
  expect(await harness.outcome(mint(harness, {}, good ? { key: good } : {}))).toBe('someone');
  expect(await harness.outcome(mint(harness, {}, { key: rsa }))).toBe('evidence_invalid');
  expect(harness.attesters[0]?.status()).toMatchObject({ healthy: true, refusedKeys: ['rsa_exponent'] });
});
