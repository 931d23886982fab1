import { APPROVING_ROLES, meets, readNeeds, strictest } from '../../src/domain/approval.ts';
import type { ApprovalNeeds } from '../../src/domain/approval.ts';
import { parseRequires } from '../../src/policy/needs.ts';
import { seeded } from '../support/random.ts';
import { compile, request } from './world.ts';

/** Who has to approve: how it is written, what several of it come to, and whether people who approved are enough. */
const need = (role: 'approver' | 'security' | 'platform', count: number) => ({ role, count });

test.each([
  ['approval', [need('approver', 1)]],
  ['approval: 1 of approver', [need('approver', 1)]],
  ['approval: 2 of security', [need('security', 2)]],
  ['approval: 2 of security and 1 of platform', [need('platform', 1), need('security', 2)]],
  [
    'approval: 9 of platform and 1 of security and 3 of approver',
    [need('approver', 3), need('platform', 9), need('security', 1)],
  ],
])('%s', (text, want) => {
  expect(parseRequires(text)).toEqual(want);
});

test.each([
  '',
  'Approval',
  'approval ',
  'approval:',
  'approval: ',
  'approval:2 of security',
  'approval: security',
  'approval: 0 of security',
  'approval: 10 of security',
  'approval: 01 of security',
  'approval: -1 of security',
  'approval: 1.5 of security',
  'approval: 2 of auditor',
  'approval: 2 of Security',
  'approval: 2  of security',
  'approval: 2 of security and',
  'approval: 2 of security, 1 of platform',
  'approval: 2 of security and 1 of security',
  'approval: 2 of security: 1 of platform',
  'approval: 2 of security\n',
  'mfa',
  '__proto__',
])('%j is not known', (text) => {
  expect(parseRequires(text)).toBeUndefined();
});

test('several come to the most of each role, and to all roles', () => {
  expect(strictest([])).toEqual([]);
  expect(strictest([[need('security', 1)], [need('security', 3)], [need('platform', 1)]])).toEqual([
    need('platform', 1),
    need('security', 3),
  ]);
});

test.each<[string, ApprovalNeeds, string[][], boolean]>([
  ['nobody is wanted', [], [], true],
  ['one is, nobody came', [need('approver', 1)], [], false],
  ['one came in another role', [need('approver', 1)], [['security']], false],
  ['two of one role', [need('security', 2)], [['security'], ['security']], true],
  ['one who has both roles is one', [need('security', 1), need('platform', 1)], [['security', 'platform']], false],
  ['each for one place', [need('security', 1), need('platform', 1)], [['security', 'platform'], ['security']], true],
  ['two for one of two places', [need('security', 1), need('platform', 1)], [['security'], ['security']], false],
])('%s', (_name, needs, people, want) => {
  expect(meets(needs, people)).toBe(want);
});

/** Puts people into places in every way there is. */
function canFill(needs: ApprovalNeeds, people: readonly (readonly string[])[]): boolean {
  const places = needs.flatMap(({ role, count }) => Array.from({ length: count }, () => role));
  const fill = (at: number, free: readonly (readonly string[])[]): boolean => {
    const place = places[at];
    if (place === undefined) return true;
    return free.some(
      (roles, index) =>
        roles.includes(place) &&
        fill(
          at + 1,
          free.filter((_, other) => other !== index),
        ),
    );
  };
  return fill(0, people);
}

test('whatever is wanted and whoever came: enough is what fills all places', () => {
  const random = seeded(4);
  const some = <T>(from: readonly T[]) => from.filter(() => random.next() < 0.5);
  let enough = 0;
  for (let round = 0; round < 2_000; round++) {
    const needs = some(APPROVING_ROLES).map((role) => need(role, 1 + Math.floor(random.next() * 2)));
    const people = Array.from({ length: Math.floor(random.next() * 6) }, () => some(APPROVING_ROLES));
    const want = canFill(needs, people);
    if (want) enough += 1;
    expect({ needs, people, meets: meets(needs, people) }).toEqual({ needs, people, meets: want });
  }
  expect(enough).toBeGreaterThan(200);
  expect(enough).toBeLessThan(1_800);
});

test('what the version before stored, and nothing else', () => {
  expect(readNeeds({ role: 'approver', count: 2 })).toEqual([need('approver', 2)]);
  expect(readNeeds([need('security', 1)])).toEqual([need('security', 1)]);
  for (const wrong of [null, 'approver', [{}], [{ role: 'auditor', count: 1 }], [{ role: 'approver', count: '1' }]])
    expect(() => readNeeds(wrong)).toThrow(TypeError);
});

const ALLOW = '@id("all") permit (principal, action, resource);';
const ask = (id: string, requires: string) =>
  `@id("${id}") @requires("${requires}") forbid (principal, action, resource) unless { context has approval };`;
const given = (...people: string[][]) =>
  request({ context: { approval: { id: 'a1', by: people.map((_, index) => `https://sso.test p${index}`), people } } });

describe('in the answer of the policies', () => {
  const both = compile(`${ALLOW} ${ask('two', 'approval: 2 of security')} ${ask('one', 'approval: 1 of platform')}`);

  test('the strictest of all that ask', () => {
    expect(both.decide(request())).toMatchObject({
      outcome: 'approval',
      policies: ['one', 'two'],
      approval: [need('platform', 1), need('security', 2)],
    });
  });

  test('permits that give on approval only are asked as well', () => {
    const set = compile(
      `@id("may") @requires("approval: 3 of platform") permit (principal, action, resource); ${ask('ask', 'approval')}`,
    );
    expect(set.decide(request()).approval).toEqual([need('approver', 1), need('platform', 3)]);
  });

  test('what was approved by too few, or by others, is asked for again', () => {
    expect(both.decide(given(['security'], ['security'], ['platform'])).outcome).toBe('allow');
    const few = both.decide(given(['security'], ['security', 'platform']));
    expect(few).toMatchObject({ outcome: 'approval', approval: [need('platform', 1), need('security', 2)] });
    expect(both.decide(given()).outcome).toBe('approval');
  });

  test('where it cannot be told who was wanted, whoever came was not enough', () => {
    const overflow = 'datetime("9999-12-31").offset(duration("9223372036854775807ms")) < context.now';
    const errs = `@id("errs") forbid (principal, action, resource) when { !(context has approval) && ${overflow} };`;
    const answer = compile(`${ALLOW} ${ask('ask', 'approval')} ${errs}`).decide(given(['approver']));
    expect(answer).toMatchObject({ outcome: 'deny', errors: [{ policy: 'errs' }] });
  });

  test('an approval that nobody wants does no harm', () => {
    expect(compile(ALLOW).decide(given()).outcome).toBe('allow');
  });

  test('an approval lifts no forbid that does not ask for one', () => {
    const set = compile(`${ALLOW} ${ask('ask', 'approval')} @id("no") forbid (principal, action, resource);`);
    expect(set.decide(given(['approver']))).toMatchObject({ outcome: 'deny', policies: ['no'] });
  });
});
