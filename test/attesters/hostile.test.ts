/** What every kind must refuse, and the operators' door with it: one table, run on each. */
import { createHmac, createPublicKey } from 'node:crypto';
import {
  base64url,
  makeTestKey,
  signCompact,
  signInput,
  startIssuer,
  type MintOptions,
  type TestIssuer,
} from '../support/issuer.ts';
import { AUDIENCE, OPERATORS_AUDIENCE, makeHarness, type Harness } from './harness.ts';

type Claims = Readonly<Record<string, unknown>>;

interface Subject {
  readonly name: string;
  readonly alg: 'ES256' | 'RS256';
  /** Claims over `iss`, `iat`, `exp` of a token that is accepted. */
  readonly claims: Claims;
  readonly id: string;
  readonly harness: (issuer: TestIssuer) => Harness;
  readonly outcome: (harness: Harness, token: string) => Promise<string>;
  /** What another trust domain or issuer looks like. */
  readonly foreign: Claims;
  readonly issuedAtRequired: boolean;
}

const workload = (harness: Harness, token: string) => harness.outcome(token);

const SUBJECTS: readonly Subject[] = [
  {
    name: 'spiffe',
    alg: 'ES256',
    claims: { aud: AUDIENCE, sub: 'spiffe://prod.example/agent/one', iss: undefined },
    id: 'spiffe://prod.example/agent/one',
    harness: ({ bundleUrl }) =>
      makeHarness([{ kind: 'spiffe', config: { trust_domain: 'prod.example', bundle: { url: bundleUrl } } }]),
    outcome: workload,
    foreign: { sub: 'spiffe://other.example/agent/one' },
    issuedAtRequired: false,
  },
  {
    name: 'oidc',
    alg: 'ES256',
    claims: { aud: AUDIENCE, sub: 'one' },
    id: 'agent:one',
    harness: ({ url }) =>
      makeHarness([{ kind: 'oidc', config: { issuer: url, algorithms: ['ES256'], id: 'agent:{sub}' } }]),
    outcome: workload,
    foreign: { iss: 'https://attacker.example' },
    issuedAtRequired: true,
  },
  {
    name: 'kubernetes',
    alg: 'RS256',
    claims: {
      aud: [AUDIENCE],
      sub: 'system:serviceaccount:shop:agent',
      'kubernetes.io': { namespace: 'shop', serviceaccount: { name: 'agent', uid: 'u-1' } },
    },
    id: 'system:serviceaccount:shop:agent',
    harness: ({ url, jwksUrl }) =>
      makeHarness([{ kind: 'kubernetes', config: { issuer: url, jwks: { url: jwksUrl } } }]),
    outcome: workload,
    foreign: { iss: 'https://attacker.example' },
    issuedAtRequired: true,
  },
  {
    name: 'github_actions',
    alg: 'RS256',
    claims: {
      aud: AUDIENCE,
      sub: 'repo:acme/shop:ref:refs/heads/main',
      repository: 'acme/shop',
      repository_id: '5678',
      repository_owner_id: '1234',
      workflow_ref: 'acme/shop/.github/workflows/deploy.yml@refs/heads/main',
    },
    id: 'github:1234/5678:.github/workflows/deploy.yml@refs/heads/main',
    harness: ({ url }) =>
      makeHarness([{ kind: 'github_actions', config: { issuer: url, repository_owner_id: ['1234'] } }]),
    outcome: workload,
    foreign: { iss: 'https://token.actions.githubusercontent.com' },
    issuedAtRequired: true,
  },
  {
    name: 'operators',
    alg: 'ES256',
    claims: { aud: OPERATORS_AUDIENCE, sub: 'ada', groups: ['sec-oncall'] },
    id: 'ada',
    harness: ({ url }) =>
      makeHarness([], [{ issuer: url, audience: OPERATORS_AUDIENCE, roles: { security: { groups: ['sec-oncall'] } } }]),
    outcome: (harness, token) => harness.operatorOutcome(token),
    foreign: { iss: 'https://attacker.example' },
    issuedAtRequired: true,
  },
];

