import type { PolicyRequest, TaskFacts, TaskRequest } from '../../src/policy/index.ts';
import { compile, request } from './world.ts';

/** What policies see of tasks, of whom they are for, and of whose hands they went through. */
const MESH = { trust: 'mesh', id: 'spiffe://prod.example/lead' };
const CORP = { trust: 'corp', id: 'lead' };

function taskRequest(
  facts: Partial<Omit<TaskFacts, 'task'>> & { task?: Partial<TaskFacts['task']> } = {},
): TaskRequest {
  const { principal, context } = request({ task: { implicit: false, ...facts.task } });
  const { task: _, ...others } = facts;
  return { action: 'create_task', principal, context: { ...context, ...others } };
}
const delegation = (facts: Partial<TaskFacts> = {}, hop = 1): TaskRequest => {
  const asked = taskRequest({ delegation: { from: MESH, root: CORP }, ...facts, task: { hop } });
  return { ...asked, action: 'delegate' };
};
const when = (action: string, condition: string, more = '') =>
  `@id("a") ${more} permit (principal, action == Action::"${action}", resource) when { ${condition} };`;
const outcome = (policies: string, asked: PolicyRequest) => compile(policies).decide(asked).outcome;

test.each<{ name: string; condition: string; asked: TaskRequest; allowed: boolean }>([
  {
    name: 'all environments that a task reaches',
    condition: '["production", "staging"].containsAll(resource.environments)',
    asked: taskRequest({ task: { environments: ['production', 'staging'] } }),
    allowed: true,
  },
  {
    name: 'one of which may be too many',
    condition: '["staging"].containsAll(resource.environments)',
    asked: taskRequest({ task: { environment: 'staging', environments: ['production', 'staging'] } }),
    allowed: false,
  },
  {
    name: 'its own alone, where nothing is said',
    condition: 'resource.environments == ["production"] && context.task.environments == ["production"]',
    asked: taskRequest(),
    allowed: true,
  },
  {
    name: 'no hop',
    condition: 'context.task.hop == 0 && !(context has delegation)',
    asked: taskRequest(),
    allowed: true,
  },
])('create_task: $name', ({ condition, asked, allowed }) => {
  expect(outcome(when('create_task', condition), asked)).toBe(allowed ? 'allow' : 'deny');
});

test.each<{ name: string; condition: string; hop?: number; allowed: boolean }>([
  {
    name: 'by whom it was handed on, together with the trust entry',
    condition: 'context.delegation.from.trust == "mesh" && context.delegation.from.id == "spiffe://prod.example/lead"',
    allowed: true,
  },
  { name: 'who began it', condition: 'context.delegation.root.trust == "corp"', allowed: true },
  { name: 'which is another question', condition: 'context.delegation.root.trust == "mesh"', allowed: false },
  { name: 'how often', condition: 'context.task.hop <= 2', hop: 2, allowed: true },
  { name: 'too often', condition: 'context.task.hop <= 2', hop: 3, allowed: false },
])('delegate: $name', ({ condition, hop, allowed }) => {
  const policies = when('delegate', `context has delegation && ${condition}`);
  expect(outcome(policies, delegation({}, hop))).toBe(allowed ? 'allow' : 'deny');
});

test('the same is there when something is asked for on the task', () => {
  const facts = { delegation: { from: MESH, root: CORP } };
  const policies = when(
    'issue',
    'context has delegation && context.delegation.root.id == "lead" && context.task.hop == 1',
  );
  expect(outcome(policies, request({ context: facts, task: { implicit: false, hop: 1 } }))).toBe('allow');
  expect(outcome(policies, request())).toBe('deny');
});

describe('a principal', () => {
  const verified = { onBehalfOf: 'ada', onBehalfOfVerified: { trust: 'corp', groups: ['accounting'] } };
  const named = { onBehalfOf: 'ada' };
  const anybody = '@id("any") permit (principal, action, resource);';
  const naming = (who: string) =>
    when('create_task', `context has on_behalf_of && context.on_behalf_of == "${who}"`, '@on_behalf_of("named")');

  test.each<{ name: string; policies: string; asked: PolicyRequest; want: object }>([
    {
      name: 'whom a token verifies is permitted like any other request',
      policies: anybody,
      asked: taskRequest(verified),
      want: { outcome: 'allow' },
    },
    {
      name: 'who is only named needs a permit that says so',
      policies: anybody,
      asked: taskRequest(named),
      want: { outcome: 'deny', policies: [], refused: 'principal' },
    },
    {
      name: 'one such permit is enough',
      policies: `${anybody} ${naming('ada')}`,
      asked: taskRequest(named),
      want: { outcome: 'allow', policies: ['a', 'any'] },
    },
    {
      name: 'if it is for this one',
      policies: `${anybody} ${naming('bob')}`,
      asked: taskRequest(named),
      want: { outcome: 'deny', refused: 'principal' },
    },
    {
      name: 'a forbid still wins',
      policies: `${naming('ada')} @id("no") forbid (principal, action, resource);`,
      asked: taskRequest(named),
      want: { outcome: 'deny', policies: ['no'] },
    },
    {
      name: 'of whom nothing is permitted at all is no matter of the principal',
      policies: '@id("other") permit (principal in Trust::"other", action, resource);',
      asked: taskRequest(named),
      want: { outcome: 'deny', policies: [] },
    },
    {
      name: 'is not asked about again on the task that was made for them',
      policies: anybody,
      asked: request({ context: named, task: { implicit: false } }),
      want: { outcome: 'allow' },
    },
    {
      name: 'nor when a part of it is handed on',
      policies: anybody,
      asked: delegation(named),
      want: { outcome: 'allow' },
    },
    {
      name: 'but where a single call names one',
      policies: anybody,
      asked: request({ context: named }),
      want: { outcome: 'deny', refused: 'principal' },
    },
    {
      name: 'is known by entry and group',
      policies: when(
        'create_task',
        'context has on_behalf_of_verified && context.on_behalf_of_verified.trust == "corp" && context.on_behalf_of_verified.groups.contains("accounting")',
      ),
      asked: taskRequest(verified),
      want: { outcome: 'allow' },
    },
    {
      name: 'who is only named has no entry, whatever the permit',
      policies: when('create_task', '!(context has on_behalf_of_verified)', '@on_behalf_of("named")'),
      asked: taskRequest(named),
      want: { outcome: 'allow' },
    },
    {
      name: 'on approval, where a permit that names is given on approval only',
      policies: when('create_task', 'true', '@on_behalf_of("named") @requires("approval")'),
      asked: taskRequest(named),
      want: { outcome: 'approval' },
    },
  ])('$name', ({ policies, asked, want }) => {
    const answer = compile(policies).decide(asked);
    expect(answer).toMatchObject(want);
    if (!('refused' in want)) expect(answer.refused).toBeUndefined();
  });
});
