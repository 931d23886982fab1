import { underException } from '../../src/exchange/exceptions.ts';
import type { PolicyAnswer } from '../../src/policy/index.ts';

/** Of several exceptions that cover something, whichever helps most counts, in whatever sequence they come. */
const answer = (outcome: PolicyAnswer['outcome']): PolicyAnswer => ({
  outcome,
  policies: [],
  controls: [],
  errors: [],
});
const ABOUT = { trust: 'mesh', subject: 'one', profile: 'frozen', owner: 'payments', environment: 'test' };

async function decided(first: PolicyAnswer, outcomes: readonly PolicyAnswer['outcome'][]) {
  const asked: string[] = [];
  const all = outcomes.map((_, index) => ({ id: String(index), policies: ['freeze'], endsAt: new Date() }));
  const ledger = { exceptions: { covering: async () => all } };
  const best = await underException({ ledger } as never, ABOUT, { answer: first }, ({ id }) => {
    asked.push(id);
    return { answer: answer(outcomes[Number(id)] ?? 'deny') };
  });
  return [best.answer.outcome, asked.length];
}

test.each<[PolicyAnswer['outcome'][], PolicyAnswer['outcome']]>([
  [[], 'deny'],
  [['deny'], 'deny'],
  [['allow', 'deny'], 'allow'],
  [['deny', 'allow', 'approval'], 'allow'],
  [['approval', 'deny'], 'approval'],
])('%j: %s', async (outcomes, want) => {
  expect(await decided({ ...answer('deny'), overridable: ['freeze'] }, outcomes)).toEqual([want, outcomes.length]);
});

test('where no forbid can be set aside none is asked about', async () => {
  expect(await decided(answer('deny'), ['allow'])).toEqual(['deny', 0]);
});
