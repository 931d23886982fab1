import type { Fault } from '../../src/domain/errors.ts';
import type { GrantId } from '../../src/domain/ids.ts';
import type { Tool } from '../../src/domain/tool.ts';
import { makeEvaluate } from '../../src/exchange/evaluate.ts';
import type { PgMessage } from '../support/pg-messages.ts';
import { askAbout, deniedCall } from '../ledger/calling.ts';
import { ALLOW, caller, makeWorld, REQUEST } from './world.ts';
import type { World } from './world.ts';

/** A large batch is recorded in two commits, the first of them while its rest is still decided. */
const TOOL: Tool = {
  name: 'look-up',
  owner: 'payments',
  environment: 'development',
  effect: 'read',
  arguments: { type: 'object', properties: { n: { type: 'integer' } } },
  mapping: {},
  limits: {},
  record: { arguments: 'all', redact: [] },
  report: false,
};
const rules = (outcome: 'allow' | 'deny') => ({ tools: [TOOL], answer: { ...ALLOW, outcome }, note: outcome });
const COUNT = 100;
/** As many as come before, or are, the 48th of those that are put to the policies, which answer eight at a time. */
const BEGINNING = 63;
/** Every fourth is about a tool that there is not, and is not put to any policy. */
const questions = Array.from({ length: COUNT }, (_, n) => ({
  action: 'call',
  resource: { type: 'tool', id: n % 4 === 3 ? 'nothing' : TOOL.name },
  arguments: { n },
}));

let world: World;
let evaluate: ReturnType<typeof makeEvaluate>;
let counted = 0;
beforeAll(async () => {
  world = await makeWorld();
  evaluate = makeEvaluate(world.context, { clients: [], outcomeUrl: () => '', onDecision: () => (counted += 1) });
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.activate(rules('allow'));
  await world.record.sql('truncate decisions cascade');
  counted = 0;
  world.alerts.length = 0;
});
afterEach(() => world.proxy.resume());

/** What is on record, in the sequence of the questions, with the transaction that wrote it. */
const onRecord = () =>
  world.record.sql<{ id: string; n: number; outcome: string; tx: string }>(
    `select id, outcome, xmin::text as tx, coalesce((arguments ->> 'n')::int, -1) as n from decisions where action = 'call' order by id`,
  );

test('each is answered as it is on record, in their sequence, in two commits of which the first has its beginning', async () => {
  const answers = await evaluate(caller(), questions);
  expect(answers.map(({ code }) => code)).toEqual(questions.map((_, n) => (n % 4 === 3 ? 'unknown_tool' : null)));
  const rows = new Map((await onRecord()).map((row) => [row.id, row]));
  expect(rows.size).toBe(COUNT);
  const told = answers.map(({ decision }) => rows.get(decision));
  expect(told.map((row) => row?.n)).toEqual(questions.map((_, n) => (n % 4 === 3 ? -1 : n)));
  const commits = told.map((row) => row?.tx);
  const [first, second] = new Set(commits);
  expect(second).toBeDefined();
  const beginning = commits.filter((tx) => tx === first).length;
  expect(commits).toEqual(commits.map((_, n) => (n < beginning ? first : second)));
});

test.each(['deny_on_first_deny', 'permit_on_first_permit'] as const)(
  '%s: what settles it is not known before',
  async (semantic) => {
    await evaluate(caller(), questions, semantic);
    expect(new Set((await onRecord()).map(({ tx }) => tx)).size).toBe(1);
  },
);

/** The commit of calls after so many, on its way there, and its answer on the way back. */
const sent = (nth: number) => ({
  from: 'frontend' as const,
  match: ({ type, sql }: PgMessage) => type === 'B' && sql.includes('record_calls'),
  nth,
});
const answered = (nth: number) => ({
  from: 'backend' as const,
  match: ({ type, sql }: PgMessage) => type === 'C' && sql.includes('record_calls'),
  nth,
});

test('overtaken by other rules between the two: the beginning stays as it was recorded, the rest is decided by those', async () => {
  const first = world.proxy.hold(answered(1));
  const asked = evaluate(caller(), questions);
  await first.reached;
  await world.record.activateRules(JSON.stringify(rules('deny')));
  first.release();
  const answers = await asked;
  expect(answers).toHaveLength(COUNT);
  const allowed = answers.filter(({ code }) => code === null).length;
  expect(allowed).toBe(48);
  expect(answers.flatMap(({ code }, n) => (n % 4 === 3 ? [] : [code]))).toEqual(
    questions.flatMap((_, n) => (n % 4 === 3 ? [] : [n < BEGINNING ? null : 'policy_denied'])),
  );
  const rows = new Map((await onRecord()).map((row) => [row.id, row.outcome]));
  expect(answers.map(({ decision }) => rows.get(decision))).toEqual(
    answers.map(({ code }) => (code === null ? 'allow' : 'deny')),
  );
  expect(rows.size).toBe(COUNT);
});

/** One of the beginning is on a grant that is over. */
const onOver = (grant: GrantId) =>
  questions.map((one, n) => (n === 3 ? { ...one, resource: { type: 'tool', id: TOOL.name }, grant } : one));

test.each([
  {
    name: 'a budget',
    spends: async () => ({ task: await world.record.task({ max_calls: 200, environment: TOOL.environment }) }),
  },
  {
    name: 'an approval',
    spends: async () => ({ approval: await askAbout(world.record, await deniedCall(world.record)) }),
  },
])(
  'with calls that may spend $name it is one commit: the beginning of one that fails would have spent it in vain',
  async ({ spends }) => {
    const one = await spends();
    const answers = await evaluate(
      caller(),
      questions.map((question, n) => (n === COUNT - 2 ? { ...question, ...one } : question)),
    );
    expect(answers.filter(({ code }) => code === null)).toHaveLength(75);
    const ids = new Set<string>(answers.map(({ decision }) => decision));
    const rows = (await onRecord()).filter(({ id }) => ids.has(id));
    expect([rows.length, new Set(rows.map(({ tx }) => tx)).size]).toEqual([COUNT, 1]);
  },
);

test.each([
  { name: 'the first is lost on its way there', hold: sent(1), recorded: 0, known: 0 },
  { name: 'the answer to the first is lost', hold: answered(1), recorded: BEGINNING, known: 0 },
  { name: 'the second is lost on its way there', hold: sent(2), recorded: BEGINNING, known: BEGINNING },
])('$name: all are refused, what is known to be on record is told, and the next batch is decided', async (lost) => {
  const { hold, recorded, known } = lost;
  const { grant } = await world.issue(caller(), REQUEST);
  await world.record.age(grant, 3_600);
  const held = world.proxy.hold(hold);
  const asked = evaluate(caller(), onOver(grant)).catch((error: unknown) => error);
  await held.reached;
  world.proxy.refuse();
  held.drop();
  const fault = await asked;
  expect(fault).toMatchObject({ name: 'Fault', code: 'ledger_unavailable' });
  expect([counted, world.alerts.map((use) => use.grant)]).toEqual([known, known > 0 ? [grant] : []]);
  await world.proxy.resume();
  const rows = await onRecord();
  expect(rows).toHaveLength(recorded);
  expect((fault as Fault).facts).toEqual(known > 0 ? { recorded: expect.any(Array) } : {});
  const told = new Set((fault as Fault).facts['recorded'] as string[] | undefined);
  expect(told).toEqual(new Set(known > 0 ? rows.map(({ id }) => id) : []));
  expect(await evaluate(caller(), questions)).toHaveLength(COUNT);
});
