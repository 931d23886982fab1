import type { TaskId } from '../../src/domain/ids.ts';
import type { Identity } from '../../src/domain/identity.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { Task } from '../../src/domain/task.ts';
import { makeTaskTokens } from '../../src/exchange/task-token.ts';
import { caller, codeOf } from './world.ts';

/** What a task token says counts in its own time and trust domain, and for whom it was made. */
const NOW = new Date('2026-11-25T12:00:00Z');
const ENDS = new Date('2026-11-25T13:00:00Z');
const TASK = {
  id: 't000000000000000000000' as TaskId,
  purpose: 'close the books',
  mode: 'autonomous',
  environment: 'test',
  implicit: false,
  path: ['t000000000000000000000' as TaskId],
  chain: [{ trust: 'mesh', id: 'one' }],
  bounds: { parameters: {} },
  endsAt: ENDS,
} satisfies Task;

/** Every token of the class `task` holds; what it says is its text, changed. */
const tokens = (change: JsonObject = {}, now = NOW) =>
  makeTaskTokens({
    issuer: 'https://writ.test',
    clock: { now: () => now, offsetMs: () => 0 },
    sign: (_class, payload) => Promise.resolve(JSON.stringify(payload)),
    verify: (tokenClass, token) =>
      Promise.resolve(tokenClass === 'task' ? { ...(JSON.parse(token) as JsonObject), ...change } : undefined),
  });
const identity = (id: string, trust = 'mesh'): Identity => caller(id, { trust }).identity;

test.each<{ name: string; holder?: Identity; change?: JsonObject; now?: Date; code: string }>([
  { name: 'its holder', code: 'done' },
  { name: 'another workload', holder: identity('two'), code: 'task_token_invalid' },
  { name: 'a namesake of another trust entry', holder: identity('one', 'corp'), code: 'task_token_invalid' },
  { name: 'its holder, of another issuer', change: { iss: 'https://other.test' }, code: 'task_token_invalid' },
  { name: 'its holder, for another audience', change: { aud: 'https://other.test' }, code: 'task_token_invalid' },
  { name: 'its holder, of no task', change: { tctx: { trust: 'mesh' } }, code: 'task_token_invalid' },
  { name: 'its holder, who is named nowhere', change: { act: {} }, code: 'task_token_invalid' },
  { name: 'its holder, when it ends', now: ENDS, code: 'task_ended' },
])('shown by $name: $code', async ({ holder = identity('one'), change, now, code }) => {
  const token = await tokens().sign(TASK, NOW);
  expect(await codeOf(tokens(change, now).ofHolder(holder, token))).toBe(code);
});

test('passed on by an enforcement point it is read in the same way, and tells whose it is', async () => {
  const token = await tokens().sign(TASK, NOW);
  expect(await tokens().passedOn(token)).toBe(TASK.id);
  expect(await tokens().read(token)).toMatchObject({ holder: { trust: 'mesh', id: 'one' }, expired: false });
  expect(await codeOf(tokens({ aud: 'https://other.test' }).passedOn(token))).toBe('task_token_invalid');
  expect(await codeOf(tokens({}, ENDS).passedOn(token))).toBe('task_ended');
});
