import { canonicalJson } from '../../src/domain/json.ts';
import { makeCedarCompiler, makeDecisionPool } from '../../src/policy/index.ts';
import type { DecidingMany, DecisionPool, PolicyAnswer, PolicyRequest, PolicySet } from '../../src/policy/index.ts';
import type { PooledBatch, PoolOptions } from '../../src/policy/pool.ts';
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

function askAll(set: PolicySet, asked: readonly PolicyRequest[] = requests) {
  const deciding = set.decideMany();
  for (const one of asked) deciding.ask(one, canonicalJson({ ...one }));
  return allOf(deciding);
}

async function allOf(deciding: DecidingMany): Promise<PolicyAnswer[]> {
  const all: PolicyAnswer[] = [];
  for await (const some of deciding.answers()) all.push(...some);
  return all;
}

const open: DecisionPool[] = [];
function pool(file: URL = WORKER, size = 2, options: PoolOptions = {}): DecisionPool {
  const made = makeDecisionPool(file, size, options);
  open.push(made);
  return made;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

/** As batches are handed over: undefined where any piece is left to whoever asks. */
async function inPieces(batch: PooledBatch | undefined, some = texts): Promise<PolicyAnswer[] | undefined> {
  if (!batch) return undefined;
  const starts = Array.from({ length: Math.ceil(some.length / 8) }, (_, n) => n * 8);
  const pieces = await Promise.all(starts.map((at) => batch.decide(some.slice(at, at + 8))));
  return pieces.includes(undefined) ? undefined : pieces.flatMap((piece) => piece ?? []);
}

/** Threads need a moment until they have a set; until then they say so. */
async function ready(one: DecisionPool, set = SET) {
  for (;;) {
    const answers = await inPieces(one.begin(set));
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
  expect(one.begin(SET)).toBeUndefined();
  const set = makeCedarCompiler(undefined, one).compile(FILES, schema);
  expect(await askAll(set)).toEqual(here);
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
  expect(none.begin(SET)).toBeUndefined();
  const broken = pool(new URL(`data:text/javascript,${encodeURIComponent(BROKEN)}`));
  for (let n = 0; n < 5; n++) {
    const set = makeCedarCompiler(undefined, broken).compile(FILES, schema);
    expect(await askAll(set)).toEqual(here);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

/** Takes every set, and ends at the first question. */
const BROKEN = `import { parentPort } from 'node:worker_threads';
parentPort.on('message', (told) => { if ('load' in told) parentPort.postMessage({ loaded: told.load, dropped: [] }); else process.exit(1); });`;

/** Takes every set, and answers each question with how many it had answered before. */
const COUNTING = `import { parentPort } from 'node:worker_threads';
let count = 0;
parentPort.on('message', (told) => parentPort.postMessage('load' in told ? { loaded: told.load, dropped: [] }
  : { job: told.job, answers: JSON.stringify(JSON.parse(told.requests).map(() => count++)) }));`;

test('batches take turns, however many pieces each is handed over in', async () => {
  const one = pool(new URL(`data:text/javascript,${encodeURIComponent(COUNTING)}`), 1);
  await ready(one);
  const [many, few] = [one.begin(SET), one.begin(SET)];
  if (!many || !few) throw new Error('the thread has the set');
  const pieces = Array.from({ length: 20 }, () => many.decide(texts.slice(0, 8)));
  const short = await inPieces(few, texts.slice(0, 16));
  const long = (await Promise.all(pieces)).flatMap((piece) => piece ?? []);
  expect(long).toHaveLength(160);
  const last = Number(short?.at(-1));
  const before = long.filter((turn) => Number(turn) < last).length;
  // three pieces were under way, and then it is every other one
  expect([short?.length, before]).toEqual([16, 40]);
});

test('deciding begins before all are asked, and the answers keep the sequence whatever comes of each piece', async () => {
  const pieces: { readonly texts: readonly string[]; done(answers: PolicyAnswer[] | undefined): void }[] = [];
  const fake: DecisionPool = {
    begin: () => ({ decide: (some) => new Promise((done) => pieces.push({ texts: some, done })) }),
    close: async () => undefined,
  };
  const set = makeCedarCompiler(undefined, fake).compile(FILES, schema);
  const deciding = set.decideMany();
  for (const [at, one] of requests.entries()) {
    deciding.ask(one, texts[at] ?? '');
    if (at === 10) expect(pieces.length).toBeGreaterThan(0);
  }
  const answers = allOf(deciding);
  expect(pieces.flatMap((piece) => piece.texts)).toEqual(texts);
  const answered = pieces.map(({ texts: some }) => some.map((text) => here[texts.indexOf(text)] ?? NOBODY));
  // the last one is answered first, and every other one is lost
  for (const [at, piece] of [...pieces.entries()].reverse()) piece.done(at % 2 === 0 ? answered[at] : undefined);
  expect(await answers).toEqual(here);
});

const NOBODY: PolicyAnswer = { outcome: 'deny', policies: ['nobody'], controls: [], errors: [] };

test('too few to be worth it are decided here', async () => {
  const fake: DecisionPool = {
    begin: () => {
      throw new Error('handed over');
    },
    close: async () => undefined,
  };
  const set = makeCedarCompiler(undefined, fake).compile(FILES, schema);
  expect(await askAll(set, requests.slice(0, 3))).toEqual(here.slice(0, 3));
  expect(await askAll(set, [])).toEqual([]);
});

test('what only a lost thread had is left to whoever asks, also what had not come to it', async () => {
  const one = pool(new URL(`data:text/javascript,${encodeURIComponent(BROKEN)}`), 1);
  for (;;) {
    const batch = one.begin(SET);
    if (batch) {
      expect(await Promise.all([batch.decide(texts), batch.decide(texts)])).toEqual([undefined, undefined]);
      expect(await batch.decide(texts)).toBeUndefined();
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

const script = (text: string) => new URL(`data:text/javascript,${encodeURIComponent(text)}`);
/** Takes every set, answers each question with the number of the thread, and ends at `die` and stands still at `hang`. */
const MORTAL = `import { parentPort, threadId } from 'node:worker_threads';
parentPort.on('message', (told) => {
  if ('load' in told) return parentPort.postMessage({ loaded: told.load, dropped: [] });
  if (told.requests.includes('die')) process.exit(1);
  while (told.requests.includes('hang'));
  parentPort.postMessage({ job: told.job, answers: JSON.stringify(JSON.parse(told.requests).map(() => threadId)) });
});`;
/** However often it is looked at, enough time has gone by for another start. */
function impatient() {
  let now = 0;
  return () => (now += 60_000);
}

/** Every thread has the set: who they are. */
async function readyThreads(one: DecisionPool, count: number): Promise<unknown[]> {
  const seen = new Set<unknown>();
  while (seen.size < count) for (const id of await ready(one)) seen.add(id);
  return [...seen];
}

test('a thread that is lost is replaced while others go on', async () => {
  const one = pool(script(MORTAL), 2, { nowMs: impatient() });
  const seen = new Set<unknown>();
  const untilSeen = async (count: number) => {
    while (seen.size < count) for (const id of await ready(one)) seen.add(id);
  };
  await untilSeen(2);
  expect(await one.begin(SET)?.decide(['"die"'])).toBeUndefined();
  await untilSeen(3);
});

test('where the machine gives no thread, whoever asks decides', async () => {
  const none = pool(new URL('https://threads.test/worker.js'));
  expect(none.begin(SET)).toBeUndefined();
  expect(await askAll(makeCedarCompiler(undefined, none).compile(FILES, schema))).toEqual(here);
});

test('a set that a thread has dropped for newer ones is loaded again when it is asked about', async () => {
  const one = pool(WORKER, 1);
  await ready(one);
  for (let newer = 0; newer < 3; newer++) await ready(one, { ...SET });
  expect(await ready(one)).toEqual(here);
});

test('what a thread does not come to an end with is denied, what waits behind it is not, and another thread comes', async () => {
  const one = pool(script(MORTAL), 1, { nowMs: impatient(), lookMs: 50 });
  await ready(one);
  const [first, second] = [one.begin(SET), one.begin(SET)];
  const answers = await Promise.all([first?.decide(['"hang"', '"b"']), second?.decide(['"c"'])]);
  const denied = { outcome: 'deny', policies: [], errors: [{ policy: '', message: 'was not decided in time' }] };
  expect(answers).toEqual([[expect.objectContaining(denied), expect.objectContaining(denied)], undefined]);
  const again = await ready(one);
  expect(again).toHaveLength(texts.length);
});

test('what waits behind a piece that a thread does not come to an end with is decided by the others', async () => {
  const one = pool(script(MORTAL), 2, { nowMs: impatient(), lookMs: 50 });
  const [hung, other] = await readyThreads(one, 2);
  const batch = one.begin(SET);
  if (!batch) throw new Error('the threads have the set');
  const pieces = ['"hang"', '"a"', '"b"', '"c"', '"d"', '"e"'].map((text) => batch.decide([text]));
  const [stuck, ...answers] = await Promise.all(pieces);
  expect(stuck).toEqual([expect.objectContaining({ errors: [{ policy: '', message: 'was not decided in time' }] })]);
  const by = answers.map((answer) => Number(answer?.[0]));
  expect(new Set(by).size).toBe(1);
  expect([hung, other]).toContain(by[0]);
});

/** Gives no answer before it is told to, and ends whenever it hears of `die`. */
const HOLDING = `import { parentPort, threadId } from 'node:worker_threads';
const held = [];
parentPort.on('message', (told) => {
  if ('load' in told) return parentPort.postMessage({ loaded: told.load, dropped: [] });
  if (told.requests.includes('die')) process.exit(1);
  held.push(told);
  if (told.requests.includes('hold')) return;
  for (const { job, requests } of held.splice(0))
    parentPort.postMessage({ job, answers: JSON.stringify(JSON.parse(requests).map(() => threadId)) });
});`;

test('what threads are lost by, though it waits behind something else, takes two of them', async () => {
  const one = pool(script(HOLDING), 3);
  await readyThreads(one, 3);
  const batch = one.begin(SET);
  if (!batch) throw new Error('the threads have the set');
  const ask = (text: string) => batch.decide([text]);
  // one for each thread, one more for one of them, and the next goes behind another one's
  const held = ['"hold 1"', '"hold 2"', '"hold 3"', '"hold 4"'].map(ask);
  expect(await ask('"die"')).toBeUndefined();
  const last = ask('"go"');
  expect((await last)?.length).toBe(1);
  const answers = await Promise.all(held);
  // the thread that is left has two of them
  expect(answers.filter((answer) => answer?.[0] === undefined)).toHaveLength(2);
});

test('while it decides many by itself, others have their turn', async () => {
  const set = makeHere();
  const many = Array.from({ length: 300 }, (_, n) => request({ task: { purpose: `p${n}` } }));
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  await askAll(set, many);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(2);
});
