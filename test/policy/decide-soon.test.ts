import { makeDecideSoon } from '../../src/policy/decide-soon.ts';
import type { PolicyAnswer, PolicyRequest } from '../../src/policy/policy.ts';
import { compile, request } from './world.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const asking = (id: string) => request({ principal: { id } });
const many = (count: number) => Array.from({ length: count }, (_, n) => asking(`a${n}`));
const answerTo = ({ principal }: PolicyRequest): PolicyAnswer => ({
  outcome: 'allow',
  policies: [principal.id],
  controls: [],
  errors: [],
});

/** Deciding that keeps how many it was asked about each time. */
function counted(decideAll = (requests: readonly PolicyRequest[]) => requests.map(answerTo)) {
  const times: number[] = [];
  const decideSoon = makeDecideSoon((requests) => {
    times.push(requests.length);
    return decideAll(requests);
  });
  return { times, decideSoon };
}

test('what is asked in one turn is decided in one go, and each has its own answer', async () => {
  const { times, decideSoon } = counted();
  const asked = many(3);
  const answers = asked.map(async (one) => {
    await Promise.resolve(); // as a token is verified first, in the same turn
    return decideSoon(one);
  });
  expect(await Promise.all(answers)).toEqual(asked.map(answerTo));
  expect(times).toEqual([3]);
  await decideSoon(asking('later'));
  expect(times).toEqual([3, 1]);
});

test('many are decided eight at a time, and whatever else there is has a turn in between', async () => {
  const { times, decideSoon } = counted();
  const asked = many(20);
  const answers = Promise.all(asked.map(decideSoon));
  const seen: number[] = [];
  for (let turns = 0; turns < 3; turns++) {
    await turn();
    seen.push(times.length);
  }
  expect(seen).toEqual([1, 2, 3]);
  expect(times).toEqual([8, 8, 4]);
  expect(await answers).toEqual(asked.map(answerTo));
});

test('a fault is told to each of those that it was of, and the next are decided', async () => {
  const { decideSoon } = counted((requests) => {
    if (requests.some(({ principal }) => principal.id === 'bad')) throw new Error('a fault');
    return requests.map(answerTo);
  });
  const both = await Promise.allSettled([decideSoon(asking('bad')), decideSoon(asking('beside'))]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await decideSoon(asking('next'))).toEqual(answerTo(asking('next')));
});

test('it says what deciding by itself says', async () => {
  const set = compile('@id("p") permit (principal, action, resource) when { principal.id like "a*" };');
  const asked = [...many(3), asking('b'), request({ resource: { environment: 'staging' } })];
  expect(await Promise.all(asked.map(set.decideSoon))).toEqual(asked.map(set.decide));
});
