import { createHash } from 'node:crypto';
import { ProblemsError } from '../../src/domain/problem.ts';
import { makeApply } from '../../src/exchange/apply.ts';
import type { RuleFiles, RulesTools } from '../../src/exchange/apply.ts';
import { codeOf, makeWorld, operator } from './world.ts';
import type { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

/** Rules whose files are the members of their JSON; the difference is what was there and what will be. */
const tools: RulesTools = {
  compile: (files) => {
    if (files['bad']) throw new ProblemsError([{ file: 'bad', line: 1, message: 'is bad' }]);
    const text = JSON.stringify(files);
    return { hash: createHash('sha256').update(text).digest('hex'), text };
  },
  filesOf: (text) => JSON.parse(text) as RuleFiles,
  difference: (before, after) => ({ before: { ...before }, after: { ...after } }),
};
const apply = (files: RuleFiles, dryRun = false, with_ = tools) =>
  makeApply(world.context, with_)(operator(), files, dryRun);
const active = () => world.context.ledger.generations.activeNumber();

test('activates for this process at once, with its author and its difference on record', async () => {
  const before = (await active()) ?? 0;
  const applied = await apply({ note: 'one' });
  expect(applied).toMatchObject({
    number: before + 1,
    unchanged: false,
    difference: { after: { note: 'one' } },
    activatedAt: expect.any(Date),
  });
  expect(world.context.rules.current().number).toBe(before + 1);
  const [row] = await world.record.sql<{ body: string }>(
    `select body from events where type = 'generation.activated' order by seq desc limit 1`,
  );
  expect(JSON.parse(row?.body ?? '')).toMatchObject({
    actor: { kind: 'operator', subject: 'ada' },
    origin: '192.0.2.9',
    facts: { number: before + 1, difference: { after: { note: 'one' } } },
  });
});

test('the same again is unchanged', async () => {
  await apply({ note: 'same' });
  const before = await active();
  expect(await apply({ note: 'same' })).toMatchObject({ number: before, unchanged: true });
  expect(await active()).toBe(before);
});

test.each([
  { name: 'of something else', files: { note: 'dry' }, unchanged: false },
  { name: 'of the same', files: { note: 'there' }, unchanged: true },
])('a dry run $name changes nothing', async ({ files, unchanged }) => {
  await apply({ note: 'there' });
  const before = await active();
  expect(await apply(files, true)).toEqual({
    hash: tools.compile(files).hash,
    difference: { before: { note: 'there' }, after: files },
    unchanged,
  });
  expect(await active()).toBe(before);
});

test('what does not check changes nothing', async () => {
  const before = await active();
  await expect(apply({ bad: 'yes' })).rejects.toBeInstanceOf(ProblemsError);
  expect(await active()).toBe(before);
});

test('another one comes between the reading and the writing: the difference is made anew', async () => {
  await apply({ note: 'start' });
  let raced = 0;
  const difference: RulesTools['difference'] = (before, after) => {
    raced += 1;
    return tools.difference(before, after);
  };
  const held = world.proxy.hold({
    from: 'frontend',
    match: ({ type, sql }) => type === 'B' && sql.includes('activate_generation'),
  });
  const mine = apply({ note: 'mine' }, false, { ...tools, difference });
  await held.reached;
  await world.record.activateRules(JSON.stringify({ note: 'theirs' }));
  held.release();
  expect(await mine).toMatchObject({
    unchanged: false,
    difference: { before: { note: 'theirs' }, after: { note: 'mine' } },
  });
  expect(raced).toBe(2);
});

test('raced again and again it gives up, and says that it was overtaken', async () => {
  const base = world.context.ledger.generations;
  const overtaken = {
    ...base,
    activate: async (activation: Parameters<typeof base.activate>[0]) => {
      await world.record.activateRules();
      return base.activate(activation);
    },
  };
  const context = { ...world.context, ledger: { ...world.context.ledger, generations: overtaken } };
  const lost = makeApply(context, { ...tools, filesOf: () => ({}) })(operator(), { note: 'never' }, false);
  expect(await codeOf(lost)).toBe('generation_behind');
  await world.record.activateRules('{}');
});
