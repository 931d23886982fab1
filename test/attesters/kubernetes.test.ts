import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { makeTestKey, startIssuer, type TestIssuer } from '../support/issuer.ts';
import { AUDIENCE, makeHarness, problemsOf, type Harness } from './harness.ts';

const ID = 'system:serviceaccount:shop:agent';
const bound = {
  namespace: 'shop',
  serviceaccount: { name: 'agent', uid: 'sa-1' },
  pod: { name: 'agent-7d9f', uid: 'pod-1' },
  node: { name: 'node-1', uid: 'node-uid-1' },
  warnafter: 1_800_000_000,
};
const claims = { aud: [AUDIENCE], sub: ID, 'kubernetes.io': bound };

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startIssuer('RS256');
});
afterAll(() => issuer.close());
beforeEach(() => issuer.requests.clear());

const attest = (harness: Harness, token: string) => harness.attest({ kind: 'bearer', token }, harness.now);

describe('offline', () => {
  const harnessOf = (maxAge?: number) =>
    makeHarness([
      {
        name: 'kube',
        kind: 'kubernetes',
        ...(maxAge ? { maxAge } : {}),
        config: { issuer: issuer.url, jwks: { url: issuer.jwksUrl } },
      },
    ]);

  test('a projected token names its service account, pod and node', async () => {
    const harness = harnessOf();
    expect(await attest(harness, issuer.mint(claims, { now: harness.now }))).toMatchObject({
      id: ID,
      trust: 'kube',
      groups: [],
      attributes: {
        namespace: 'shop',
        service_account: 'agent',
        service_account_uid: 'sa-1',
        pod: 'agent-7d9f',
        pod_uid: 'pod-1',
        node: 'node-1',
        node_uid: 'node-uid-1',
      },
    });
  });

  test('what a token of an older cluster does not say is left out', async () => {
    const harness = harnessOf();
    const token = issuer.mint(
      { ...claims, 'kubernetes.io': { namespace: 'shop', serviceaccount: { name: 'agent', uid: 'sa-1' } } },
      { now: harness.now, header: { typ: undefined } },
    );
    expect((await attest(harness, token)).attributes).toEqual({
      namespace: 'shop',
      service_account: 'agent',
      service_account_uid: 'sa-1',
    });
  });

  test('an extended token lives a year and counts an hour, or what the entry says', async () => {
    for (const maxAge of [undefined, 7_200]) {
      const harness = harnessOf(maxAge);
      const token = issuer.mint(
        { ...claims, exp: Math.floor(harness.now.getTime() / 1000) + 31_536_000 },
        { now: harness.now },
      );
      const { expiresAt } = await attest(harness, token);
      expect(expiresAt.getTime() - harness.now.getTime()).toBe((maxAge ?? 3_600) * 1_000);
      harness.advance(maxAge ?? 3_600);
      expect(await harness.outcome(token)).toBe('evidence_expired');
    }
  });

  test.each<[string, object]>([
    ['another namespace in the subject', { sub: 'system:serviceaccount:other:agent' }],
    ['another account in the subject', { sub: 'system:serviceaccount:shop:admin' }],
    ['a person', { sub: 'alice' }],
    ['a node', { sub: 'system:node:node-1' }],
    ['no bound claims', { 'kubernetes.io': undefined }],
    ['bound claims that are text', { 'kubernetes.io': 'shop' }],
    ['no namespace', { 'kubernetes.io': { serviceaccount: { name: 'agent' } } }],
    ['no account', { 'kubernetes.io': { namespace: 'shop' } }],
    ['a name that is a list', { 'kubernetes.io': { ...bound, serviceaccount: { name: ['agent'] } } }],
    [
      'a name with a separator',
      { sub: 'system:serviceaccount:shop:a:b', 'kubernetes.io': { ...bound, serviceaccount: { name: 'a:b' } } },
    ],
    // The legacy secret of a service account: no audience, no end.
    ['a legacy secret', { aud: undefined, exp: undefined, iat: undefined }],
  ])('refused: %s', async (_what, members) => {
    const harness = harnessOf();
    expect(await harness.outcome(issuer.mint({ ...claims, ...members }, { now: harness.now }))).toBe(
      'evidence_invalid',
    );
  });

  test('the JWKS of a cluster may want its own authority and a token', async () => {
    const api = await startApiServer();
    try {
      const harness = makeHarness([
        {
          kind: 'kubernetes',
          config: {
            issuer: issuer.url,
            jwks: { url: `${api.url}/openid/v1/jwks`, ca_file: 'ca.crt', token_file: 'token' },
          },
        },
      ]);
      const token = () => issuer.mint(claims, { now: harness.now });
      expect(await harness.outcome(token())).toBe('evidence_source_unavailable');
      harness.files.set('ca.crt', api.ca).set('token', 'wrong\n');
      harness.advance(5);
      expect(await harness.outcome(token())).toBe('evidence_source_unavailable');
      expect(harness.attesters[0]?.status().lastError).toMatch(/401/);
      // The right token, though this fake publishes no keys: what it said is the proof that both were used.
      harness.files.set('token', `${api.token}\n`);
      harness.advance(5);
      await harness.outcome(token());
      expect(harness.attesters[0]?.status().lastError).toMatch(/404/);
    } finally {
      await api.close();
    }
  });
});

