import { ProviderError } from '../../src/domain/errors.ts';
import type { GrantId } from '../../src/domain/ids.ts';
import type { Issued } from '../../src/exchange/issue.ts';
import { memoryProvider } from '../support/memory-provider.ts';
import { caller, codeOf, lives, makeWorld, notDone, REQUEST, unclear } from './world.ts';
import type { World } from './world.ts';

/**
 * Whatever goes wrong after the intent: the caller gets nothing, nothing lives in the end, and the record says how it ended
 * (CORRECTNESS, *Issue* 2 to 5).
 */
let world: World;
beforeAll(async () => {
  world = await makeWorld({ provider: memoryProvider({ has: ['confirm'] }) });
});
afterAll(() => world.close());
afterEach(async () => {
  world.provider.recover();
  await world.record.calm();
});

/** The grant of the last mint: the one that the failing call had opened. */
async function newest(): Promise<GrantId> {
  const mint = world.provider.calls.findLast(({ call }) => call === 'mint')?.mint;
  const [row] = await world.record.sql<{ id: GrantId }>('select grant_id as id from mints where id = $1', [mint]);
  if (!row) throw new Error('no grant');
  return row.id;
}

const by = { actor: { kind: 'system', name: 'test' }, origin: null } as const;
const revokeNewest = async () =>
  world.record.ledger.issuing.endGrant({ grant: await newest(), why: 'revocation', reason: 'r', ...by });

interface Failure {
  readonly name: string;
  readonly break: () => void;
  readonly code: string;
  readonly ends: 'failed' | 'revoked' | 'expired';
  readonly why: string;
  readonly calls: readonly string[];
}

const during = (call: string, step: () => unknown) => () => {
  world.provider.after = async (done) => {
    if (done === call) await step();
  };
};
const fail = (call: string, error: () => Error) => () => {
  world.provider.before = (asked) => {
    if (asked === call) throw error();
  };
};

const FAILURES: readonly Failure[] = [
  {
    name: 'the provider refuses, and nothing lives',
    break: fail('mint', notDone),
    code: 'provider_refused',
    ends: 'failed',
    why: 'abandoned',
    calls: ['mint'],
  },
  {
    name: 'the provider does not answer, and did nothing',
    break: fail('mint', unclear),
    code: 'provider_timeout',
    ends: 'failed',
    why: 'abandoned',
    calls: ['mint', 'find'],
  },
  {
    name: 'the provider does not answer, and did it',
    break: during('mint', () => {
      throw unclear();
    }),
    code: 'provider_timeout',
    ends: 'failed',
    why: 'abandoned',
    calls: ['mint', 'find', 'end'],
  },
  {
    name: 'the provider fails after something came to be, and says by its handle what ends it',
    break: during('mint', () => {
      const mint = world.provider.calls.findLast(({ call }) => call === 'mint')?.mint ?? '';
      throw new ProviderError('provider_answer_wrong', { nothingLives: false, handle: { login: mint } });
    }),
    code: 'provider_answer_wrong',
    ends: 'failed',
    why: 'abandoned',
    calls: ['mint', 'end'],
  },
  {
    name: 'the provider breaks in a way that it does not know itself',
    break: during('mint', () => {
      throw new TypeError('undefined is not a function');
    }),
    code: 'TypeError',
    ends: 'failed',
    why: 'abandoned',
    calls: ['mint', 'find', 'end'],
  },
  {
    name: 'the answer outlives the plan',
    break: () => {
      world.provider.answers.mint = (minted) => ({
        ...minted,
        expiresAt: new Date(minted.expiresAt.getTime() + 5_000),
      });
    },
    code: 'provider_answer_wrong',
    ends: 'failed',
    why: 'abandoned',
    calls: ['mint', 'end'],
  },
  {
    name: 'revoked meanwhile',
    break: during('mint', revokeNewest),
    code: 'superseded',
    ends: 'revoked',
    why: 'revocation',
    calls: ['mint', 'end'],
  },
  {
    name: 'an order comes meanwhile',
    break: during('mint', () => world.record.order({ kind: 'agent', value: 'ordered' })),
    code: 'under_order',
    ends: 'revoked',
    why: 'order',
    calls: ['mint', 'end'],
  },
  {
    name: 'the deadline passes meanwhile',
    break: during('mint', async () => world.record.age(await newest(), 16)),
    code: 'superseded',
    ends: 'failed',
    why: 'abandoned',
    calls: ['mint', 'end'],
  },
  {
    name: 'its own end passes meanwhile',
    break: during('mint', async () =>
      world.record.sql(`update mints set ends_at = now() where grant_id = $1`, [await newest()]),
    ),
    code: 'superseded',
    ends: 'failed',
    why: 'abandoned',
    calls: ['mint', 'end'],
  },
  {
    name: 'the first short life cannot be extended',
    break: fail('confirm', unclear),
    code: 'provider_timeout',
    ends: 'revoked',
    why: 'abandoned',
    calls: ['mint', 'confirm', 'end'],
  },
  {
    name: 'revoked meanwhile, so that the first short life cannot be extended',
    break: () => {
      world.provider.before = async (asked) => {
        if (asked !== 'confirm') return;
        await revokeNewest();
        throw unclear();
      };
    },
    code: 'superseded',
    ends: 'revoked',
    why: 'revocation',
    calls: ['mint', 'confirm', 'end'],
  },
];

