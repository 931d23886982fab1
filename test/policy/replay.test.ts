import type { JsonObject } from '../../src/domain/json.ts';
import type { Tool } from '../../src/domain/tool.ts';
import { callRequest, generateSchema, makeCedarCompiler, replay } from '../../src/policy/index.ts';
import type { CallRequest, PolicyRequest, RecordedDecision } from '../../src/policy/index.ts';
import { request, profile } from './world.ts';

/** A decision on record, made again: what comes of it follows from the rules and from what was recorded, and from nothing else. */
const POLICIES = `
@id("reads") permit (principal, action == Action::"issue", resource);
@id("purchases") @requires("approval") forbid (principal, action == Action::"issue", resource) when { resource.effect == "purchase" } unless { context has approval };
@id("tasks") permit (principal, action == Action::"create_task", resource);
@id("calls") permit (principal, action == Action::"call", resource);
@id("freeze") @overridable forbid (principal, action == Action::"issue", resource) when { resource.owner == "frozen" };
`;
const TOOL: Tool = {
  name: 'refund',
  owner: 'payments',
  environment: 'production',
  effect: 'purchase',
  arguments: { type: 'object', properties: { amount: { type: 'integer' } } },
  mapping: { amount: { type: 'Long', cel: 'arguments.amount' } },
  limits: { amount: { max: 500, above: 'approval' } },
  record: { arguments: 'none', redact: [] },
  report: false,
};
const profiles = new Map([['invoices', profile()]]);
const compiled = (text: string) => ({
  profiles,
  policies: makeCedarCompiler().compile({ 'policies/a.cedar': text }, generateSchema(profiles.values(), [TOOL]), [
    TOOL,
  ]),
});
const rules = compiled(POLICIES);

const recorded = (asked: PolicyRequest | undefined, said: Partial<RecordedDecision> = {}): RecordedDecision => ({
  id: 'd1',
  outcome: 'allow',
  code: null,
  policies: ['reads'],
  // through JSON, as the record has it
  inputs: JSON.parse(JSON.stringify(asked ?? {})) as JsonObject,
  ...said,
});
const call = (amount: number, mode: 'observe' | 'autonomous' = 'autonomous'): CallRequest =>
  callRequest({
    principal: { trust: 'mesh', id: 'a', groups: [], attributes: {} },
    name: 'refund',
    tool: TOOL,
    mapped: { amount },
    facts: { task: { purpose: '', mode, environment: 'production', implicit: false } },
    now: new Date(0),
    approval: undefined,
    grant: undefined,
  });
const ofCalls = { policies: ['calls'] };

test.each<{ name: string; of: RecordedDecision; want: object }>([
  { name: 'an issuance', of: recorded(request()), want: { kind: 'same', now: { outcome: 'allow', code: null } } },
  {
    name: 'the sequence of policies does not matter',
    of: recorded(request(), { policies: ['reads'].reverse() }),
    want: { kind: 'same' },
  },
  { name: 'other policies', of: recorded(request(), { policies: ['another'] }), want: { kind: 'differs' } },
  {
    name: 'another outcome',
    of: recorded(request({ resource: { effect: 'purchase' } }), { policies: ['purchases'] }),
    want: { kind: 'differs', now: { outcome: 'approval', code: 'approval_required', policies: ['purchases'] } },
  },
  {
    name: 'waiting for a person',
    of: recorded(request({ resource: { effect: 'purchase' } }), {
      outcome: 'approval',
      code: 'approval_required',
      policies: ['purchases'],
    }),
    want: { kind: 'same' },
  },
  {
    name: 'an approval that did not hold any more when it was recorded: of the state, not of the rules',
    of: recorded(request({ resource: { effect: 'purchase' }, context: { approval: { id: 'a1', by: ['x y'] } } }), {
      outcome: 'deny',
      code: 'approval_required',
    }),
    want: { kind: 'same', now: { outcome: 'allow' } },
  },
  {
    name: 'what an order denied',
    of: recorded(request(), { outcome: 'deny', code: 'under_order' }),
    want: { kind: 'same', now: { outcome: 'allow' } },
  },
  {
    name: 'that, where the policies differ',
    of: recorded(request(), { outcome: 'deny', code: 'under_order', policies: [] }),
    want: { kind: 'differs' },
  },
  {
    name: 'a task that observes, whatever would have come of it',
    of: recorded(request({ resource: { effect: 'purchase' }, task: { mode: 'observe' } }), {
      outcome: 'deny',
      code: 'task_observes',
      policies: ['purchases'],
    }),
    want: { kind: 'same' },
  },
  {
    name: 'a supervised task',
    of: recorded(request({ resource: { effect: 'write' }, task: { mode: 'supervised' } }), {
      outcome: 'approval',
      code: 'approval_required',
    }),
    want: { kind: 'same' },
  },
  {
    name: 'under an exception',
    of: recorded({ ...request({ resource: { owner: 'frozen' } }), exception: { id: 'x1', policies: ['freeze'] } }),
    want: { kind: 'same' },
  },
  {
    name: 'that, without it',
    of: recorded(request({ resource: { owner: 'frozen' } })),
    want: { kind: 'differs', now: { outcome: 'deny', code: 'policy_denied', policies: ['freeze'] } },
  },
  {
    name: 'a profile that is gone',
    of: recorded(request({ resource: { profile: 'gone' } })),
    want: { kind: 'differs', now: { outcome: 'deny', code: 'unknown_profile' } },
  },
  { name: 'a call', of: recorded(call(500), ofCalls), want: { kind: 'same' } },
  {
    name: 'above the limit of now',
    of: recorded(call(501), ofCalls),
    want: { kind: 'differs', now: { outcome: 'approval', code: 'approval_required' } },
  },
  {
    name: 'a call that was observed',
    of: recorded(call(501, 'observe'), { ...ofCalls, outcome: 'deny', code: 'task_observes' }),
    want: { kind: 'same' },
  },
  {
    name: 'a tool that is gone',
    of: recorded({ ...call(1), resource: { ...call(1).resource, tool: 'gone' } }, ofCalls),
    want: { kind: 'differs', now: { outcome: 'deny', code: 'unknown_tool' } },
  },
  { name: 'nobody asked the policies', of: recorded(undefined, { policies: [] }), want: { kind: 'not_asked' } },
  {
    name: 'what cannot be read as a question is denied',
    of: recorded(undefined, {
      inputs: { action: 'issue', principal: {}, context: {}, resource: { profile: 'invoices' } },
    }),
    want: { kind: 'differs', now: { outcome: 'deny' } },
  },
])('$name', ({ of, want }) => {
  expect(replay(rules, of)).toMatchObject(want);
  // and again: nothing is remembered
  expect(replay(rules, of)).toMatchObject(want);
});

test('a policy that says otherwise now', () => {
  const stricter = compiled(
    POLICIES.replace(
      'permit (principal, action == Action::"issue", resource);',
      'permit (principal, action == Action::"issue", resource) when { context.task.purpose == "another" };',
    ),
  );
  expect(replay(stricter, recorded(request()))).toEqual({
    kind: 'differs',
    now: { outcome: 'deny', code: 'policy_denied', policies: [] },
  });
});
