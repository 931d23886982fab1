import { parseSpiffeId } from '../../src/attesters/spiffe/id.ts';
import { makeTestKey, startIssuer, type TestIssuer } from '../support/issuer.ts';
import { AUDIENCE, makeHarness, problemsOf } from './harness.ts';

const long = (bytes: number) => `spiffe://td.example/${'a'.repeat(bytes - 'spiffe://td.example/'.length)}`;

test.each([
  ['spiffe://prod.example/agent/one', 'prod.example', '/agent/one'],
  ['spiffe://prod.example/a', 'prod.example', '/a'],
  ['spiffe://10.0.0.1/Agent_1-2.3/...', '10.0.0.1', '/Agent_1-2.3/...'],
  ['spiffe://under_score-1/9eebccd2-12bf', 'under_score-1', '/9eebccd2-12bf'],
  [long(2_048), 'td.example', long(2_048).slice('spiffe://td.example'.length)],
])('a SPIFFE id: %s', (text, trustDomain, path) => {
  expect(parseSpiffeId(text)).toEqual({ trustDomain, path });
});

test.each([
  ['nothing', ''],
  ['another scheme', 'https://prod.example/agent'],
  ['an upper-case scheme', 'SPIFFE://prod.example/agent'],
  ['an upper-case trust domain', 'spiffe://Prod.example/agent'],
  ['no trust domain', 'spiffe:///agent'],
  ['the trust domain itself', 'spiffe://prod.example'],
  ['the root path', 'spiffe://prod.example/'],
  ['a trailing slash', 'spiffe://prod.example/agent/'],
  ['an empty segment', 'spiffe://prod.example/agent//one'],
  ['a dot segment', 'spiffe://prod.example/./agent'],
  ['two dots', 'spiffe://prod.example/agent/../admin'],
  ['percent-encoding', 'spiffe://prod.example/%61gent'],
  ['percent-encoding in the domain', 'spiffe://prod%2eexample/agent'],
  ['a port', 'spiffe://prod.example:443/agent'],
  ['userinfo', 'spiffe://user@prod.example/agent'],
  ['a query', 'spiffe://prod.example/agent?x=1'],
  ['a fragment', 'spiffe://prod.example/agent#x'],
  ['a space', 'spiffe://prod.example/agent one'],
  ['letters outside ASCII', 'spiffe://prod.example/ägent'],
  ['a line end', 'spiffe://prod.example/agent\n'],
  ['more than 2048 bytes', long(2_049)],
  ['a trust domain of 256 bytes', `spiffe://${'a'.repeat(256)}/agent`],
])('no SPIFFE id: %s', (_what, text) => {
  expect(parseSpiffeId(text)).toBeUndefined();
});

