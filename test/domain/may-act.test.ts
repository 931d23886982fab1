import type { Operator, Reach } from '../../src/domain/identity.ts';
import { mayActOn, reachOf, reachOfTasks } from '../../src/domain/may-act.ts';
import type { About } from '../../src/domain/may-act.ts';

const WHO: Operator = { issuer: 'https://sso.test', subject: 'ada', display: 'ada', roles: ['security', 'auditor'] };
const limited = (...security: Reach[]): Operator => ({ ...WHO, reaches: { security } });

test.each<[string, Operator, About, boolean]>([
  ['a role without limits reaches everything', WHO, {}, true],
  ['and so does one of which another role is limited', { ...WHO, reaches: { auditor: [] } }, {}, true],
  ['limited to nothing', limited(), { owner: 'a', environment: 'e' }, false],
  ['an owner of the role', limited({ owners: ['a', 'b'] }), { owner: 'b' }, true],
  ['another owner', limited({ owners: ['a'] }), { owner: 'b', environment: 'a' }, false],
  ['no known owner', limited({ owners: ['a'] }), { environment: 'e' }, false],
  [
    'an owner, in an environment of the role',
    limited({ owners: ['a'], environments: ['e'] }),
    { owner: 'a', environment: 'e' },
    true,
  ],
  [
    'an owner, in another environment',
    limited({ owners: ['a'], environments: ['e'] }),
    { owner: 'a', environment: 'f' },
    false,
  ],
  ['an owner, in whichever environment', limited({ owners: ['a'], environments: ['e'] }), { owner: 'a' }, false],
  [
    'limits are not mixed',
    limited({ owners: ['a'], environments: ['e'] }, { owners: ['b'], environments: ['f'] }),
    { owner: 'a', environment: 'f' },
    false,
  ],
  ['any limit will do', limited({ owners: ['a'] }, { environments: ['f'] }), { owner: 'b', environment: 'f' }, true],
])('%s', (_what, operator, about, want) => {
  expect(mayActOn(operator, 'security', about)).toBe(want);
});

test('a role that somebody does not have reaches nothing', () => {
  expect(mayActOn(WHO, 'approver', { owner: 'a' })).toBe(false);
  expect(mayActOn({ ...WHO, reaches: { approver: [{ owners: ['a'] }] } }, 'approver', { owner: 'a' })).toBe(false);
});

test('how far roles reach together', () => {
  const one = limited({ owners: ['a'] });
  expect(reachOf(one, ['security'])).toEqual([{ owners: ['a'] }]);
  expect(reachOf(one, ['security', 'auditor'])).toBeUndefined();
  expect(reachOf(one, ['approver'])).toEqual([]);
  const two = { ...one, reaches: { ...one.reaches, auditor: [{ environments: ['e'] }] } };
  expect(reachOf(two, ['security', 'auditor'])).toEqual([{ owners: ['a'] }, { environments: ['e'] }]);
});

test('how far roles reach among tasks: a set of environments for each, and none by owners', () => {
  const one = limited({ environments: ['e'] }, { environments: ['f'] }, { owners: ['a'], environments: ['g'] });
  expect(reachOfTasks(one, ['security'])).toEqual([['e', 'f']]);
  expect(reachOfTasks(one, ['security', 'auditor'])).toBeUndefined();
  expect(reachOfTasks(limited({ owners: ['a'] }), ['security'])).toEqual([[]]);
  expect(reachOfTasks(one, ['approver'])).toEqual([]);
  const two = { ...one, reaches: { ...one.reaches, auditor: [{ environments: ['h'] }] } };
  expect(reachOfTasks(two, ['security', 'auditor'])).toEqual([['e', 'f'], ['h']]);
});
