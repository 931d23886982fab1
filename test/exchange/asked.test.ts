import type { GrantId, TaskId } from '../../src/domain/ids.ts';
import type { Task } from '../../src/domain/task.ts';
import { callAsked, hashOf } from '../../src/exchange/approval.ts';
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
