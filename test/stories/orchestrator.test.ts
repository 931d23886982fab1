import { decodeJwt } from 'jose';
import { WritError } from '../../src/client/index.ts';
import type {
  Client,
  CreatedTask,
  EvaluationAnswer,
  IssuedGrant,
  TaskRequest,
  TaskWish,
} from '../../src/client/index.ts';
import { agentId } from '../support/agents.ts';
import { until } from '../support/waiting.ts';
import { rulesOnPage } from './page.ts';
import { startStory } from './world.ts';
import type { Story } from './world.ts';

/** docs/stories/orchestrator.md: context that travels from staging to a tool of production, and what happens where it does not. */
let story: Story;
let orchestrator: Client;
let promoter: Client;
beforeAll(async () => {
  story = await startStory(await rulesOnPage('orchestrator'));
  orchestrator = story.agent('orchestrator');
  promoter = story.agent('promoter');
});
afterAll(() => story.close());

const RELEASE: TaskRequest = {
  purpose: 'release build 4711',
  mode: 'autonomous',
  environment: 'staging',
  environments: ['staging', 'production'],
  profiles: ['release'],
  tools: ['tests.read', 'release.promote'],
  parameters: { build: ['4711'] },
  max_calls: 5,
};
const PROMOTE: TaskWish = {
  purpose: 'promote it',
  environment: 'production',
  tools: ['release.promote'],
  max_calls: 1,
};
const CREDENTIAL = { profile: 'release', parameters: { build: '4711' } };

const begin = (change: Partial<TaskRequest> = {}): Promise<CreatedTask> =>
  orchestrator.workload.createTask({ ...RELEASE, ...change });

/** A part of a new task, in the promoter's hands. */
async function handedOn(wish: TaskWish = PROMOTE) {
  const root = await begin();
  const part = await promoter.workload.takeTask(root.token, wish);
  return { root, part, token: part.access_token, on: story.agent('promoter', { task: part.access_token }) };
}

async function issued(client: Client): Promise<IssuedGrant> {
  const answer = await client.workload.issue(CREDENTIAL);
  if (answer.state !== 'active') throw new Error(answer.state);
  return answer;
}

interface Call {
  readonly who?: string;
  readonly tool?: string;
  readonly build?: string;
  readonly grant?: string;
  readonly token?: string;
}

/** What the gateway is told, which passes on what it was shown. */
function asked({ who = 'promoter', tool = 'release.promote', build = '4711', grant, token }: Call) {
  return story.gateway.workload.evaluate(
    {
      subject: { type: 'workload', id: agentId(who), properties: { trust: 'mesh' } },
      action: { name: 'call' },
      resource: { type: 'tool', id: tool },
      context: { arguments: { build }, ...(grant === undefined ? {} : { grant }) },
    },
    token === undefined ? {} : { taskToken: token },
  );
}

/** Of an event, what tells whose step it was. */
interface Told {
  readonly type: string;
  readonly task: string;
  readonly workload: { readonly id: string };
  readonly actor: { readonly kind: string; readonly id?: string };
  readonly facts: Readonly<Record<string, unknown>>;
}
const nameOf = (id = '') => id.split('/').at(-1) ?? '';

const reason = ({ decision, context }: EvaluationAnswer) =>
  decision ? 'allowed' : [context?.reason, ...((context?.['outside'] ?? []) as string[])].join(' ');
const said = async (call: Call) => reason(await asked(call));

/** How something is refused: the code, or OAuth's error with what it says. */
async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'nothing was refused',
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof WritError)) return String(error);
  return [error.status, error.code, error.detail ?? ''].join(' ').trim();
}

const changed = (token: string) => token.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'));

