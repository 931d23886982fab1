import { startIssuer, type TestIssuer } from '../support/issuer.ts';
import { AUDIENCE, codeOf, makeHarness, problemsOf } from './harness.ts';

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer.close());

/** What an entry makes of claims: the identity, or a code. */
async function identify(config: object, claims: object) {
  const harness = makeHarness([{ name: 'corp', kind: 'oidc', config: { issuer: issuer.url, ...config } }]);
  const token = issuer.mint({ aud: AUDIENCE, ...claims }, { now: harness.now });
  return codeOf(
    harness
      .attest({ kind: 'bearer', token }, harness.now)
      .then(({ id, attributes, groups }) => JSON.stringify({ id, attributes, groups })),
  ).then((text) =>
    text.startsWith('{') ? (JSON.parse(text) as { id: string; attributes: object; groups: string[] }) : text,
  );
}
const idOf = async (config: object, claims: object) => {
  const found = await identify(config, claims);
  return typeof found === 'string' ? found : found.id;
};

describe('ids', () => {
  const nested = { 'https://sts.amazonaws.com/': { org_id: 'o-1' }, google: { compute_engine: { instance_id: '42' } } };
  test.each<[string | undefined, object, string]>([
    [undefined, { sub: 'one' }, 'one'],
    ['agent:{sub}', { sub: 'one' }, 'agent:one'],
    ['agent:{sub}', { sub: 'a:b/c|d@e' }, 'agent:a:b/c|d@e'],
    ['agent:{n}', { n: 42 }, 'agent:42'],
    ['agent:{n}', { n: true }, 'agent:true'],
    ['{tenant}:{sub}', { tenant: 'acme', sub: 'x:y' }, 'acme:x:y'],
    ['{/https:~1~1sts.amazonaws.com~1/org_id}:{sub}', { ...nested, sub: 'a' }, 'o-1:a'],
    ['gce:{/google/compute_engine/instance_id}', nested, 'gce:42'],
    // An issuer whose subjects hold separators cannot be made to speak for another tenant.
    ['{tenant}:{sub}', { tenant: 'acme:x', sub: 'y' }, 'evidence_invalid'],
    ['{tenant}::{sub}', { tenant: 'acme:', sub: 'y' }, 'evidence_invalid'],
    ['agent:{team}', { sub: 'one' }, 'evidence_invalid'],
    ['agent:{sub}', { sub: '' }, 'evidence_invalid'],
    ['agent:{sub}', { sub: ['one'] }, 'evidence_invalid'],
    ['agent:{sub}', { sub: { a: 1 } }, 'evidence_invalid'],
    ['agent:{sub}', { sub: null }, 'evidence_invalid'],
    ['agent:{n}', { n: 1.5 }, 'evidence_invalid'],
    ['agent:{n}', { n: 2 ** 53 }, 'evidence_invalid'],
    ['agent:{sub}', { sub: 'one two' }, 'evidence_invalid'],
    ['agent:{sub}', { sub: 'one\u00a0two' }, 'evidence_invalid'],
    ['agent:{sub}', { sub: 'one\n' }, 'evidence_invalid'],
    ['agent:{sub}', { sub: 'one\u0000' }, 'evidence_invalid'],
    ['agent:{sub}', { sub: 'one\u202egnp' }, 'evidence_invalid'],
    ['agent:{sub}', { sub: 'one\ud800' }, 'evidence_invalid'],
    ['agent:{sub}', { sub: 'x'.repeat(1_025) }, 'evidence_invalid'],
    ['{sub}', { sub: 'spiffe://prod.example/agent/one' }, 'evidence_invalid'],
    ['{sub}', { sub: 'SPIFFE://prod.example/agent/one' }, 'evidence_invalid'],
    ['s{sub}', { sub: 'piffe://prod.example/agent/one' }, 'evidence_invalid'],
    ['{a}:{b}', { a: 'spiffe', b: '//prod.example/agent/one' }, 'evidence_invalid'],
    ['agent:{toString}', { sub: 'one' }, 'evidence_invalid'],
    ['agent:{__proto__}', { sub: 'one' }, 'evidence_invalid'],
    ['agent:{/sub/length}', { sub: 'one' }, 'evidence_invalid'],
  ])('%s of %j: %s', async (id, claims, want) => {
    expect(await idOf(id === undefined ? {} : { id }, claims)).toBe(want);
  });
});

describe('attributes', () => {
  const attributes = { team: '{team}', made: '{constructor}', unit: 'unit-{/org/unit}', who: '{first} {last}' };
  test.each<[object, object | string]>([
    [{}, {}],
    [{ team: 'pay' }, { team: 'pay' }],
    [{ team: '' }, { team: '' }],
    [{ team: 'two words' }, { team: 'two words' }],
    [
      { team: 7, org: { unit: false } },
      { team: '7', unit: 'unit-false' },
    ],
    [{ first: 'Ada', last: 'L' }, { who: 'Ada L' }],
    [{ first: 'Ada' }, {}],
    [{ first: 'Ada B', last: 'L' }, 'evidence_invalid'],
    // Left out, it might loosen a policy that forbids by it.
    [{ team: ['pay'] }, 'evidence_invalid'],
    [{ team: null }, 'evidence_invalid'],
    [{ team: 'a\u0000b' }, 'evidence_invalid'],
    [{ team: 'x'.repeat(1_025) }, 'evidence_invalid'],
  ])('%j: %j', async (claims, want) => {
    const found = await identify({ attributes }, claims);
    expect(typeof found === 'string' ? found : found.attributes).toEqual(want);
  });
});

