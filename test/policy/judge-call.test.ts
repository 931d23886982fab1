import type { TaskMode } from '../../src/domain/task.ts';
import type { Tool } from '../../src/domain/tool.ts';
import { callRequest, judgeCall } from '../../src/policy/index.ts';
import type { PolicyAnswer } from '../../src/policy/index.ts';
import { APPROVAL } from './world.ts';

/** What the policies say of a call, held against the tool's limits and the task's mode. */
const TOOL: Tool = {
  name: 'refund',
  owner: 'payments',
  environment: 'production',
  effect: 'purchase',
  arguments: { type: 'object' },
  mapping: {},
  limits: { amount: { max: 500, above: 'approval' }, count: { max: 3, above: 'deny' } },
  record: { arguments: 'none', redact: [] },
  report: false,
};

interface Row {
  readonly name: string;
  readonly outcome?: PolicyAnswer['outcome'];
  readonly mode?: TaskMode;
  readonly effect?: Tool['effect'];
  readonly mapped?: Record<string, number>;
  readonly approved?: boolean;
  readonly want: object;
}

const ROWS: readonly Row[] = [
  { name: 'within everything', want: { outcome: 'allow', code: null } },
  { name: 'at its limits', mapped: { amount: 500, count: 3 }, want: { outcome: 'allow' } },
  {
    name: 'above one that asks',
    mapped: { amount: 501, count: 1 },
    want: {
      outcome: 'approval',
      code: 'approval_required',
      facts: { argument: 'amount', max: 500 },
      needs: [{ role: 'approver', count: 1 }],
    },
  },
  { name: 'that, approved', mapped: { amount: 501, count: 1 }, approved: true, want: { outcome: 'allow' } },
  {
    name: 'above one that denies',
    mapped: { amount: 1, count: 4 },
    want: { outcome: 'deny', code: 'over_limit', facts: { argument: 'count', max: 3 } },
  },
  {
    name: 'that, approved',
    mapped: { amount: 1, count: 4 },
    approved: true,
    want: { outcome: 'deny', code: 'over_limit' },
  },
  { name: 'above both', mapped: { amount: 501, count: 4 }, want: { outcome: 'deny', code: 'over_limit' } },
  {
    name: 'without what has a limit',
    mapped: { count: 1 },
    want: { outcome: 'deny', code: 'over_limit', facts: { argument: 'amount' } },
  },
  { name: 'denied by policies', outcome: 'deny', want: { outcome: 'deny', code: 'policy_denied' } },
  {
    name: 'denied by policies and above a limit',
    outcome: 'deny',
    mapped: { amount: 501, count: 4 },
    want: { outcome: 'deny', code: 'policy_denied' },
  },
  {
    name: 'on approval by policies',
    outcome: 'approval',
    want: { outcome: 'approval', needs: [{ role: 'security', count: 2 }] },
  },
  { name: 'supervised', mode: 'supervised', want: { outcome: 'approval', needs: [{ role: 'approver', count: 1 }] } },
  { name: 'supervised, approved', mode: 'supervised', approved: true, want: { outcome: 'allow' } },
  { name: 'supervised, and only reading', mode: 'supervised', effect: 'read', want: { outcome: 'allow' } },
  { name: 'observed', mode: 'observe', want: { outcome: 'deny', code: 'task_observes', facts: { would: 'allow' } } },
  {
    name: 'observed, above a limit that asks',
    mode: 'observe',
    mapped: { amount: 501, count: 1 },
    want: { outcome: 'deny', code: 'task_observes', facts: { would: 'approval' } },
  },
  { name: 'observed, approved', mode: 'observe', approved: true, want: { outcome: 'deny', code: 'task_observes' } },
];

test.each(ROWS)('$name', ({ outcome = 'allow', mode = 'autonomous', effect = 'purchase', mapped, approved, want }) => {
  const tool = { ...TOOL, effect };
  const request = callRequest({
    principal: { trust: 'mesh', id: 'a', groups: [], attributes: {} },
    name: 'refund',
    tool,
    mapped: mapped ?? { amount: 20, count: 1 },
    facts: { task: { purpose: '', mode, environment: 'production', implicit: false } },
    now: new Date('2026-11-23T12:00:00.900Z'),
    approval: approved ? APPROVAL : undefined,
    grant: undefined,
  });
  const asks: Pick<PolicyAnswer, 'approval'> =
    outcome === 'approval' ? { approval: [{ role: 'security', count: 2 }] } : {};
  const answer: PolicyAnswer = { outcome, policies: [], controls: [], errors: [], ...asks };
  expect(judgeCall(tool, request, answer)).toMatchObject(want);
});