test('the right one: begun in staging, handed on, called in production, and one timeline that has all of it', async () => {
  const root = await begin();
  const tests = { action: { name: 'call' }, resource: { type: 'tool', id: 'tests.read' } } as const;
  const onTask = story.agent('orchestrator', { task: root.token }).workload;
  expect(await onTask.evaluate({ ...tests, context: { arguments: { build: '4711' } } })).toMatchObject({
    decision: true,
    context: { policies: ['staging-is-open'] },
  });

  const part = await promoter.workload.takeTask(root.token, PROMOTE);
  const token = part.access_token;
  expect(decodeJwt(token)).toMatchObject({
    txn: root.id,
    req_wl: `${agentId('orchestrator')},${agentId('promoter')}`,
    act: { sub: agentId('promoter'), act: { sub: agentId('orchestrator') } },
    tctx: { environments: ['production'], purpose: 'release build 4711 > promote it' },
    chain_metadata: { hop_count: 1 },
  });

  const grant = await issued(story.agent('promoter', { task: token }));
  expect(grant).toMatchObject({ task: part.task, decision: { policies: ['production-by-hand-over'] } });
  if (grant.credential.type !== 'jwt') throw new Error(grant.credential.type);
  expect(decodeJwt(grant.credential.token)).toMatchObject({ build: '4711', scope: 'release:promote' });

  const allowed = await asked({ grant: grant.id, token });
  expect(allowed).toMatchObject({
    decision: true,
    context: { policies: ['production-by-hand-over'], obligations: [{ id: 'report' }] },
  });
  const decision = String(allowed.context?.id);
  await story.gateway.workload.reportOutcome(decision, { status: 'succeeded' });
  expect(await said({ grant: grant.id, token })).toBe('task_budget_spent');

  await orchestrator.workload.endTask(root.id, 'it is released');
  const auditor = story.operator('auditor').operator;
  await until(async () => (await auditor.grant(grant.id)).state === 'revoked');
  expect(await said({ grant: grant.id, token })).toBe('grant_not_active');
  expect(await refusal(promoter.workload.takeTask(root.token, PROMOTE))).toContain('task_ended');
  expect(await story.gateway.workload.introspect(grant.credential.token)).toEqual({ active: false });

  const timeline = await auditor.timeline(root.id);
  expect(timeline.hops).toMatchObject([
    {
      id: root.id,
      parent: null,
      depth: 0,
      workload: { id: agentId('orchestrator') },
      environments: ['staging', 'production'],
    },
    { id: part.task, parent: root.id, depth: 1, workload: { id: agentId('promoter') }, environments: ['production'] },
  ]);
  const names = new Map([
    [root.id, 'whole'],
    [part.task, 'part'],
  ]);
  const told = timeline.entries.map(({ event }) => {
    const { type, task, workload, actor, facts } = JSON.parse(JSON.stringify(event)) as Told;
    const isDecision = type === 'decision.made' || type === 'call.decided';
    const decided = isDecision ? [facts['action'], facts['outcome'], facts['code']].filter(Boolean) : [];
    const by = actor.kind === 'workload' && actor.id !== workload.id ? [`asked by ${nameOf(actor.id)}`] : [];
    return [names.get(task), type, ...decided, 'of', nameOf(workload.id), ...by].join(' ');
  });
  expect(told).toEqual([
    'whole decision.made create_task allow of orchestrator',
    'whole task.created of orchestrator',
    'whole call.decided allow of orchestrator',
    'part decision.made delegate allow of promoter',
    'part task.delegated of promoter',
    'part decision.made issue allow of promoter',
    'part grant.opened of promoter',
    'part grant.activated of promoter',
    'part call.decided allow of promoter asked by gateway',
    'part call.reported of promoter asked by gateway',
    'part call.decided deny task_budget_spent of promoter asked by gateway',
    'whole task.ended of orchestrator',
    'part task.ended of promoter asked by orchestrator',
    'part grant.ending of promoter',
    'part mint.ended of promoter',
    'part grant.revoked of promoter',
    'part call.decided deny grant_not_active of promoter asked by gateway',
    'part use.after_revocation of promoter asked by gateway',
    'whole decision.made delegate deny task_ended of promoter',
    'whole use.after_revocation of orchestrator asked by promoter',
    'part use.after_revocation of promoter asked by gateway',
  ]);
  expect(timeline.decisions.flatMap(({ policies }) => policies.map(({ text }) => text))).not.toContain(null);
  expect(timeline.credentials).toMatchObject([{ grant: grant.id, profile: 'release', state: 'ended' }]);
  const lines = (await story.writ(['audit', 'timeline', root.id], 'auditor')).join('\n');
  for (const words of [root.id, `  ${part.task}`, 'staging, production', 'release build 4711 > promote it'])
    expect(lines).toContain(words);
  const call = /\[2\] allow: call release\.promote\n.*agent\/gateway \(mesh\)\n.*workload: .*agent\/promoter \(mesh\)/;
  expect(lines).toMatch(call);
});