describe('JWT-SVIDs', () => {
  let issuer: TestIssuer;
  beforeEach(async () => {
    issuer = await startIssuer();
  });
  afterEach(() => issuer.close());

  const entry = (trust_domain = 'prod.example', bundle: object = { url: issuer.bundleUrl }, name = 'mesh') => ({
    name,
    kind: 'spiffe',
    config: { trust_domain, bundle },
  });
  const claims = { aud: AUDIENCE, sub: 'spiffe://prod.example/agent/one', iss: undefined };

  test('an identity has its path as an attribute, and no groups', async () => {
    const harness = makeHarness([entry()]);
    const token = issuer.mint({ ...claims, groups: ['admins'] }, { now: harness.now });
    expect(await harness.attest({ kind: 'bearer', token }, harness.now)).toEqual({
      id: 'spiffe://prod.example/agent/one',
      trust: 'mesh',
      attributes: { trust_domain: 'prod.example', path: '/agent/one' },
      groups: [],
      expiresAt: new Date('2026-11-23T12:05:00Z'),
      vouchedUntil: new Date('2026-11-23T12:05:00Z'),
    });
  });

  test('an entry that vouches for longer says so anew at each use', async () => {
    const harness = makeHarness([{ ...entry(), vouchesFor: 3_600 }]);
    const token = issuer.mint(claims, { now: harness.now });
    const vouched = async () => (await harness.attest({ kind: 'bearer', token }, harness.now)).vouchedUntil;
    expect(await vouched()).toEqual(new Date('2026-11-23T13:00:00Z'));
    harness.advance(60);
    expect(await vouched()).toEqual(new Date('2026-11-23T13:01:00Z'));
  });

  test.each([
    ['RS256', 'RS256', undefined],
    ['ES256', 'ES256', undefined],
    ['ES256, JOSE', 'ES256', 'JOSE'],
  ] as const)('accepted: %s', async (_what, alg, typ) => {
    issuer.rotate({ alg });
    const harness = makeHarness([entry()]);
    const token = issuer.mint(claims, { now: harness.now, header: { typ } });
    expect(await harness.outcome(token)).toBe(claims.sub);
  });

  test.each<[string, object]>([
    ['EdDSA', { alg: 'EdDSA' }],
    ['another spelling of the type', { typ: 'jwt' }],
    ['the type as a media type', { typ: 'application/JWT' }],
    ['a header that is not described', { x5t: 'abc' }],
    ['a private header', { 'writ.test/role': 'admin' }],
  ])('refused: %s', async (_what, header) => {
    issuer.rotate({ alg: 'alg' in header ? 'EdDSA' : 'ES256' });
    const harness = makeHarness([entry()]);
    const token = issuer.mint(claims, { now: harness.now, header: { ...header } });
    expect(await harness.outcome(token)).toBe('evidence_invalid');
  });

  test.each([
    ['spiffe://prod.example', 'evidence_invalid'],
    ['spiffe://prod.example/', 'evidence_invalid'],
    ['spiffe://prod.example/agent/', 'evidence_invalid'],
    ['spiffe://prod.example/a/../b', 'evidence_invalid'],
    ['spiffe://prod.example/%61', 'evidence_invalid'],
    ['spiffe://prod.example.attacker.example/agent', 'evidence_untrusted'],
    ['spiffe://PROD.example/agent', 'evidence_untrusted'],
    ['https://prod.example/agent', 'evidence_untrusted'],
  ])('subject %s: %s', async (sub, want) => {
    const harness = makeHarness([entry()]);
    expect(await harness.outcome(issuer.mint({ ...claims, sub }, { now: harness.now }))).toBe(want);
  });

  test('the bundle is chosen by the trust domain of the subject, and two are never merged', async () => {
    const other = await startIssuer();
    try {
      const harness = makeHarness([entry(), entry('other.example', { url: other.bundleUrl }, 'other')]);
      const sub = 'spiffe://other.example/agent/one';
      const now = harness.now;
      expect(await harness.outcome(other.mint({ ...claims, sub }, { now }))).toBe(sub);
      // Each signs for the other's trust domain.
      expect(await harness.outcome(issuer.mint({ ...claims, sub }, { now }))).toBe('evidence_invalid');
      expect(await harness.outcome(other.mint(claims, { now }))).toBe('evidence_invalid');
    } finally {
      await other.close();
    }
  });

  test('without a kid each key of the fitting type is tried', async () => {
    const first = issuer.key();
    issuer.rotate({ keep: true, alg: 'RS256' });
    issuer.rotate({ keep: true });
    const harness = makeHarness([entry()]);
    for (const key of [first, issuer.key()]) {
      const token = issuer.mint(claims, { now: harness.now, key, header: { kid: undefined } });
      expect(await harness.outcome(token)).toBe(claims.sub);
    }
    expect(issuer.requests.get('/bundle.json')).toBe(1);
  });

  test.each([
    ['x509-svid', 'x509-svid'],
    ['none', undefined],
    ['sig', 'sig'],
  ])('keys for another use are not trusted: %s', async (_what, use) => {
    const harness = makeHarness([entry('prod.example', { file: 'bundle.json' })]);
    harness.files.set('bundle.json', JSON.stringify({ keys: [{ ...issuer.key().jwk, use }] }));
    expect(await harness.outcome(issuer.mint(claims, { now: harness.now }))).toBe('evidence_invalid');
  });

  test('an emptied bundle trusts nothing', async () => {
    const harness = makeHarness([entry('prod.example', { file: 'bundle.json' })]);
    harness.files.set('bundle.json', issuer.bundleText());
    const token = issuer.mint(claims, { now: harness.now });
    expect(await harness.outcome(token)).toBe(claims.sub);
    harness.files.set('bundle.json', '{"keys":[]}');
    harness.advance(5);
    expect(await harness.outcome(token)).toBe('evidence_invalid');
  });

  test.each([
    [60, 61, 2],
    [1, 29, 1],
    [1, 31, 2],
    [2_419_200, 3_601, 2],
    [undefined, 299, 1],
    [undefined, 301, 2],
  ])(
    'refresh hint %p: after %i s the bundle has been fetched %i times',
    async (spiffe_refresh_hint, seconds, times) => {
      issuer.bundle = { spiffe_refresh_hint };
      const harness = makeHarness([{ ...entry(), maxAge: 100_000 }]);
      const token = () => issuer.mint({ ...claims, jti: Math.random() }, { now: harness.now });
      await harness.outcome(token());
      harness.advance(seconds);
      await harness.outcome(token());
      await harness.outcome(token());
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(issuer.requests.get('/bundle.json')).toBe(times);
    },
  );

  test('a thief who knows the kid', async () => {
    const harness = makeHarness([entry()]);
    const token = issuer.mint(claims, { now: harness.now, key: makeTestKey(issuer.key().kid) });
    expect(await harness.outcome(token)).toBe('evidence_invalid');
  });
});

test.each<[string, object, RegExp]>([
  ['no trust domain', { bundle: { file: 'b' } }, /^trust_domain: /],
  ['upper case', { trust_domain: 'Prod.example', bundle: { file: 'b' } }, /^trust_domain: must be a trust domain/],
  ['an id', { trust_domain: 'spiffe://prod.example', bundle: { file: 'b' } }, /^trust_domain: must be a trust domain/],
  ['no bundle', { trust_domain: 'prod.example' }, /^bundle: /],
  [
    'file and url',
    { trust_domain: 'a', bundle: { file: 'b', url: 'https://c.example' } },
    /^bundle: give either file or url/,
  ],
  ['neither', { trust_domain: 'a', bundle: {} }, /^bundle: give either file or url/],
  ['ca_file with file', { trust_domain: 'a', bundle: { file: 'b', ca_file: 'c' } }, /^bundle: ca_file and token_file/],
  ['no URL', { trust_domain: 'a', bundle: { url: 'b' } }, /^bundle.url: must be an https URL/],
  ['an unknown key', { trust_domain: 'a', bundle: { file: 'b' }, audiance: 'x' }, /audiance/],
  ['an unknown key inside', { trust_domain: 'a', bundle: { file: 'b', path: 'x' } }, /path/],
])('configuration: %s', (_what, config, message) => {
  expect(problemsOf('spiffe', config)).toEqual([expect.stringMatching(message)]);
});