describe('token review', () => {
  let api: TestApiServer;
  beforeEach(async () => {
    api = await startApiServer();
    api.answer = () => good;
  });
  afterEach(() => api.close());

  const user = {
    username: ID,
    uid: 'sa-1',
    groups: ['system:serviceaccounts'],
    extra: {
      'authentication.kubernetes.io/pod-name': ['agent-7d9f'],
      'authentication.kubernetes.io/pod-uid': ['pod-1'],
      'authentication.kubernetes.io/node-name': ['node-1'],
      'authentication.kubernetes.io/credential-id': ['JTI=1'],
    },
  };
  const good = { authenticated: true, audiences: [AUDIENCE], user };

  const harnessOf = (config: object = {}) => {
    const token_review = { url: `${api.url}/`, token_file: 'token', ca_file: 'ca.crt' };
    const harness = makeHarness([{ kind: 'kubernetes', config: { issuer: issuer.url, token_review, ...config } }]);
    harness.files.set('token', `${api.token}\n`).set('ca.crt', api.ca);
    return harness;
  };
  const mint = (harness: Harness, options: object = {}) =>
    issuer.mint({ ...claims, jti: Math.random() }, { now: harness.now, ...options });

  test('asks the cluster about this token and this audience; its word makes the identity', async () => {
    const harness = harnessOf();
    const token = mint(harness);
    expect(await attest(harness, token)).toMatchObject({
      id: ID,
      groups: [],
      attributes: {
        namespace: 'shop',
        service_account: 'agent',
        service_account_uid: 'sa-1',
        pod: 'agent-7d9f',
        pod_uid: 'pod-1',
        node: 'node-1',
      },
    });
    expect(api.reviews).toEqual([
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [AUDIENCE] } },
    ]);
    expect(issuer.requests.size).toBe(0);
  });

  test('a yes counts for ten seconds, a no for nothing', async () => {
    const harness = harnessOf();
    const token = mint(harness);
    await Promise.all(Array.from({ length: 10 }, () => harness.outcome(token)));
    harness.advance(9);
    expect(await harness.outcome(token)).toBe(ID);
    expect(api.reviews).toHaveLength(1);

    // The pod is deleted.
    api.answer = () => ({ authenticated: false, error: 'the pod is gone' });
    harness.advance(1);
    expect(await harness.outcome(token)).toBe('evidence_invalid');
    expect(await harness.outcome(token)).toBe('evidence_invalid');
    expect(api.reviews).toHaveLength(3);
  });

  test.each<[string, object | number | string, string]>([
    ['not authenticated', { authenticated: false, user, audiences: [AUDIENCE] }, 'evidence_invalid'],
    ['authenticated in words', { ...good, authenticated: 'true' }, 'evidence_invalid'],
    ['another audience', { ...good, audiences: ['https://kubernetes.default.svc'] }, 'evidence_invalid'],
    ['no audiences: a server that does not check them', { ...good, audiences: undefined }, 'evidence_invalid'],
    [
      'another account',
      { ...good, user: { ...user, username: 'system:serviceaccount:shop:admin' } },
      'evidence_invalid',
    ],
    ['an account of the same name, made anew', { ...good, user: { ...user, uid: 'sa-2' } }, 'evidence_invalid'],
    ['nobody', { ...good, user: undefined }, 'evidence_invalid'],
    ['no status', '{"kind":"TokenReview"}', 'evidence_source_unavailable'],
    ['no JSON', '<html>', 'evidence_source_unavailable'],
    ['forbidden: the broker may not ask', 403, 'evidence_source_unavailable'],
    ['an error', 500, 'evidence_source_unavailable'],
  ])('the cluster answers: %s', async (_what, answer, want) => {
    const harness = harnessOf();
    api.answer = () => answer;
    expect(await harness.outcome(mint(harness))).toBe(want);
    expect(harness.attesters[0]?.status().healthy).toBe(want === 'evidence_invalid');
    api.answer = () => good;
    expect(await harness.outcome(mint(harness))).toBe(ID);
    expect(harness.attesters[0]?.status().healthy).toBe(true);
  });

  test('its own token is read again each time; a wrong one is a fault that does not tell it', async () => {
    const harness = harnessOf();
    harness.files.set('token', 'very-private');
    expect(await harness.outcome(mint(harness))).toBe('evidence_source_unavailable');
    expect(harness.attesters[0]?.status().lastError).toMatch(/401/);
    expect(JSON.stringify(harness.attesters[0]?.status())).not.toMatch(/very-private/);
    harness.files.set('token', api.token);
    expect(await harness.outcome(mint(harness))).toBe(ID);
  });

  test('the cluster must be the one that ca_file names', async () => {
    const harness = harnessOf();
    harness.files.set('ca.crt', (await startApiServerCa()).ca);
    expect(await harness.outcome(mint(harness))).toBe('evidence_source_unavailable');
    expect(api.reviews).toEqual([]);
  });

  test('what is expired or for others is refused without asking', async () => {
    const harness = harnessOf();
    expect(await harness.outcome(issuer.mint({ ...claims, aud: 'x' }, { now: harness.now }))).toBe('evidence_invalid');
    expect(await harness.outcome(issuer.mint({ ...claims, sub: 'alice' }, { now: harness.now }))).toBe(
      'evidence_invalid',
    );
    const old = mint(harness);
    harness.advance(300);
    expect(await harness.outcome(old)).toBe('evidence_expired');
    expect(api.reviews).toEqual([]);
  });

  test('with keys as well, the cluster is asked only about tokens that were signed', async () => {
    const harness = harnessOf({ jwks: { url: issuer.jwksUrl } });
    const forged = mint(harness, { key: makeTestKey(issuer.key().kid, 'RS256') });
    expect(await harness.outcome(forged)).toBe('evidence_invalid');
    expect(api.reviews).toEqual([]);
    expect(await harness.outcome(mint(harness))).toBe(ID);
    expect(api.reviews).toHaveLength(1);
  });

  test('with keys as well, either being away makes the entry unhealthy', async () => {
    const harness = harnessOf({ jwks: { url: issuer.jwksUrl } });
    issuer.down = true;
    expect(await harness.outcome(mint(harness))).toBe('evidence_source_unavailable');
    expect(harness.attesters[0]?.status().healthy).toBe(false);
    issuer.down = false;
    harness.advance(5);
    api.answer = () => 500;
    expect(await harness.outcome(mint(harness))).toBe('evidence_source_unavailable');
    expect(harness.attesters[0]?.status()).toMatchObject({ healthy: false, keysAgeSeconds: 0 });
    api.answer = () => good;
    expect(await harness.outcome(mint(harness))).toBe(ID);
    expect(harness.attesters[0]?.status()).toMatchObject({ healthy: true });
  });

  async function startApiServerCa(): Promise<{ ca: string }> {
    const other = await startApiServer();
    await other.close();
    return { ca: other.ca };
  }
});

test.each<[string, object, RegExp]>([
  ['no issuer', { issuer: undefined }, /^issuer: /],
  ['token review without a token', { token_review: { url: 'https://kube.example' } }, /^token_review.token_file: /],
  [
    'token review at no URL',
    { token_review: { url: 'kube', token_file: 't' } },
    /^token_review.url: must be an https URL/,
  ],
  ['an unknown key', { namespace: 'shop' }, /namespace/],
])('configuration: %s', (_what, members, message) => {
  expect(problemsOf('kubernetes', { issuer: 'https://kube.example', ...members })).toEqual([
    expect.stringMatching(message),
  ]);
});