describe('without context', () => {
  test('no credential, and no task that reaches so far', async () => {
    expect(await refusal(promoter.workload.issue(CREDENTIAL))).toMatch(/^403 policy_denied/);
    expect(await refusal(promoter.workload.createTask(RELEASE))).toMatch(/^403 policy_denied/);
    const { token } = await begin();
    const itself = story.agent('orchestrator', { task: token });
    expect(await refusal(itself.workload.issue(CREDENTIAL))).toMatch(/^403 policy_denied/);
  });

  test('no call', async () => {
    expect(await said({})).toBe('grant_required');
    const { on } = await handedOn();
    const grant = (await issued(on)).id;
    const other = await handedOn();
    expect(await said({ grant, token: other.token })).toBe('outside_task grant');
    expect(await said({ grant, token: other.root.token })).toBe('task_not_found');
    expect(await said({ grant, who: 'orchestrator' })).toBe('grant_not_active');
  });

  test('a token that is somebody else’s, or does not hold, is none at all', async () => {
    const { root, token, on } = await handedOn();
    const grant = (await issued(on)).id;
    const thief = story.agent('promoter', { task: root.token });
    expect(await refusal(thief.workload.issue(CREDENTIAL))).toMatch(/^403 task_token_invalid/);
    const stranger = story.agent('stranger').workload;
    expect(await refusal(stranger.takeTask(root.token, PROMOTE))).toContain('unauthorized_client policy_denied');
    expect(await refusal(asked({ grant, token: changed(token) }))).toMatch(/^403 task_token_invalid/);
    expect(await refusal(asked({ grant, token: 'x' }))).toMatch(/^403 task_token_invalid/);
    const spoilt = story.agent('promoter', { task: changed(token) }).workload;
    expect(await refusal(spoilt.issue(CREDENTIAL))).toMatch(/^403 task_token_invalid/);
    expect(await said({ grant, token })).toBe('allowed');
  });
});

describe('with widened context', () => {
  const later = () => new Date(Date.now() + 20 * 3_600_000).toISOString();

  test.each<{ name: string; wish: () => TaskWish; wider: string; parent?: Partial<TaskRequest> }>([
    {
      name: 'one more environment',
      wish: () => ({ environments: ['production', 'finance'], environment: 'production' }),
      wider: 'environments',
    },
    { name: 'another build', wish: () => ({ parameters: { build: ['4711', '4712'] } }), wider: 'parameters.build' },
    {
      name: 'one more tool, one more profile',
      wish: () => ({ tools: ['release.promote', 'release.delete'], profiles: ['release', 'admin'] }),
      wider: 'profiles, tools',
    },
    {
      name: 'more calls than are left, a later end',
      wish: () => ({ max_calls: 6, ends_at: later() }),
      wider: 'ends_at, max_calls',
    },
    {
      name: 'production, of a task in staging alone',
      parent: { environments: ['staging'] },
      wish: () => ({ environment: 'production' }),
      wider: 'environments',
    },
  ])('$name: nothing is handed on, and that is on record', async ({ wish, wider, parent = {} }) => {
    const root = await begin(parent);
    const answer = await refusal(promoter.workload.takeTask(root.token, wish()));
    expect(answer).toBe(`400 invalid_scope wider_than_parent: ${wider}`);
    expect((await story.operator('auditor').operator.task(root.id)).below).toEqual([]);
    const { entries } = await story.operator('auditor').operator.timeline(root.id);
    expect(entries.at(-1)?.event).toMatchObject({
      type: 'decision.made',
      workload: { id: agentId('promoter') },
      facts: { action: 'delegate', outcome: 'deny', code: 'wider_than_parent' },
    });
  });

  test('claims that were rewritten', async () => {
    const { root, token, on } = await handedOn();
    const grant = (await issued(on)).id;
    const [head = '', payload = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { tctx: object };
    const wider = { ...claims, tctx: { ...claims.tctx, task: root.id, environments: ['production', 'finance'] } };
    const forged = [head, Buffer.from(JSON.stringify(wider)).toString('base64url'), signature].join('.');
    expect(await refusal(asked({ grant, token: forged }))).toMatch(/^403 task_token_invalid/);
    expect(await refusal(story.agent('promoter', { task: forged }).workload.issue(CREDENTIAL))).toMatch(
      /^403 task_token_invalid/,
    );
    expect(await refusal(promoter.workload.takeTask(forged))).toMatch(/^400 invalid_request/);
  });

  test('more than its part, on the right task', async () => {
    const { token, on } = await handedOn();
    const other = { profile: 'release', parameters: { build: '4712' } };
    expect(await refusal(on.workload.issue(other))).toMatch(/^403 outside_task/);
    const grant = (await issued(on)).id;
    expect(await said({ grant, token, build: '4712' })).toBe('outside_task parameters.build');
    expect(await said({ token, tool: 'tests.read' })).toBe('outside_task tool environment');
    expect(await refusal(orchestrator.workload.takeTask(token))).toContain('unauthorized_client');
    expect(await said({ grant, token })).toBe('allowed');
  });
});
