import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { ProviderError } from '../../src/domain/errors.ts';
import { makeIds } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { jwt } from '../../src/providers/jwt/index.ts';
import type { MintRequest } from '../../src/providers/provider.ts';
import { providerContract } from './contract.ts';
import { ASKING, ISSUER, jwtHarness, jwtProfile, jwtWorld, OFFLINE, text } from './jwt-harness.ts';

providerContract('jwt', jwtHarness());

const forever = new AbortController().signal;
const ids = makeIds(randomBytes, () => Date.parse('2026-11-23T12:00:00Z'));
const asked = (now: Date, lifeMs = 600_000): MintRequest => ({
  mint: ids.mint(),
  grant: ids.grant(),
  task: ids.task(),
  subject: { trust: 'mesh', id: 'spiffe://dev.local/agent/a' },
  now,
  endsAt: new Date(now.getTime() + lifeMs),
});
const refusal = (finding: string) => ({ code: 'provider_refused', nothingLives: true, facts: { finding } });
const thrown = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe('the token', () => {
  test('says exactly what was planned, and the plan exactly what a decision was made about', async () => {
    const { provider, now } = jwtWorld();
    const request = asked(now());
    const section = {
      claims: {
        order: { id: '{{parameters.order}}', of: ['{{parameters.order}}-{{parameters.order}}', 1, true, null] },
      },
    };
    const plan = provider().plan(jwtProfile(section), { order: '"}, {{parameters.x}}' }, request);
    const seconds = now().getTime() / 1000;
    const claims = {
      iss: ISSUER,
      sub: 'spiffe://dev.local/agent/a',
      aud: ASKING,
      iat: seconds,
      exp: seconds + 600,
      jti: request.mint,
      client_id: 'spiffe://dev.local/agent/a',
      scope: 'refund:read',
      writ_trust: 'mesh',
      writ_grant: request.grant,
      writ_task: request.task,
      order: { id: '"}, {{parameters.x}}', of: ['"}, {{parameters.x}}-"}, {{parameters.x}}', 1, true, null] },
    };
    expect(plan.request).toEqual({ class: 'access', introspected: true, claims });

    const minted = await provider().mint(plan, forever);
    const credential = minted.credential.reveal();
    expect(credential).toEqual({ type: 'jwt', token: credential['token'], audience: ASKING });
    expect(decodeJwt(text(credential['token']))).toEqual(claims);
    expect(decodeProtectedHeader(text(credential['token']))).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
    expect(minted.handle).toEqual({ jti: request.mint });
  });

  test('a profile without scope and claims gives neither', () => {
    const { provider, now } = jwtWorld();
    const profile = { ...jwtProfile(), section: { audience: ASKING } };
    expect(
      Object.keys((provider().plan(profile, {}, asked(now())).request['claims'] ?? {}) as JsonObject),
    ).not.toContain('scope');
  });

  test('never outlives its grant by a part of a second', async () => {
    const { provider, now, pass } = jwtWorld();
    pass(new Date(now().getTime() + 899));
    const request = asked(now(), 1_500);
    const plan = provider().plan(jwtProfile(), {}, request);
    expect(plan.endsAt.getTime()).toBeLessThanOrEqual(request.endsAt.getTime());
    expect(plan.endsAt.getTime()).toBeGreaterThan(request.endsAt.getTime() - 1_000);
    const minted = await provider().mint(plan, forever);
    expect(minted.expiresAt).toEqual(plan.endsAt);
    expect(decodeJwt(text(minted.credential.reveal()['token'])).exp).toBe(plan.endsAt.getTime() / 1000);
  });

  test.each([
    ['an audience that asks about tokens', ASKING, { mode: 'immediate' }],
    ['one that verifies offline', OFFLINE, { mode: 'bounded', withinSeconds: 600 }],
  ])('%s: %s is %j', (_name, audience, revocability) => {
    const { provider, now } = jwtWorld();
    expect(provider().plan(jwtProfile({ audience }), {}, asked(now())).revocability).toEqual(revocability);
  });

  test("the longest life is the configuration's", () => {
    const { provider } = jwtWorld();
    expect(provider({}, { max_ttl: 900 }).maxTtlSeconds).toBe(900);
    expect(provider().maxTtlSeconds).toBeUndefined();
  });
});

