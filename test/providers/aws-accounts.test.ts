import { randomBytes } from 'node:crypto';
import { makeIds } from '../../src/domain/ids.ts';
import type { Ended, Provider } from '../../src/providers/provider.ts';
import { addOtherAccount, awsProfile, awsWorld, memoryRecord, MONTH, OTHER_ACCOUNT } from './aws-harness.ts';
import type { AwsWorld, MemoryRecord } from './aws-harness.ts';

/** One provider whose roles lie in two accounts, each with its own boundary and revoker. */
const forever = new AbortController().signal;

let world: AwsWorld;
let other: ReturnType<typeof addOtherAccount>;
let ledger: MemoryRecord;
let provider: Provider;
beforeEach(async () => {
  world = await awsWorld();
  other = addOtherAccount(world);
  ledger = memoryRecord(world.fake.now);
  const revocation = { propagation: '2s', accounts: other.accounts };
  provider = ledger.watch(world.provider({ config: { scoped: 'off' }, revocation, record: ledger.record }));
});
afterEach(async () => {
  await provider.close();
  await world.fake.close();
});

const ids = makeIds(randomBytes, () => world.fake.now().getTime());
const here = awsProfile();
const there = () => awsProfile({ role_arn: other.agents }, { name: 'invoices-elsewhere' });
const mint = async (profile = here) => {
  const now = world.now();
  const names = { mint: ids.mint(), grant: ids.grant(), task: ids.task() };
  const subject = { trust: 'mesh', id: 'spiffe://prod.example/agent/invoices' };
  const request = { ...names, subject, now, endsAt: new Date(now.getTime() + 900_000) };
  const plan = provider.plan(profile, { month: MONTH }, request);
  const { handle, credential } = await provider.mint(plan, forever);
  const record = { mint: request.mint, grant: request.grant, endsAt: plan.endsAt, request: plan.request };
  return { record, handle, can: () => world.can(credential.reveal()) };
};
type Made = Awaited<ReturnType<typeof mint>>;
const end = ({ record, handle }: Made) => provider.end(record, handle, 'revocation', forever);
const revoke = (made: Made) => {
  ledger.end(made.record.mint);
  return end(made);
};
const revokeFully = async (made: Made): Promise<Ended> => {
  let ended = await revoke(made);
  for (let looks = 0; ended.kind === 'pending' && looks < 10; looks++) {
    world.pass(ended.until);
    ended = await end(made);
  }
  return ended;
};
const writes = () =>
  world.fake.calls
    .filter(({ action, status }) => action === 'CreatePolicyVersion' && status === 200)
    .map(({ who, params }) => ({ who, arn: params['PolicyArn'], document: params['PolicyDocument'] ?? '' }));

test('each boundary is written by its own revoker, and says what ended in its own account', async () => {
  const [one, two] = [await mint(), await mint(there())];
  const lives = [await mint(), await mint(there())];
  expect(await revokeFully(one)).toEqual({ kind: 'ended' });
  expect([one.can(), two.can()]).toEqual(['denied', 'allowed']);
  expect(await revokeFully(two)).toEqual({ kind: 'ended' });
  expect([one.can(), two.can(), ...lives.map((each) => each.can())]).toEqual([
    'denied',
    'denied',
    'allowed',
    'allowed',
  ]);
  expect(writes()).toEqual([
    {
      who: 'arn:aws:sts::123456789012:assumed-role/writ-revoker/writ-revoker',
      arn: world.boundary,
      document: expect.stringContaining(one.record.grant) as string,
    },
    {
      who: `arn:aws:sts::${OTHER_ACCOUNT}:assumed-role/writ-revoker/writ-revoker`,
      arn: other.boundary,
      document: expect.stringContaining(two.record.grant) as string,
    },
  ]);
  expect(
    writes().map(({ document }) => [one, two].filter(({ record }) => document.includes(record.grant)).length),
  ).toEqual([1, 1]);
});

test('a session of one account is not of the other: neither revoker may write the other boundary', async () => {
  await provider.check(forever, [here, there()]);
  const trusted = world.provider({
    config: { scoped: 'off' },
    revocation: {
      accounts: { [OTHER_ACCOUNT]: { ...other.accounts[OTHER_ACCOUNT], revoker_role_arn: other.revoker } },
    },
    record: ledger.record,
  });
  await trusted.upkeep?.(forever);
  await trusted.close();
  const who = new Set(writes().map(({ who: caller, arn }) => `${caller?.split(':')[4]} ${arn?.split(':')[4]}`));
  expect(who).toEqual(new Set(['123456789012 123456789012', `${OTHER_ACCOUNT} ${OTHER_ACCOUNT}`]));
});

describe.each(['failing', 'silent'] as const)('with the IAM of one account %s', (health) => {
  test('an end in the other is confirmed, and the first says what is wrong', async () => {
    const [one, two] = [await mint(), await mint(there())];
    world.fake.setIam(health);
    ledger.end(one.record.mint);
    const held = end(one).then(
      () => 'ended',
      (error: unknown) => (error as { code?: string }).code,
    );
    expect(await revokeFully(two)).toEqual({ kind: 'ended' });
    expect([one.can(), two.can()]).toEqual(['allowed', 'denied']);
    expect(await held).toBe(health === 'failing' ? 'provider_unreachable' : 'provider_timeout');
    world.fake.setIam('well');
    expect(await revokeFully(one)).toEqual({ kind: 'ended' });
    expect(one.can()).toBe('denied');
  });

  test('upkeep looks after the other list, and fails all the same', async () => {
    // The first of the two that there are.
    const one = await mint();
    ledger.end(one.record.mint);
    other.setIam(health);
    await expect(provider.upkeep?.(AbortSignal.timeout(5_000))).rejects.toMatchObject({
      code: expect.stringMatching(/^provider_/) as string,
    });
    expect(one.can()).toBe('denied');
  });

  test('the check finds that one account, and grants of the other can be revoked', async () => {
    world.fake.setIam(health);
    const { findings } = await provider.check(AbortSignal.timeout(5_000), [here, there()]);
    expect(findings.map(({ code }) => code).sort()).toEqual(['revoker_refused', 'role_not_readable']);
    expect(findings.every(({ message }) => message.includes(':123456789012:'))).toBe(true);
    const modeOf = (profile: typeof here) => {
      const names = { mint: ids.mint(), grant: ids.grant(), task: ids.task() };
      const life = { now: world.now(), endsAt: new Date(world.now().getTime() + 900_000) };
      const request = { ...names, ...life, subject: { trust: 'mesh', id: 'a' } };
      return provider.plan(profile, { month: MONTH }, request).revocability.mode;
    };
    expect([modeOf(here), modeOf(there())]).toEqual(['expiry_only', 'eventual']);
  });
});

test('an account that never answers keeps the places of few ends, not of all', async () => {
  const made = await Promise.all(Array.from({ length: 32 }, () => mint()));
  world.fake.setIam('silent');
  let [pending, firstFailure] = [0, -1];
  const ends = made.map((each) =>
    revoke(each).then(
      ({ kind }) => void (pending += kind === 'pending' ? 1 : 0),
      () => void (firstFailure = firstFailure < 0 ? pending : firstFailure),
    ),
  );
  await Promise.all(ends);
  // All but those that stay with it came back before any of those that stayed gave up.
  expect([pending, firstFailure]).toEqual([24, 24]);
});
