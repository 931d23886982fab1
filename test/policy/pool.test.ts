import { canonicalJson } from '../../src/domain/json.ts';
import { makeCedarCompiler, makeDecisionPool } from '../../src/policy/index.ts';
import type { DecisionPool } from '../../src/policy/index.ts';
import { request, schema } from './world.ts';

/** The threads as `npm run build` made them: Cedar of a thread knows nothing of what another has parsed. */
const WORKER = new URL('../../dist/policy/worker.js', import.meta.url);
const FILES = {
  'policies/a.cedar': `@id("read") permit (principal in Trust::"mesh", action == Action::"issue", resource) when { resource.effect == "read" };
@id("no-night") forbid (principal, action, resource) when { context.task.purpose == "night" };`,
};
const SET = { files: FILES, schema };

const requests = Array.from({ length: 50 }, (_, n) =>
  request({
    task: { purpose: n % 3 === 0 ? 'night' : `day ${n}` },
    resource: { effect: n % 5 === 0 ? 'write' : 'read' },
  }),
);
const texts = requests.map((one) => canonicalJson({ ...one }));
const here = requests.map((one) => makeHere().decide(one));

function makeHere() {
  return makeCedarCompiler().compile(FILES, schema);
}

const open: DecisionPool[] = [];
function pool(file: URL = WORKER, size = 2): DecisionPool {
  const made = makeDecisionPool(file, size);
  open.push(made);
  return made;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

/** Threads need a moment until they have a set; until then they say so. */
async function ready(one: DecisionPool, set = SET) {
  for (;;) {
    const answers = await one.decide(set, texts);
    if (answers) return answers;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('threads answer what this one does, in the sequence of the questions', async () => {
  expect(here.map(({ outcome }) => outcome)).toContain('allow');
  const answers = await ready(pool());
  expect(answers).toEqual(here);
});

test('before they have a set they say so, and whoever asks decides', async () => {
  const one = pool();
  expect(await one.decide(SET, texts)).toBeUndefined();
  const set = makeCedarCompiler(undefined, one).compile(FILES, schema);
  expect(await set.decideMany(requests, texts)).toEqual(here);
  await ready(one);
});

test('two sets at once, each answered by its own policies', async () => {
  const one = pool();
  const other = { files: { 'policies/a.cedar': '@id("other") permit (principal, action, resource);' }, schema };
  const [mine, others] = await Promise.all([ready(one), ready(one, other)]);
  expect(mine).toEqual(here);
  expect(new Set(others.flatMap(({ policies }) => policies))).toEqual(new Set(['other']));
  for (const again of await Promise.all([ready(one), ready(one), ready(one)])) expect(again).toEqual(here);
});

test('a thread that cannot start, or dies, leaves the deciding to whoever asks', async () => {
  const none = pool(new URL('no-such-worker.js', WORKER));
  expect(await none.decide(SET, texts)).toBeUndefined();
  const broken = pool(new URL(`data:text/javascript,${encodeURIComponent(BROKEN)}`));
  for (let n = 0; n < 5; n++) {
    const set = makeCedarCompiler(undefined, broken).compile(FILES, schema);
    expect(await set.decideMany(requests, texts)).toEqual(here);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

/** Takes every set, and ends at the first question. */
const BROKEN = `import { parentPort } from 'node:worker_threads';
parentPort.on('message', (told) => { if ('load' in told) parentPort.postMessage({ loaded: told.load }); else process.exit(1); });`;

test('while it decides many by itself, others have their turn', async () => {
  const set = makeHere();
  const many = Array.from({ length: 300 }, (_, n) => request({ task: { purpose: `p${n}` } }));
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  await set.decideMany(many, []);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(2);
});