describe('refused before anything is signed', () => {
  const order = { order: { pattern: '.*', optional: false } };
  test.each([
    ['an audience of Writ itself', { audience: ISSUER }, {}, 600_000, 'audience_reserved'],
    ["the operators' audience", { audience: 'writ-operators' }, {}, 600_000, 'audience_reserved'],
    ['a parameter that nobody gave', { claims: { a: '{{parameters.order}}' } }, {}, 600_000, 'parameter_missing'],
    [
      'a parameter named like what objects have',
      { claims: { a: '{{parameters.constructor}}' } },
      {},
      600_000,
      'parameter_missing',
    ],
    [
      'a second word of scope',
      { scope: 'refund:{{parameters.order}}' },
      { order: '1 admin' },
      600_000,
      'parameter_no_scope_word',
    ],
    ['a scope left empty', { scope: '{{parameters.order}}' }, { order: '' }, 600_000, 'parameter_no_scope_word'],
    ['a quote in the scope', { scope: '{{parameters.order}}' }, { order: '"' }, 600_000, 'parameter_no_scope_word'],
    ['a tab in the scope', { scope: '{{parameters.order}}' }, { order: 'a\tb' }, 600_000, 'parameter_no_scope_word'],
    ['more than a header holds', { claims: { a: 'x'.repeat(4_096) } }, {}, 600_000, 'claims_too_large'],
    ['an end that has passed', {}, {}, 0, 'end_has_passed'],
    ['a life of less than a second', {}, {}, 999, 'end_has_passed'],
  ])('%s', (_name, section: JsonObject, parameters, lifeMs, finding) => {
    const { provider, now } = jwtWorld();
    const error = thrown(() => provider().plan(jwtProfile(section, order), parameters, asked(now(), lifeMs)));
    expect(error).toBeInstanceOf(ProviderError);
    expect(error).toMatchObject(refusal(finding));
  });

  test('a claim of Writ is never replaced, whatever the section says', () => {
    const { provider, now } = jwtWorld();
    const claims = { iss: 'x', sub: 'x', aud: 'x', exp: 1, jti: 'x', scope: 'x', writ_grant: 'x' };
    const request = asked(now());
    const plan = provider().plan(jwtProfile({ claims }), {}, request);
    expect(plan.request['claims']).toMatchObject({
      iss: ISSUER,
      aud: ASKING,
      jti: request.mint,
      scope: 'refund:read',
      writ_grant: request.grant,
    });
  });

  test.each([
    ['another issuer', { iss: 'https://other.example' }],
    ['another mint', { jti: ids.mint() }],
    ['another end', { exp: 1 }],
    ['no audience', { aud: null }],
  ])('a plan with %s', async (_name, change) => {
    const { provider, now } = jwtWorld();
    const plan = provider().plan(jwtProfile(), {}, asked(now()));
    const request = { ...plan.request, claims: { ...(plan.request['claims'] as JsonObject), ...change } };
    await expect(provider().mint({ ...plan, request }, forever)).rejects.toMatchObject(
      refusal('plan_of_another_set_up'),
    );
  });

  test.each([{}, { class: 'other' }, { introspected: null }, { claims: [] }])(
    'a plan of another form: %j',
    async (change) => {
      const { provider, now } = jwtWorld();
      const plan = provider().plan(jwtProfile(), {}, asked(now()));
      const request = Object.keys(change).length === 0 ? {} : { ...plan.request, ...change };
      await expect(provider().mint({ ...plan, request }, forever)).rejects.toMatchObject(
        refusal('plan_of_another_set_up'),
      );
    },
  );

  test('an audience that became one of Writ after it was planned', async () => {
    const { provider, now } = jwtWorld();
    const plan = provider().plan(jwtProfile(), {}, asked(now()));
    const later = provider({ reservedAudiences: new Set([ASKING]) });
    await expect(later.mint(plan, forever)).rejects.toMatchObject(refusal('audience_reserved'));
  });
});

describe('the end', () => {
  const ending = async (audience: string, atIssue: readonly string[], atEnd: readonly string[]) => {
    const { provider, now } = jwtWorld();
    const request = asked(now());
    const plan = provider({ introspectingAudiences: new Set(atIssue) }).plan(jwtProfile({ audience }), {}, request);
    const record = { mint: request.mint, grant: request.grant, endsAt: plan.endsAt, request: plan.request };
    const by = provider({ introspectingAudiences: new Set(atEnd) });
    return { ended: await by.end(record, { jti: request.mint }, 'revocation', forever), until: plan.endsAt };
  };

  test('is at once where the audience asks', async () => {
    expect((await ending(ASKING, [ASKING], [ASKING])).ended).toEqual({ kind: 'ended' });
  });

  test.each([
    ['the audience verifies offline', OFFLINE, [ASKING], [ASKING]],
    ['the audience asked and no longer does', ASKING, [ASKING], []],
    ['the audience asks now and did not then', ASKING, [], [ASKING]],
  ])('is its own end where %s', async (_name, audience, atIssue, atEnd) => {
    const { ended, until } = await ending(audience, atIssue, atEnd);
    expect(ended).toEqual({ kind: 'not_revocable', until });
  });

  test('is its own end where the issuer has another name since', async () => {
    const { provider, now } = jwtWorld();
    const request = asked(now());
    const { endsAt, request: planned } = provider().plan(jwtProfile(), {}, request);
    const record = { mint: request.mint, grant: request.grant, endsAt, request: planned };
    const renamed = provider({ issuer: 'https://writ.example' });
    expect(await renamed.end(record, {}, 'expiry', forever)).toEqual({ kind: 'not_revocable', until: endsAt });
  });
});