test.each(FAILURES)('$name: $code, then $ends', async ({ break: begin, code, ends, why, calls }) => {
  const [before, living] = [world.provider.calls.length, world.provider.living.size];
  begin();
  const failed = await world.issue(caller('ordered'), REQUEST).catch((error: unknown) => error);
  world.provider.recover();
  expect((failed as { code?: string }).code ?? (failed as Error).name).toBe(code);
  const grant = await newest();
  await settled(grant);
  expect(await world.record.grant(grant)).toMatchObject({ state: ends, why, closed_at: expect.any(Date) });
  expect(world.provider.living.size).toBe(living);
  expect(world.provider.calls.slice(before).map(({ call }) => call)).toEqual(calls);
  expect((await world.record.events(grant)).filter((type) => type === `grant.${ends}`)).toHaveLength(1);
});

/** What is given up goes on behind the answer; whoever looks at the grant meanwhile sees it ending. */
async function settled(grant: GrantId): Promise<void> {
  for (;;) {
    const { state } = await world.record.grant(grant);
    if (['failed', 'revoked', 'expired'].includes(state)) return;
    expect(['ending', 'issuing', 'active']).toContain(state);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('an end within the slack of two clocks is no longer than the plan', async () => {
  world.provider.answers.mint = (minted) => ({ ...minted, expiresAt: new Date(minted.expiresAt.getTime() + 900) });
  expect(lives(world.provider, await world.issue(caller('slack'), REQUEST))).toBe(true);
});

describe('a caller that is gone before the answer is flushed', () => {
  const issue = () => world.issue(caller('gone'), REQUEST);

  test('its grant ends: nobody has the credential', async () => {
    const issued = await issue();
    issued.lost();
    await settled(issued.grant);
    expect(await world.record.grant(issued.grant)).toMatchObject({
      state: 'revoked',
      why: 'abandoned',
      reason: 'caller_gone',
    });
    expect(lives(world.provider, issued)).toBe(false);
  });

  test('twice is harmless', async () => {
    const issued = await issue();
    issued.lost();
    issued.lost();
    await settled(issued.grant);
    expect((await world.record.events(issued.grant)).filter((type) => type === 'grant.ending')).toHaveLength(1);
  });

  test('of a renewal: that credential alone ends', async () => {
    const first = await issue();
    const renewed = await world.renew(caller('gone'), { grant: first.grant });
    renewed.lost();
    await untilDead(renewed);
    expect(lives(world.provider, first)).toBe(true);
    expect(await world.record.grant(first.grant)).toMatchObject({ state: 'active' });
  });

  async function untilDead(issued: Issued): Promise<void> {
    while (lives(world.provider, issued)) await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test('a renewal that fails leaves what was there', async () => {
  const first = await world.issue(caller('renewing'), REQUEST);
  world.provider.before = (call) => {
    if (call === 'mint') throw notDone();
  };
  expect(await codeOf(world.renew(caller('renewing'), { grant: first.grant }))).toBe('provider_refused');
  world.provider.recover();
  expect(lives(world.provider, first)).toBe(true);
  const renewed = await world.renew(caller('renewing'), { grant: first.grant });
  expect([lives(world.provider, first), lives(world.provider, renewed)]).toEqual([true, true]);
});
