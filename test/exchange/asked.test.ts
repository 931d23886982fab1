import type { ApprovalId, GrantId, TaskId } from '../../src/domain/ids.ts';
import type { Task } from '../../src/domain/task.ts';
import { ONE_APPROVER } from '../../src/domain/approval.ts';
import { approvalRequest, callAsked, hashOf } from '../../src/exchange/approval.ts';
import { caller } from './world.ts';
import type { WantedCall } from '../../src/exchange/approval.ts';

const TASK: Task = {
  id: 't1' as TaskId,
  purpose: 'close the books',
  mode: 'supervised',
  environment: 'test',
  implicit: false,
  path: ['t1' as TaskId],
  chain: [],
  bounds: { parameters: {} },
};
const CALL: WantedCall = {
  tool: 'refund',
  toolHash: 'a',
  arguments: { amount: 900 },
  argumentsHash: 'b',
  subject: { trust: 'mesh', id: 'one' },
  onBehalfOf: 'user:ada',
  task: TASK,
  grant: 'g1' as GrantId,
};

test.each<[string, Partial<WantedCall>]>([
  ['tool', { tool: 'refund.all' }],
  ['file of the tool', { toolHash: 'c' }],
  ['argument', { arguments: { amount: 901 } }],
  ['argument that nobody is shown', { argumentsHash: 'c' }],
  ['workload', { subject: { trust: 'mesh', id: 'two' } }],
  ['trust entry', { subject: { trust: 'corp', id: 'one' } }],
  ['principal', { onBehalfOf: 'user:grace' }],
  ['grant', { grant: 'g2' as GrantId }],
  ['task', { task: { ...TASK, id: 't2' as TaskId } }],
  ['purpose', { task: { ...TASK, purpose: 'open the books' } }],
  ['mode', { task: { ...TASK, mode: 'autonomous' } }],
  ['environment', { task: { ...TASK, environment: 'production' } }],
])('with another %s it is another question', (_name, change) => {
  expect(hashOf(callAsked({ ...CALL, ...change }))).not.toBe(hashOf(callAsked(CALL)));
});

const person = (subject: string) => ({ issuer: 'https://sso.test', subject });
const chainFor = (task?: Partial<Pick<Task, 'onBehalfOf' | 'verified' | 'chain'>>) =>
  approvalRequest(
    { approvals: { lifetimeSeconds: 60, notify: [], maxOpen: 1 } },
    {
      id: 'a1' as ApprovalId,
      kind: 'call',
      asked: {},
      needs: ONE_APPROVER,
      caller: caller('one', person('asks')),
      chain: [person('of the call')],
      now: new Date(),
      ...(task && { task: { chain: [], ...task } }),
    },
  ).chain;

test.each<{ name: string; task?: Parameters<typeof chainFor>[0]; more: object[] }>([
  { name: 'on no task', more: [] },
  {
    name: 'for somebody who is only named: of whichever issuer',
    task: { onBehalfOf: 'ada' },
    more: [{ subject: 'ada' }],
  },
  {
    name: 'for somebody who is verified',
    task: { onBehalfOf: 'user:ada', verified: { trust: 'corp', groups: [], ...person('ada') } },
    more: [person('ada')],
  },
  {
    name: 'on a task that was handed on',
    task: {
      chain: [
        { trust: 'mesh', id: 'zero', ...person('lead') },
        { trust: 'mesh', id: 'one' },
      ],
    },
    more: [person('lead')],
  },
])('nobody answers who is on its way: $name', ({ task, more }) => {
  expect(chainFor(task)).toEqual([person('of the call'), ...more, person('asks')]);
});