describe('without keys', () => {
  test('the store away: nothing lives, the check says so, and both come back by themselves', async () => {
    const { provider, now, pass, store } = jwtWorld();
    const answers = store.before;
    store.before = () => Promise.reject(new Error('connection refused'));
    const plan = provider().plan(jwtProfile(), {}, asked(now()));
    const error = { code: 'provider_unreachable', nothingLives: true, facts: { fault: 'keys_unavailable' } };
    await expect(provider().mint(plan, forever)).rejects.toMatchObject(error);
    expect(await provider().check(forever)).toMatchObject({ healthy: false, findings: [{ code: 'keys_unavailable' }] });
    store.before = answers;
    pass(new Date(now().getTime() + 1_000));
    await expect(provider().mint(plan, forever)).resolves.toBeDefined();
    expect(await provider().check(forever)).toEqual({ healthy: true, findings: [] });
  });

  test('the store silent: whoever goes away is let go at once', async () => {
    const { provider, now, store } = jwtWorld();
    store.before = () => new Promise(() => undefined);
    const caller = new AbortController();
    const minting = provider().mint(provider().plan(jwtProfile(), {}, asked(now())), caller.signal);
    const checking = provider().check(caller.signal);
    caller.abort();
    await expect(minting).rejects.toMatchObject({ code: 'provider_timeout', nothingLives: true });
    expect(await checking).toMatchObject({ healthy: false });
  });

  test('a life that the key ring does not allow is refused', async () => {
    const { provider, now } = jwtWorld();
    const plan = provider().plan(jwtProfile(), {}, asked(now(), 30 * 86_400_000));
    await expect(provider().mint(plan, forever)).rejects.toMatchObject({
      code: 'provider_refused',
      nothingLives: true,
    });
  });

  test('a finished mint leaves no listener on its signal', async () => {
    const { provider, now } = jwtWorld();
    const caller = new AbortController();
    await provider().mint(provider().plan(jwtProfile(), {}, asked(now())), caller.signal);
    expect(getEventListeners(caller.signal, 'abort')).toEqual([]);
  });
});

describe('the check', () => {
  test("names the profiles for Writ's own audiences", async () => {
    const { provider } = jwtWorld();
    const health = await provider().check(forever, [
      jwtProfile(),
      { ...jwtProfile({ audience: ISSUER }), name: 'odd' },
    ]);
    expect(health).toMatchObject({ healthy: false, findings: [{ severity: 'error', code: 'audience_reserved' }] });
    expect(health.findings[0]?.message).toContain('odd');
  });
});

describe('configuration', () => {
  test.each([
    [{}, {}],
    [{ max_ttl: '15m' }, { max_ttl: 900 }],
  ])('%j is right', (config, want) => {
    expect(jwt.config.parse(config)).toEqual(want);
  });

  test.each([[{ max_ttl: '15' }], [{ max_ttl: 900 }], [{ issuer: 'x' }]])('%j is refused', (config) => {
    expect(jwt.config.safeParse(config).success).toBe(false);
  });

  test.each([
    ['no audience', { audience: undefined }],
    ['an empty audience', { audience: '' }],
    ['an audience with a space', { audience: 'a b' }],
    ['a list of audiences', { audience: ['a', 'b'] }],
    ['an empty scope', { scope: '' }],
    ['claims that are a list', { claims: ['a'] }],
    ['an unknown member', { ttl: '1h' }],
  ])('a section with %s is refused', (_name, change) => {
    expect(jwt.section.safeParse({ ...jwtProfile().section, ...change }).success).toBe(false);
  });

  const parameters = { order: { pattern: '[0-9]+', optional: false } };
  test.each([
    ['the sample', {}, []],
    ['words with parameters', { scope: 'refund:{{parameters.order}} order:read' }, []],
    ['claims of its own', { claims: { order: '{{parameters.order}}', roles: ['a'], nested: { iss: 'fine' } } }, []],
    ['a parameter as audience', { audience: 'https://{{parameters.order}}' }, [['jwt', 'audience']]],
    ['two spaces', { scope: 'a  b' }, [['jwt', 'scope']]],
    ['a space at its end', { scope: 'a ' }, [['jwt', 'scope']]],
    ['a quote', { scope: 'a"b' }, [['jwt', 'scope']]],
    ['a letter beyond ASCII', { scope: 'é' }, [['jwt', 'scope']]],
  ])('%s', (_name, section: JsonObject, want) => {
    expect(jwt.sectionProblems?.(jwtProfile(section, parameters)).map(({ path }) => path)).toEqual(want);
  });

  test.each([
    ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'scope', 'client_id', 'act', 'may_act', 'cnf', 'auth_time'],
    ...[
      'txn',
      'tctx',
      'rctx',
      'req_wl',
      'authorization_details',
      'active',
      'token_type',
      'username',
      'nonce',
      'events',
    ],
    ...['writ_grant', 'writ_task', 'writ_anything', 'constructor'],
  ])('the claim %s is not for profiles', (name) => {
    const problems = jwt.sectionProblems?.(jwtProfile({ claims: { [name]: 'x', fine: 'x' } }));
    expect(problems?.map(({ path }) => path)).toEqual([['jwt', 'claims', name]]);
  });
});
