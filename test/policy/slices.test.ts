import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { toCedar } from '../../src/policy/call.ts';
import { checkFile } from '../../src/policy/check.ts';
import { makeCedarCompiler } from '../../src/policy/index.ts';
import type { PolicyRequest } from '../../src/policy/index.ts';
import { makeSliced, MAX_SLICES } from '../../src/policy/slices.ts';
import { seeded } from '../support/random.ts';
import { request, schema } from './world.ts';

const about = (name: string) => request({ resource: { profile: name } });
const slicedOf = (text: string) => makeSliced(checkFile('a.cedar', text).policies);
const idsFor = (text: string, name: string) => Object.keys(slicedOf(text).about({ type: 'Profile', id: name })).sort();
const textsOf = (scopes: readonly string[]) =>
  scopes.map((scope, index) => `@id("p${index}") permit (principal, action, ${scope});`).join('\n');

const OTHERS = Array.from({ length: 20 }, (_, n) => `resource == Profile::"other${n}"`);

test('what can apply to a resource is in its slice, and what its scope keeps from it is not', () => {
  const text = textsOf([
    'resource == Profile::"mine"',
    'resource',
    'resource is Profile',
    'resource in Profile::"mine"',
    'resource == Tool::"mine"',
    ...OTHERS,
  ]);
  expect(idsFor(text, 'mine')).toEqual(['p0', 'p1', 'p2', 'p3']);
  expect(idsFor(text, 'nobody’s')).toEqual(['p1', 'p2', 'p3']);
});

test('an id that could be written in another way is in every slice', () => {
  const strange = ['caf\\u{e9}', 'a\\"b', 'a\\\\b', 'a\\nb', ''];
  const text = textsOf([...strange.map((id) => `resource == Profile::"${id}"`), ...OTHERS]);
  expect(idsFor(text, 'mine')).toHaveLength(strange.length);
});

test('a slice that is not much smaller is the whole set', () => {
  const sliced = slicedOf(textsOf([...OTHERS, ...Array.from({ length: 10 }, () => 'resource')]));
  expect(sliced.about({ type: 'Profile', id: 'other1' })).toBe(sliced.whole);
});

test('slices are few, and few policies together', () => {
  const slicesOf = (sliced: ReturnType<typeof slicedOf>) => {
    const asked = Array.from({ length: 200 }, (_, n) => sliced.about({ type: 'Profile', id: `n${n}` }));
    return new Set(asked.filter((texts) => texts !== sliced.whole));
  };
  const named = Array.from({ length: 200 }, (_, n) => `resource == Profile::"n${n}"`);
  expect(slicesOf(slicedOf(textsOf(named))).size).toBe(MAX_SLICES);
  const heavy = slicesOf(slicedOf(textsOf([...named, ...Array.from({ length: 50 }, () => 'resource')])));
  expect([...heavy].flatMap((texts) => Object.keys(texts)).length).toBeLessThanOrEqual(2 * 250);
});

test('Cedar says the same of a slice as of the whole set', () => {
  const random = seeded(7);
  const one = random.pick;
  const names = ['a', 'b', 'c', 'd'];
  const scope = () =>
    one([
      `resource == Profile::"${one(names)}"`,
      `resource == Profile::"${one(names)}"`,
      `resource == Tool::"${one(names)}"`,
      one(['resource', 'resource is Profile', 'resource is Task', 'resource in Profile::"a"']),
    ]);
  const condition = () =>
    one([
      '',
      ' when { context.requested_ttl > duration("1h") }',
      ' when { context.parameters.month == "2026-11" }', // an error where there is no month
      ' unless { principal.trust == "mesh" }',
    ]);
  const policy = (n: number) =>
    `@id("p${n}") ${one(['permit', 'forbid'])} (principal, action == Action::"${one(['issue', 'renew'])}", ${scope()})${condition()};`;
  let sliced = 0;
  for (let run = 0; run < 300; run++) {
    const length = 1 + Math.floor(random.next() * 24);
    const set = slicedOf(Array.from({ length }, (_, n) => policy(n)).join('\n'));
    const context = { parameters: one([{}, { month: '2026-11' }]), requestedTtl: one([600, 7_200]) };
    const profile = one([...names, 'unnamed']);
    const question = request({ action: one(['issue', 'renew'] as const), context, resource: { profile } });
    const slice = set.about(toCedar(question).resource);
    if (slice !== set.whole) sliced += 1;
    expect(said(slice, question)).toEqual(said(set.whole, question));
  }
  expect(sliced).toBeGreaterThan(30);
});

function said(staticPolicies: Readonly<Record<string, string>>, question: PolicyRequest) {
  const answer = cedar.isAuthorized({ ...toCedar(question), policies: { staticPolicies: { ...staticPolicies } } });
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
  const { decision, diagnostics } = answer.response;
  return {
    decision,
    reason: [...diagnostics.reason].sort(),
    errors: diagnostics.errors.map(({ policyId, error }) => `${policyId} ${error.message}`).sort(),
  };
}

test('each of many resources is decided by its own rules, by an older generation as well, and when there are no places left', () => {
  const compiler = makeCedarCompiler(2);
  const rules = (generation: number) =>
    Array.from(
      { length: 100 },
      (_, n) => `@id("g${generation}n${n}") permit (principal, action, resource == Profile::"n${n}");
        @id("no${n}") @overridable("exception") forbid (principal, action, resource == Profile::"n${n}")
          when { principal.id like "*bad" };`,
    ).join('\n');
  const sets = [0, 1, 2, 3].map((generation) => compiler.compile({ 'policies/a.cedar': rules(generation) }, schema));
  for (const n of [...Array(100).keys(), 3, 70, 99]) {
    const answers = sets.map((set) => set.decide(about(`n${n}`)).policies);
    expect(answers).toEqual(sets.map((_, generation) => [`g${generation}n${n}`]));
    const bad = { ...about(`n${n}`), principal: { ...about('').principal, id: 'bad' } };
    expect(sets[1]?.decide(bad)).toMatchObject({ outcome: 'deny', policies: [`no${n}`], overridable: [`no${n}`] });
    const excepted = { ...bad, exception: { id: 'x1', policies: [`no${n}`] } };
    expect(sets[1]?.decide(excepted)).toMatchObject({
      outcome: 'allow',
      policies: [`g1n${n}`],
      overridden: [`no${n}`],
    });
  }
  expect(sets[3]?.decide(about('unnamed'))).toMatchObject({ outcome: 'deny', policies: [], errors: [] });
});
