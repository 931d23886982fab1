import type { GrantId, TaskId } from '../../src/domain/ids.ts';
import { Refusal } from '../../src/domain/errors.ts';
import { makeAlert, watchCalls, watched } from '../../src/exchange/after-revocation.ts';
import { deferred } from '../support/deferred.ts';
import { ids } from '../ledger/world.ts';
import { until } from '../support/waiting.ts';

/** An alarm takes nothing from the answer that it goes with, costs a look once a minute, and is not lost where it could not be written. */
const BY = { trust: 'mesh', id: 'spiffe://test.example/agent/one' };
const CALLER = {
  identity: { ...BY, groups: [], attributes: {}, vouchedUntil: new Date(0), expiresAt: new Date(0) },
  origin: null,
};

function start(takenBack: () => Promise<'grant' | 'task' | undefined> = () => Promise.resolve('grant')) {
  const state = { now: 0, looks: 0, atOnce: 0, most: 0, uses: 0, failing: false };
  const noted: { grant: GrantId | null; task: TaskId | null; count: number }[] = [];
  const warned: string[] = [];
  const log = {
    info: () => undefined,
    error: () => undefined,
    warn: (_: unknown, text: string) => void warned.push(text),
  };
  const alert = makeAlert({
    ledger: {
      tasks: {
        async takenBack() {
          state.looks += 1;
          state.atOnce += 1;
          state.most = Math.max(state.most, state.atOnce);
          await Promise.resolve();
          state.atOnce -= 1;
          return takenBack();
        },
        async noteUse({ grant, task, count }) {
          await Promise.resolve();
          if (state.failing) throw new Error('away');
          noted.push({ grant, task, count });
        },
      },
    },
    log,
    onUse: () => void (state.uses += 1),
    nowMs: () => state.now,
  });
  return {
    state,
    noted,
    warned,
    alert,
    renew: (grant: GrantId) => alert({ how: 'renew', grant, by: BY, origin: null }),
  };
}

test('a look that fails is logged, and nothing more', async () => {
  const { alert, warned, noted } = start(() => Promise.reject(new Error('away')));
  await alert({ how: 'call', grant: ids.grant(), by: BY, origin: null });
  expect([warned, noted]).toEqual([['an alert could not be put on record'], []]);
});

test('what was not taken back is nobody’s alarm', async () => {
  const { renew, state, warned, noted } = start(() => Promise.resolve(undefined));
  await renew(ids.grant());
  expect([state.uses, warned, noted]).toEqual([0, [], []]);
});

test('within a minute the same use is counted without another look, and written with the next', async () => {
  const { renew, state, noted } = start();
  const grant = ids.grant();
  for (let n = 0; n < 5; n++) await renew(grant);
  expect([state.looks, state.uses, noted.map(({ count }) => count)]).toEqual([1, 5, [1]]);
  state.now += 60_000;
  await renew(grant);
  expect([state.looks, state.uses, noted.map(({ count }) => count)]).toEqual([2, 6, [1, 5]]);
});

test('within a minute what is refused for something else is looked up again: an order may have been lifted', async () => {
  let taken: 'grant' | undefined = 'grant';
  const { alert, state, noted } = start(async () => taken);
  const use = { how: 'renew', grant: ids.grant(), by: BY, origin: null } as const;
  await alert({ ...use, code: 'under_order' });
  await alert({ ...use, code: 'policy_denied' });
  expect([state.looks, state.uses, noted.length]).toEqual([2, 2, 1]);
  taken = undefined;
  await alert({ ...use, code: 'policy_denied' });
  expect([state.looks, state.uses]).toEqual([3, 2]);
});

test('of many that are used, those that are used most are remembered', async () => {
  const { renew, state } = start();
  const busy = ids.grant();
  await renew(busy);
  for (let n = 0; n < 9_999; n++) await renew(ids.grant());
  await renew(busy);
  await renew(ids.grant());
  const before = state.looks;
  await renew(busy);
  expect([before, state.looks]).toEqual([10_001, 10_001]);
});

test('no answer waits long for an alarm, which is written all the same', async () => {
  const { promise, resolve } = deferred<'grant'>();
  const { alert, noted } = start(() => promise);
  const [grant, another] = [ids.grant(), ids.grant()];
  const refusing = watched({ alert }, 'renew', CALLER, { grant }, () => Promise.reject(new Refusal('not_found')));
  const calls = [grant, another].map((id) => ({ grant: id, task: null, code: 'grant_not_active' }));
  const [refused] = await Promise.allSettled([refusing, watchCalls({ alert }, CALLER, calls)]);
  expect([refused.status, noted]).toEqual(['rejected', []]);
  resolve('grant');
  await until(() => noted.length === 3);
});

test('what could not be written is written with the next use, at once', async () => {
  const { renew, state, noted, warned } = start();
  const grant = ids.grant();
  state.failing = true;
  await renew(grant);
  await renew(grant);
  expect(warned.filter((text) => text === 'an alert could not be put on record')).toHaveLength(2);
  state.failing = false;
  await renew(grant);
  expect(noted).toEqual([{ grant, task: null, count: 3 }]);
});

test('two at once are one line', async () => {
  const { promise, resolve } = deferred<'grant'>();
  const { renew, noted, state } = start(() => promise);
  const grant = ids.grant();
  const both = Promise.all([renew(grant), renew(grant)]);
  resolve('grant');
  await both;
  expect([noted.map(({ count }) => count), state.uses]).toEqual([[1], 2]);
});

describe('calls of a batch', () => {
  const call = (code: string | null, grant: GrantId | null, task: TaskId | null) => ({
    code,
    grant,
    task: task && { id: task },
  });

  test('are looked up once for a grant and a task, one after another, and only where they were denied for it', async () => {
    const { alert, state, noted } = start();
    const [grant, task] = [ids.grant(), ids.task()];
    const many = Array.from({ length: 100 }, () => call('grant_not_active', grant, task));
    const others = [
      call('task_ended', null, task),
      call('under_order', ids.grant(), null),
      call(null, ids.grant(), null),
      call('policy_denied', ids.grant(), null),
      call('under_order', null, null),
    ];
    await watchCalls({ alert }, CALLER, [...many, ...others]);
    expect([state.looks, state.most, noted.length]).toEqual([3, 1, 3]);
  });

  test('nobody waits more than once for a ledger that is away', async () => {
    const { alert, state, warned } = start(() => Promise.reject(new Error('away')));
    await watchCalls(
      { alert },
      CALLER,
      Array.from({ length: 100 }, () => call('grant_not_active', ids.grant(), null)),
    );
    expect([state.looks, warned.length]).toEqual([1, 1]);
  });

  test('on a grant that only ran out, and on a task that was ended, are an alarm of the task', async () => {
    const { alert, noted } = start(() => Promise.resolve('task'));
    const [grant, task] = [ids.grant(), ids.task()];
    await watchCalls({ alert }, CALLER, [call('grant_not_active', grant, task)]);
    expect(noted).toEqual([{ grant: null, task, count: 1 }]);
  });
});