describe('groups', () => {
  test.each<[string | undefined, object, readonly string[] | string]>([
    [undefined, { groups: ['a'] }, []],
    ['groups', { groups: ['a', 'b', 'a'] }, ['a', 'b']],
    ['groups', { groups: 'a' }, ['a']],
    ['groups', {}, []],
    ['groups', { groups: [] }, []],
    ['/realm/roles', { realm: { roles: ['r'] } }, ['r']],
    ['groups', { groups: [1] }, 'evidence_invalid'],
    ['groups', { groups: [''] }, 'evidence_invalid'],
    ['groups', { groups: ['a\u0000'] }, 'evidence_invalid'],
    ['groups', { groups: { a: 1 } }, 'evidence_invalid'],
    ['groups', { groups: null }, []],
    ['groups', { groups: Array.from({ length: 257 }, (_, i) => `g${i}`) }, 'evidence_invalid'],
  ])('%s of %j', async (groups, claims, want) => {
    const found = await identify(groups === undefined ? {} : { groups }, claims);
    expect(typeof found === 'string' ? found : found.groups).toEqual(want);
  });
});

test.each([
  ['JWT', 'one'],
  ['jwt', 'one'],
  ['at+jwt', 'one'],
  ['application/at+jwt', 'one'],
  ['application/logout+jwt', 'evidence_invalid'],
  ['JOSE', 'evidence_invalid'],
])('typ %s: %s', async (typ, want) => {
  const harness = makeHarness([{ kind: 'oidc', config: { issuer: issuer.url } }]);
  const token = issuer.mint({ aud: AUDIENCE, sub: 'one' }, { now: harness.now, header: { typ } });
  expect(await harness.outcome(token)).toBe(want);
});

test.each([
  [undefined, 'ES256', 'one'],
  [['RS256'], 'ES256', 'evidence_invalid'],
  [['EdDSA'], 'EdDSA', 'one'],
  [undefined, 'EdDSA', 'evidence_invalid'],
] as const)('algorithms %j, signed with %s: %s', async (algorithms, alg, want) => {
  const own = await startIssuer(alg);
  try {
    const harness = makeHarness([{ kind: 'oidc', config: { issuer: own.url, algorithms } }]);
    expect(await harness.outcome(own.mint({ aud: AUDIENCE, sub: 'one' }, { now: harness.now }))).toBe(want);
  } finally {
    await own.close();
  }
});

test('a max_age of its own, which also ends what is remembered', async () => {
  const harness = makeHarness([{ kind: 'oidc', maxAge: 60, config: { issuer: issuer.url } }]);
  const token = issuer.mint({ aud: AUDIENCE, sub: 'one' }, { now: harness.now });
  expect(await harness.outcome(token)).toBe('one');
  harness.advance(59);
  expect(await harness.outcome(token)).toBe('one');
  harness.advance(1);
  expect(await harness.outcome(token)).toBe('evidence_expired');
});

test.each<[string, object, RegExp]>([
  ['no issuer', { issuer: undefined }, /^issuer: /],
  ['an issuer with a query', { issuer: 'https://a.example/?x' }, /^issuer: must be the issuer exactly/],
  ['an issuer that is no URL', { issuer: 'a.example' }, /^issuer: must be an https URL/],
  ['HMAC', { algorithms: ['HS256'] }, /^algorithms.0: must be one of/],
  ['none', { algorithms: ['none'] }, /^algorithms.0: must be one of/],
  ['no algorithm', { algorithms: [] }, /^algorithms: must name an algorithm/],
  ['an id that is a constant', { id: 'agent' }, /^id: names no \{claim\}/],
  ['an ambiguous id', { id: '{a}{b}' }, /^id: needs text between/],
  ['an id that is a SPIFFE id', { id: 'spiffe://prod.example/{sub}' }, /^id: must not make SPIFFE ids/],
  ['an id that is a SPIFFE id in capitals', { id: 'Spiffe://x/{sub}' }, /^id: must not make SPIFFE ids/],
  ['a broken attribute', { attributes: { team: '{team' } }, /^attributes.team: has a brace/],
  ['an attribute that is no name', { attributes: { 'Team-1': '{team}' } }, /^attributes.Team-1: /],
  ['an unknown key', { audience: 'x' }, /audience/],
])('configuration: %s', (_what, members, message) => {
  expect(problemsOf('oidc', { issuer: 'https://a.example', ...members })).toEqual([expect.stringMatching(message)]);
});