describe.each(SUBJECTS)('$name', (subject) => {
  let issuer: TestIssuer;
  let harness: Harness;

  beforeAll(async () => {
    issuer = await startIssuer(subject.alg);
  });
  afterAll(() => issuer.close());
  beforeEach(() => {
    harness = subject.harness(issuer);
  });

  const mint = (claims: Claims = {}, options: MintOptions = {}) =>
    issuer.mint({ ...subject.claims, ...claims }, { now: harness.now, ...options });
  const outcome = (token: string) => subject.outcome(harness, token);
  const seconds = (offset: number) => Math.floor(harness.now.getTime() / 1000) + offset;
  const payloadOf = (token: string) => Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();

  test('a good token is accepted', async () => {
    expect(await outcome(mint())).toBe(subject.id);
    expect(await outcome(mint({ aud: ['someone-else', ...[subject.claims['aud']].flat()] }))).toBe(subject.id);
    expect(await outcome(mint({}, { header: { typ: undefined } }))).toBe(subject.id);
    expect(await outcome(mint({}, { header: { kid: undefined } }))).toBe(subject.id);
  });

  test.each<[string, Claims, string]>([
    ['another issuer or trust domain', subject.foreign, 'evidence_untrusted'],
    ['no issuer and no subject', { iss: undefined, sub: undefined }, 'evidence_untrusted'],
    ['an issuer that is a list', { iss: ['x'], sub: ['x'] }, 'evidence_untrusted'],
    ['another audience', { aud: 'https://other.test' }, 'evidence_invalid'],
    ['the audience as a prefix', { aud: `${AUDIENCE}/` }, 'evidence_invalid'],
    ['no audience', { aud: undefined }, 'evidence_invalid'],
    ['an empty list of audiences', { aud: [] }, 'evidence_invalid'],
    ['audiences that are not all text', { aud: [AUDIENCE, OPERATORS_AUDIENCE, 1] }, 'evidence_invalid'],
    ['audiences in an object', { aud: { 0: AUDIENCE } }, 'evidence_invalid'],
    ['no exp', { exp: undefined }, 'evidence_invalid'],
    ['exp that is text', { exp: '2000000000' }, 'evidence_invalid'],
    ['exp that is null', { exp: null }, 'evidence_invalid'],
    ['iat that is text', { iat: '1' }, 'evidence_invalid'],
    ['nbf that is text', { nbf: '1' }, 'evidence_invalid'],
    ['bound to a key that nobody has proven', { cnf: { jkt: 'x' } }, 'evidence_invalid'],
    ['no subject', { sub: undefined }, subject.name === 'spiffe' ? 'evidence_untrusted' : 'evidence_invalid'],
  ])('claims: %s', async (_what, claims, want) => {
    if (subject.name === 'github_actions' && 'sub' in claims && !('iss' in claims)) {
      // The subject of GitHub is a format that repositories choose: nothing hangs on it.
      expect(await outcome(mint(claims))).toBe(subject.id);
    } else expect(await outcome(mint(claims))).toBe(want);
  });

  test.each<[string, { exp?: number; iat?: number; nbf?: number }, string]>([
    ['expired a second ago', { exp: -1 }, 'evidence_expired'],
    ['expiring now', { exp: 0 }, 'evidence_expired'],
    ['one second left', { exp: 1 }, 'accepted'],
    ['not before in a minute', { nbf: 60 }, 'evidence_not_yet_valid'],
    ['not before in six seconds', { nbf: 6 }, 'evidence_not_yet_valid'],
    ['not before in four seconds: clocks differ', { nbf: 4 }, 'accepted'],
    ['issued in a minute', { iat: 60 }, 'evidence_not_yet_valid'],
    ['issued an hour ago, good for a year', { iat: -3_600, exp: 31_536_000 }, 'evidence_expired'],
    ['issued nearly an hour ago, good for a year', { iat: -3_599, exp: 31_536_000 }, 'accepted'],
    ['an end beyond all dates', { exp: 1e300 }, 'accepted'],
    ['an issue beyond all dates', { iat: 1e300, exp: 1e300 }, 'evidence_not_yet_valid'],
  ])('time: %s', async (_what, offsets, want) => {
    // Operators' tokens are given twelve hours by default; here their entry has the same hour as the others.
    if (subject.name === 'operators') {
      const entry = { issuer: issuer.url, audience: OPERATORS_AUDIENCE, roles: {}, max_age: '1h' };
      harness = makeHarness([], [entry]);
    }
    const times = Object.fromEntries(Object.entries(offsets).map(([name, offset]) => [name, seconds(offset)]));
    expect(await outcome(mint(times))).toBe(want === 'accepted' ? subject.id : want);
  });

  test('no iat: an age that cannot be told is refused, or bounded by what is left', async () => {
    const year = mint({ iat: undefined, exp: seconds(31_536_000) });
    const short = mint({ iat: undefined, exp: seconds(300) });
    expect(await outcome(year)).toBe('evidence_invalid');
    expect(await outcome(short)).toBe(subject.issuedAtRequired ? 'evidence_invalid' : subject.id);
  });

  describe('algorithms and keys', () => {
    test('none', async () => {
      const payload = base64url(payloadOf(mint()));
      for (const alg of ['none', 'None', 'NONE', '']) {
        expect(await outcome(`${base64url(JSON.stringify({ alg }))}.${payload}.AAAA`)).toBe('evidence_invalid');
      }
      expect(await outcome(`${base64url('{"alg":"none"}')}.${payload}.`)).toBe('evidence_malformed');
    });

    test.each(['pem', 'der', 'jwk'])('HMAC with the public key as its secret (%s)', async (format) => {
      const publicKey = createPublicKey(issuer.key().privateKey);
      const secret =
        format === 'jwk'
          ? JSON.stringify(publicKey.export({ format: 'jwk' }))
          : format === 'pem'
            ? publicKey.export({ format: 'pem', type: 'spki' })
            : publicKey.export({ format: 'der', type: 'spki' });
      const input = `${base64url(JSON.stringify({ alg: 'HS256', kid: issuer.key().kid }))}.${base64url(payloadOf(mint()))}`;
      const mac = createHmac('sha256', secret).update(input).digest('base64url');
      expect(await outcome(`${input}.${mac}`)).toBe('evidence_invalid');
    });

    test('a key of somebody else, under the same kid, another or none', async () => {
      const thief = makeTestKey(issuer.key().kid, subject.alg);
      expect(await outcome(mint({}, { key: thief }))).toBe('evidence_invalid');
      expect(await outcome(mint({}, { key: thief, header: { kid: 'other' } }))).toBe('evidence_invalid');
      expect(await outcome(mint({}, { key: thief, header: { kid: undefined } }))).toBe('evidence_invalid');
    });

    test('an embedded key, and a URL of keys that nobody fetches', async () => {
      const thief = makeTestKey('thief', subject.alg);
      const before = new Map(issuer.requests);
      for (const header of [{ jwk: thief.jwk }, { jku: issuer.jwksUrl }, { x5u: issuer.jwksUrl }, { x5c: ['MIIB'] }]) {
        expect(await outcome(mint({}, { key: thief, header }))).toBe('evidence_invalid');
        expect(await outcome(mint({}, { header }))).toBe('evidence_invalid');
      }
      expect(issuer.requests).toEqual(before);
    });

    test('an unknown critical extension', async () => {
      expect(await outcome(mint({}, { header: { crit: ['exp'], exp: 1 } }))).toBe('evidence_invalid');
    });

    test.each(['PS512', 'ES384', 'EdDSA', 'HS512', 'RS1', 'ML-DSA-44'])(
      '%s with a key of another type',
      async (alg) => {
        expect(await outcome(mint({}, { header: { alg } }))).toBe('evidence_invalid');
      },
    );

    test('the right type, but the key is published for another use, algorithm or operation', async () => {
      const { key, keys } = { key: issuer.key(), keys: issuer.keys };
      const without = (members: Claims) => ({ ...key, jwk: { ...key.jwk, ...members } });
      try {
        for (const members of [{ alg: 'PS384' }, { alg: 'ES384' }, { key_ops: ['sign'] }, { kty: 'oct' }]) {
          issuer.keys = [without(members)];
          harness = subject.harness(issuer);
          expect(await outcome(mint())).toBe('evidence_invalid');
        }
      } finally {
        issuer.keys = keys;
      }
    });

    test('other types of token that issuers sign with the same keys', async () => {
      for (const typ of ['logout+jwt', 'dpop+jwt', 'wit+jwt', 'txntoken+jwt', 'secevent+jwt', 'JWE', '']) {
        expect(await outcome(mint({}, { header: { typ } }))).toBe('evidence_invalid');
      }
    });

    test('a signature over other bytes', async () => {
      const [header, , signature] = mint().split('.');
      const [, payload] = mint({ extra: 'admin' }).split('.');
      expect(await outcome(`${header}.${payload}.${signature}`)).toBe('evidence_invalid');
    });
  });

  test.each<[string, (token: string) => string]>([
    ['padding', (token) => `${token}=`],
    ['a line end', (token) => `${token}\n`],
    ['a space', (token) => token.replace('.', '. ')],
    ['other spare bits', (token) => token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')],
    ['too long', (token) => token + 'A'.repeat(8_192)],
    ['nothing', () => ''],
  ])('spelling: %s, before and after the good one was accepted', async (_what, change) => {
    const token = mint();
    expect(await outcome(change(token))).toMatch(/^evidence_(malformed|invalid)$/);
    expect(await outcome(token)).toBe(subject.id);
    expect(await outcome(change(token))).toMatch(/^evidence_(malformed|invalid)$/);
  });

  test('duplicate members, signed by the issuer itself', async () => {
    const key = issuer.key();
    const header = JSON.stringify({ alg: key.alg, kid: key.kid });
    const payload = payloadOf(mint());
    const doubled = payload.replace(/\}$/, ',"sub":"admin"}');
    expect(await outcome(signCompact(key, header, payload))).toBe(subject.id);
    expect(await outcome(signCompact(key, header, doubled))).toBe('evidence_malformed');
    const twice = base64url(header.replace(/\}$/, `,"alg":"${key.alg}"}`));
    const input = `${twice}.${base64url(payload)}`;
    expect(await outcome(`${input}.${signInput(key, input)}`)).toBe('evidence_malformed');
  });

  test('a token that was accepted is refused at its end, to the second', async () => {
    const token = mint({ exp: seconds(10) });
    expect(await outcome(token)).toBe(subject.id);
    harness.advance(9.9);
    expect(await outcome(token)).toBe(subject.id);
    harness.advance(0.1);
    expect(await outcome(token)).toBe('evidence_expired');
  });
});
