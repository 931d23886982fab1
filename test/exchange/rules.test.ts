import { Fault, Refusal } from '../../src/domain/errors.ts';
import { makeLiveRules, withRules } from '../../src/exchange/rules.ts';
import { deferred } from '../support/deferred.ts';
import { codeOf as codeOfCall, compile } from './world.ts';

/** A ledger's generations, and how often they were read. */
function source() {
  const generations: { number: number; hash: string; body: string }[] = [];
  let gate: Promise<void> | undefined;
  let reads = 0;
  return {
    add: (body: string) => void generations.push({ number: generations.length + 1, hash: `hash ${body}`, body }),
    hold: (until: Promise<void>) => void (gate = until),
    reads: () => reads,
    activeNumber: async () => {
      const number = generations.at(-1)?.number;
      await gate;
      return number;
    },
    active: async () => {
      reads += 1;
      return generations.at(-1);
    },
  };
}
const codeOf = (work: () => unknown) => {
  try {
    work();
    return 'done';
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

test('an empty ledger decides nothing', async () => {
  const rules = makeLiveRules(source(), compile);
  expect(codeOf(rules.current)).toBe('no_generation');
  await rules.refresh();
  expect(codeOf(rules.current)).toBe('no_generation');
  expect(rules.status()).toEqual({});
});

test('follows the active generation, and reads a text once', async () => {
  const ledger = source();
  const rules = makeLiveRules(ledger, compile);
  for (const note of ['one', 'two']) {
    ledger.add(JSON.stringify({ note }));
    await rules.refresh();
    await rules.refresh();
    expect(rules.current()).toMatchObject({ hash: `hash ${JSON.stringify({ note })}` });
  }
  expect(ledger.reads()).toBe(2);
  expect(rules.status()).toEqual({ loaded: 2, active: 2 });
});

test('a set that does not compile here leaves it behind, and saying so, until another one does', async () => {
  const ledger = source();
  const rules = makeLiveRules(ledger, (body) => {
    if (body === 'broken') throw new Error('policies/a.cedar:1 unexpected token');
    return compile(body);
  });
  ledger.add('{}');
  await rules.refresh();
  ledger.add('broken');
  await rules.refresh();
  expect(codeOf(rules.current)).toBe('generation_behind');
  expect(rules.status()).toEqual({ loaded: 1, active: 2, error: 'policies/a.cedar:1 unexpected token' });
  ledger.add('{}');
  await rules.refresh();
  expect(rules.current().number).toBe(3);
  expect(rules.status()).toEqual({ loaded: 3, active: 3 });
});

test('calls that overlap share one load', async () => {
  const ledger = source();
  const rules = makeLiveRules(ledger, compile);
  const gate = deferred<void>();
  ledger.add('{}');
  ledger.hold(gate.promise);
  const loads = [rules.refresh(), rules.refresh(), rules.refresh()];
  gate.resolve();
  await Promise.all(loads);
  expect(ledger.reads()).toBe(1);
});

test('a ledger that is away: what was loaded decides on, and the failure is the caller’s to see', async () => {
  const ledger = source();
  const rules = makeLiveRules(ledger, compile);
  ledger.add('{}');
  await rules.refresh();
  ledger.hold(Promise.reject(new Fault('ledger_unavailable')));
  await expect(rules.refresh()).rejects.toMatchObject({ code: 'ledger_unavailable' });
  expect(rules.current().number).toBe(1);
});

describe('withRules', () => {
  test.each([
    { name: 'in force', failures: [], runs: 1, code: 'done' },
    { name: 'another came in between', failures: ['generation_behind'], runs: 2, code: 'done' },
    { name: 'and another', failures: ['generation_behind', 'generation_behind'], runs: 2, code: 'generation_behind' },
    { name: 'something else', failures: ['ledger_unavailable'], runs: 1, code: 'ledger_unavailable' },
  ] as const)('$name: $code', async ({ failures, runs, code }) => {
    const ledger = source();
    const rules = makeLiveRules(ledger, compile);
    ledger.add('{}');
    await rules.refresh();
    let run = 0;
    const work = async () => {
      const failure = failures[run++];
      if (failure) throw new Fault(failure);
    };
    const answer = await withRules(rules, work).then(
      () => 'done',
      (error: unknown) => (error as Fault).code,
    );
    expect([answer, run]).toEqual([code, runs]);
  });

  test.each([
    { refused: ['exception_closed'], runs: 2, code: 'done' },
    { refused: ['exception_closed', 'exception_closed'], runs: 2, code: 'exception_closed' },
    { refused: ['policy_denied'], runs: 1, code: 'policy_denied' },
  ] as const)('what was refused because of $refused: $code', async ({ refused, runs, code }) => {
    const ledger = source();
    const rules = makeLiveRules(ledger, compile);
    ledger.add('{}');
    await rules.refresh();
    let run = 0;
    const work = async () => {
      const refusal = refused[run++];
      if (refusal) throw new Refusal(refusal);
    };
    expect([await codeOfCall(withRules(rules, work)), run]).toEqual([code, runs]);
  });

  test('a process that has loaded nothing loads first', async () => {
    const ledger = source();
    ledger.add('{}');
    expect(await withRules(makeLiveRules(ledger, compile), async ({ number }) => number)).toBe(1);
  });
});
