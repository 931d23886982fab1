import { randomBytes } from 'node:crypto';
import {
  CreatePolicyVersionCommand,
  DeletePolicyVersionCommand,
  GetPolicyCommand,
  GetPolicyVersionCommand,
  ListPolicyVersionsCommand,
  PutRolePermissionsBoundaryCommand,
  SetDefaultPolicyVersionCommand,
  type IAMClient,
} from '@aws-sdk/client-iam';
import { makeIds, type MintId } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { EndedMint, MintRequest, Provider, ProviderRecord } from '../../src/providers/provider.ts';
import { allow, deny, document, iamClient, trusting } from '../support/aws/setup.ts';
import { deferred } from '../support/deferred.ts';
import { until } from '../support/waiting.ts';
import {
  ALLOW_ALL,
  awsProfile,
  awsWorld,
  BROKER,
  memoryRecord,
  MONTH,
  type AwsWorld,
  type MemoryRecord,
} from './aws-harness.ts';

/** Sessions that are taken back while they live: what AWS does, and what is said of it. */
const forever = new AbortController().signal;
const PROPAGATION_MS = 2_000;
const SETTINGS = { propagation: '2s' };

let world: AwsWorld;
let ledger: MemoryRecord;
let provider: Provider;
let admin: IAMClient;
const opened: Provider[] = [];
const make = (options: Parameters<AwsWorld['provider']>[0] = {}): Provider => {
  const settings = { config: { scoped: 'off' }, revocation: SETTINGS, record: ledger.record };
  const made = ledger.watch(world.provider({ ...settings, ...options }));
  opened.push(made);
  return made;
};
beforeEach(async () => {
  world = await awsWorld();
  ledger = memoryRecord(world.fake.now);
  provider = make();
  admin = iamClient(world.fake, world.fake.user('admin', [document(allow('iam:*'))]), { maxAttempts: 3 });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
  admin.destroy();
  await world.fake.close();
});

const ids = makeIds(randomBytes, () => world.fake.now().getTime());
const asked = (lifeSeconds = 900, more: Partial<MintRequest> = {}): MintRequest => ({
  mint: ids.mint(),
  grant: ids.grant(),
  task: ids.task(),
  subject: { trust: 'mesh', id: 'spiffe://prod.example/agent/invoices' },
  now: world.now(),
  endsAt: new Date(world.now().getTime() + lifeSeconds * 1000),
  ...more,
});
const mint = async (request = asked(), by = provider) => {
  const plan = by.plan(awsProfile(), { month: MONTH }, request);
  const minted = await by.mint(plan, forever);
  const record = { mint: request.mint, grant: request.grant, endsAt: plan.endsAt, request: plan.request };
  const credential = minted.credential.reveal();
  return { request, plan, handle: minted.handle, record, credential, can: () => world.can(credential) };
};
type Made = Awaited<ReturnType<typeof mint>>;
const end = ({ record, handle }: Made, by = provider) => by.end(record, handle, 'revocation', forever);
/** The ledger's commit, and the provider's first answer. */
const revoke = (made: Made, by = provider, change: Partial<EndedMint> = {}) => {
  ledger.end(made.request.mint, change);
  return by.end(made.record, made.handle, change.grantGoesOn ? 'expiry' : 'revocation', forever);
};
const countOf = (action: string) =>
  world.fake.calls.filter((call) => call.action === action && call.status === 200).length;
/** The boundary's document as it counts at AWS now. */
const documentNow = async () => {
  const { Policy } = await admin.send(new GetPolicyCommand({ PolicyArn: world.boundary }));
  const version = { PolicyArn: world.boundary, VersionId: Policy?.DefaultVersionId };
  const { PolicyVersion } = await admin.send(new GetPolicyVersionCommand(version));
  return { version: Policy?.DefaultVersionId, text: decodeURIComponent(PolicyVersion?.Document ?? '') };
};
const write = (body: object) =>
  admin.send(
    new CreatePolicyVersionCommand({
      PolicyArn: world.boundary,
      PolicyDocument: JSON.stringify(body),
      SetAsDefault: true,
    }),
  );

describe('a revocation', () => {
  test('is real at once where AWS is quick, and is called ended only after it has had its time', async () => {
    const [one, other] = [await mint(), await mint()];
    const before = world.fake.now().getTime();
    const first = await revoke(one);
    expect(one.can()).toBe('denied');
    expect(other.can()).toBe('allowed');
    if (first.kind !== 'pending') throw new Error(`it is ${first.kind}`);
    expect(first.until.getTime()).toBeGreaterThanOrEqual(before + PROPAGATION_MS);
    world.fake.advance(PROPAGATION_MS - 1_500);
    expect((await end(one)).kind).toBe('pending');
    world.pass(first.until);
    expect(await end(one)).toEqual({ kind: 'ended' });
    expect(other.can()).toBe('allowed');
  });

  test('is not called ended while AWS has not come round to it', async () => {
    world.fake.faults.propagationMs = 1_500;
    const one = await mint();
    const first = await revoke(one);
    expect(one.can()).toBe('allowed');
    expect(first.kind).toBe('pending');
    while ((await end(one)).kind !== 'ended') world.fake.advance(300);
    expect(one.can()).toBe('denied');
  });

  test('is written once, however long IAM takes to show it', async () => {
    world.fake.faults.readDelayMs = 20_000;
    const one = await mint();
    expect(await revoke(one)).toMatchObject({ kind: 'pending' });
    expect(one.can()).toBe('denied');
    for (let look = 0; look < 4; look++) {
      world.fake.advance(4_000);
      expect((await end(one)).kind).toBe('pending');
    }
    world.fake.advance(5_000);
    const seen = await end(one);
    if (seen.kind !== 'pending') throw new Error('it was not seen before, so its time begins now');
    world.pass(seen.until);
    expect(await end(one)).toEqual({ kind: 'ended' });
    expect(countOf('CreatePolicyVersion')).toBe(1);
  });

  test('of many at once is one write', async () => {
    const made = await Promise.all(Array.from({ length: 60 }, () => mint()));
    const answers = await Promise.all(made.map((each) => revoke(each)));
    expect(new Set(answers.map(({ kind }) => kind))).toEqual(new Set(['pending']));
    expect(made.map((each) => each.can())).toEqual(made.map(() => 'denied'));
    expect(countOf('CreatePolicyVersion')).toBe(1);
    expect(countOf('GetRole')).toBeLessThan(61);
    world.fake.advance(PROPAGATION_MS + 1);
    const calls = world.fake.calls.length;
    const ends = await Promise.all(made.map((each) => end(each)));
    expect(new Set(ends.map(({ kind }) => kind))).toEqual(new Set(['ended']));
    expect(world.fake.calls.length - calls).toBeLessThan(5);
  });

  test('of one credential leaves the next of its grant alone', async () => {
    const one = await mint();
    const { grant, task } = one.request;
    const next = await mint(asked(900, { grant, task }));
    await revoke(one, provider, { grantGoesOn: true });
    expect([one.can(), next.can()]).toEqual(['denied', 'allowed']);
    await revoke(next);
    expect([one.can(), next.can()]).toEqual(['denied', 'denied']);
  });

  test('reaches a credential whose answer was lost, by what its intent says', async () => {
    const request = asked();
    const made = await mint(request);
    const plan = provider.plan(awsProfile(), { month: MONTH }, request);
    ledger.end(request.mint);
    const record = { mint: request.mint, grant: request.grant, endsAt: plan.endsAt, request: plan.request };
    expect(await provider.find(record, forever)).toEqual({ kind: 'unknowable', until: plan.endsAt });
    expect(made.can()).toBe('denied');
    world.pass(plan.endsAt);
    const writes = countOf('CreatePolicyVersion');
    expect(await provider.find(record, forever)).toEqual({ kind: 'unknowable', until: plan.endsAt });
    expect(countOf('CreatePolicyVersion')).toBe(writes);
  });

  test('that was never confirmed ends with the credential’s own end, and is not called a revocation', async () => {
    const one = await mint();
    world.fake.faults.fail('CreatePolicyVersion', { status: 403, code: 'AccessDenied' });
    await expect(revoke(one)).rejects.toMatchObject({ code: 'provider_refused' });
    world.pass(one.plan.endsAt);
    expect(await end(one)).toEqual({ kind: 'not_revocable', until: one.plan.endsAt });
    expect(await provider.end(one.record, one.handle, 'expiry', forever)).toEqual({ kind: 'ended' });
  });

  test('of children is bounded by their life, and sooner where there is a list', async () => {
    const by = make({ config: { scoped: 'on' } });
    const child = await mint(asked(3_000), by);
    expect(child.plan.revocability).toEqual({ mode: 'bounded', withinSeconds: 300 });
    const first = await revoke(child, by);
    expect(child.can()).toBe('denied');
    if (first.kind !== 'pending') throw new Error('it has to count first');
    expect(first.until.getTime()).toBeLessThan(child.plan.endsAt.getTime());
    world.pass(first.until);
    expect(await end(child, by)).toEqual({ kind: 'ended' });
  });

  test('of children whose denial fails is bounded all the same: it is no error, and is tried again', async () => {
    const by = make({ config: { scoped: 'on' } });
    const child = await mint(asked(3_000), by);
    world.fake.faults.fail('CreatePolicyVersion', { status: 403, code: 'AccessDenied' });
    const first = await revoke(child, by);
    if (first.kind !== 'pending') throw new Error(first.kind);
    expect(first.until.getTime()).toBeLessThan(child.plan.endsAt.getTime());
    expect(await by.find(child.record, forever)).toEqual({ kind: 'unknowable', until: child.plan.endsAt });
    expect(child.can()).toBe('allowed');
    world.fake.faults.clear();
    expect((await end(child, by)).kind).toBe('pending');
    expect(child.can()).toBe('denied');
  });

  test('of one child writes nothing: its session has others', async () => {
    const by = make({ config: { scoped: 'on' } });
    const child = await mint(asked(3_000), by);
    expect(await revoke(child, by, { grantGoesOn: true })).toEqual({ kind: 'pending', until: child.plan.endsAt });
    expect(countOf('GetPolicy')).toBe(0);
  });
});

describe('a role that cannot be looked at: its session is denied all the same', () => {
  test('the revoker may not: nobody knows whether that counts, as the check says', async () => {
    const one = await mint();
    world.fake.faults.fail('GetRole', { status: 403, code: 'AccessDenied' });
    const first = await revoke(one);
    if (first.kind !== 'not_revocable') throw new Error(first.kind);
    expect(one.can()).toBe('denied');
    world.fake.faults.clear();
    world.pass(first.until);
    const second = await end(one);
    // The list has stood for longer than it takes; that its role heeds it is known from now on.
    if (second.kind !== 'pending') throw new Error(second.kind);
    world.pass(second.until);
    expect(await end(one)).toEqual({ kind: 'ended' });
  });

  test('it is gone: there is nothing that could heed it', async () => {
    const one = await mint();
    world.fake.faults.fail('GetRole', { status: 404, code: 'NoSuchEntity' });
    expect((await revoke(one)).kind).toBe('not_revocable');
  });

  test.each([
    ['the revoker’s keys are refused', { status: 403, code: 'InvalidClientTokenId' }],
    ['for a reason that nobody knows', { status: 400, code: 'Teapot' }],
  ])('%s: that says nothing of the role, and it is asked again', async (_name, error) => {
    const one = await mint();
    world.fake.faults.fail('GetRole', error);
    await expect(revoke(one)).rejects.toMatchObject({ code: 'provider_refused' });
    expect(one.can()).toBe('denied');
    world.fake.faults.clear();
    expect((await end(one)).kind).toBe('pending');
  });

  test('IAM does not say: it is asked again', async () => {
    const one = await mint();
    world.fake.faults.fail('GetRole', { status: 503, code: 'ServiceUnavailable' });
    await expect(revoke(one)).rejects.toMatchObject({ code: 'provider_unreachable' });
    expect(one.can()).toBe('denied');
    world.fake.faults.clear();
    expect((await end(one)).kind).toBe('pending');
  });
});

describe('a probe', () => {
  const PROBE = document(allow('sts:DecodeAuthorizationMessage'));
  const probing = (change: { policies?: readonly object[]; boundary?: string } = {}) => {
    const trust = trusting({ AWS: BROKER });
    const role = world.fake.role('writ-probe', { trust, policies: [PROBE], boundary: world.boundary, ...change });
    return make({ revocation: { propagation: '10m', probe_role_arn: role } });
  };
  const ended = async (made: Made, by: Provider) => {
    for (;;) {
      const answer = await end(made, by);
      if (answer.kind === 'ended') return world.fake.now().getTime();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };

  /** The role has been seen with the boundary for so long that no more than the list is to be tried. */
  const settled = async (by: Provider) => {
    await by.check(forever, [awsProfile()]);
    world.fake.advance(600_001);
  };

  test('ends a session as soon as it is denied itself, and not before', async () => {
    const by = probing();
    await settled(by);
    world.fake.faults.propagationMs = 3_000;
    const one = await mint(asked(), by);
    await revoke(one, by);
    expect(one.can()).toBe('allowed');
    await ended(one, by);
    expect(one.can()).toBe('denied');
    expect(await end(one, by)).toEqual({ kind: 'ended' });
  });

  test('does not try whether the role heeds the list: that is waited for from when it was seen', async () => {
    const by = probing();
    await by.upkeep?.(forever);
    const one = await mint(asked(), by);
    world.fake.setBoundary('invoice-agents', undefined);
    world.fake.faults.propagationMs = 500_000;
    const boundary = { RoleName: 'invoice-agents', PermissionsBoundary: world.boundary };
    await admin.send(new PutRolePermissionsBoundaryCommand(boundary));
    world.fake.faults.propagationMs = 0;
    await revoke(one, by);
    const soon = () => world.fake.now().getTime() + 60_000;
    let answer = await end(one, by);
    while (answer.kind === 'pending' && answer.until.getTime() < soon()) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      answer = await end(one, by);
    }
    expect(one.can()).toBe('allowed');
    if (answer.kind !== 'pending') throw new Error(answer.kind);
    world.pass(answer.until);
    expect(await end(one, by)).toEqual({ kind: 'ended' });
    expect(one.can()).toBe('denied');
  });

  test('that gets through is known better than a role that was seen since', async () => {
    const by = probing({ boundary: world.fake.managedPolicy('other', ALLOW_ALL) });
    const one = await mint(asked(), by);
    world.fake.faults.fail('GetRole', { status: 403, code: 'AccessDenied' });
    expect((await revoke(one, by)).kind).toBe('not_revocable');
    world.fake.faults.clear();
    await end(one, by);
    world.fake.advance(700_000);
    expect((await end(one, by)).kind).toBe('pending');
  });

  test('that got through is not forgotten when the next version comes: the wait counts from there', async () => {
    const by = probing({ boundary: world.fake.managedPolicy('other', ALLOW_ALL) });
    const [one, two] = [await mint(asked(3_000), by), await mint(asked(), by)];
    await revoke(one, by);
    world.fake.advance(500_000);
    const looks = () => world.fake.calls.filter(({ action }) => action === 'DecodeAuthorizationMessage').length;
    const before = looks();
    await until(() => looks() > before + 2); // of which the last but one at the latest was begun after that
    await revoke(two, by);
    world.fake.advance(110_000);
    const answer = await end(one, by);
    if (answer.kind !== 'pending') throw new Error(answer.kind);
    expect(answer.until.getTime()).toBeGreaterThan(world.fake.now().getTime() + 400_000);
    world.pass(answer.until);
    expect(await end(one, by)).toEqual({ kind: 'ended' });
  });

  test('of a version that was replaced and put back says nothing: an end has to wait again', async () => {
    const by = probing();
    await settled(by);
    const [one, two] = [await mint(asked(), by), await mint(asked(), by)];
    await revoke(one, by);
    await ended(one, by);
    const { version } = await documentNow();
    await revoke(two, by);
    await ended(two, by);
    const putBack = (VersionId: string | undefined) =>
      admin.send(new SetDefaultPolicyVersionCommand({ PolicyArn: world.boundary, VersionId }));
    await putBack('v1');
    world.fake.faults.propagationMs = 500_000;
    await putBack(version);
    await by.upkeep?.(forever);
    expect(one.can()).toBe('allowed');
    expect((await end(one, by)).kind).toBe('pending');
  });

  test('that is not denied keeps it open, whatever time has passed', async () => {
    const by = probing({ boundary: world.fake.managedPolicy('other', ALLOW_ALL) });
    const one = await mint(asked(), by);
    await revoke(one, by);
    world.fake.advance(700_000);
    expect((await end(one, by)).kind).toBe('pending');
  });

  test.each([
    ['that may not do what it is to try', { policies: [] }, 'denied before it should be'],
    ['that cannot be assumed', undefined, 'AccessDenied'],
  ])('%s: the wait is back, and the check says so', async (_name, change, why) => {
    const by = change
      ? probing(change)
      : make({ revocation: { propagation: '10m', probe_role_arn: 'arn:aws:iam::123456789012:role/nobody' } });
    const one = await mint(asked(), by);
    const first = await revoke(one, by);
    if (first.kind !== 'pending') throw new Error(first.kind);
    expect(first.until.getTime()).toBeGreaterThan(world.fake.now().getTime() + 590_000);
    const { findings } = await by.check(forever, [awsProfile()]);
    expect(findings).toMatchObject([{ code: 'probe_refused', message: expect.stringContaining(`(${why})`) as string }]);
    expect(by.plan(awsProfile(), { month: MONTH }, asked()).revocability.mode).toBe('eventual');
    world.pass(first.until);
    expect(await end(one, by)).toEqual({ kind: 'ended' });
  });

  test('of a version that was written over says nothing any more: the wait counts, and nobody tries on', async () => {
    const by = probing({ boundary: world.fake.managedPolicy('other', ALLOW_ALL) });
    const [one, two] = [await mint(asked(), by), await mint(asked(), by)];
    await revoke(one, by);
    await revoke(two, by);
    const tries = () => world.fake.calls.filter(({ action }) => action === 'DecodeAuthorizationMessage');
    const before = tries().length;
    // Each probe tries twice a second; of two there is one left.
    while (tries().length < before + 6) await new Promise((resolve) => setTimeout(resolve, 50));
    const lately = tries().slice(before + 1);
    expect(new Set(lately.map(({ session }) => session)).size).toBe(1);
    world.fake.advance(600_001);
    expect(await end(one, by)).toEqual({ kind: 'ended' });
    expect((await end(two, by)).kind).toBe('pending');
  });

  test('that does not answer in time is done without', async () => {
    const by = probing();
    await by.upkeep?.(forever);
    const one = await mint(asked(), by);
    const before = world.fake.calls.length;
    world.fake.faults.delay('AssumeRole', 60_000);
    const first = await revoke(one, by);
    expect(one.can()).toBe('denied');
    expect(first.kind).toBe('pending');
    const tries = world.fake.calls.slice(before).filter(({ params }) => params['RoleSessionName'] === 'writ-probe');
    expect(tries.length).toBeLessThan(3);
  });

  test('its canary is no grant, and takes its place in the list', async () => {
    const by = probing();
    const one = await mint(asked(), by);
    await revoke(one, by);
    const { text } = await documentNow();
    expect(text).toMatch(/"gprobe[0-9a-f]{7}"/);
    expect(text).not.toMatch(/"gprobe[0-9a-f]{8}/);
  });
});

describe('the boundary', () => {
  test('lets nobody whom it holds for undo it', async () => {
    const role = world.fake.role('powerful', {
      trust: document({
        Effect: 'Allow',
        Principal: { AWS: 'arn:aws:iam::123456789012:user/writ' },
        Action: ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'],
      }),
      policies: [document(allow('*'))],
      boundary: world.boundary,
    });
    await provider.upkeep?.(forever);
    const request = asked();
    const plan = provider.plan(awsProfile({ role_arn: role, session_policy: undefined }), { month: MONTH }, request);
    const credential = (await provider.mint(plan, forever)).credential.reveal();
    for (const action of ['CreatePolicyVersion', 'SetDefaultPolicyVersion', 'DeletePolicyVersion', 'DeletePolicy'])
      expect(world.can(credential, `iam:${action}`, world.boundary)).toBe('denied');
    for (const action of ['DeleteRolePermissionsBoundary', 'PutRolePermissionsBoundary'])
      expect(world.can(credential, `iam:${action}`, role)).toBe('denied');
    expect(world.can(credential, 'iam:GetPolicyVersion', world.boundary)).toBe('allowed');
  });

  test('forgets who is over, at leisure, and costs nothing meanwhile', async () => {
    const made = await Promise.all(Array.from({ length: 40 }, () => mint()));
    await Promise.all(made.map((each) => revoke(each)));
    const [version, reads] = [countOf('CreatePolicyVersion'), countOf('GetPolicyVersion')];
    for (let round = 0; round < 3; round++) await provider.upkeep?.(forever);
    expect([countOf('CreatePolicyVersion'), countOf('GetPolicyVersion')]).toEqual([version, reads]);
    expect((await documentNow()).text).toContain(made[0]?.request.grant);
    world.fake.advance(901_000);
    await provider.upkeep?.(forever);
    expect((await documentNow()).text).not.toContain(made[0]?.request.grant);
  });

  test('is written again every hour, so that a right that was lost is found out', async () => {
    await provider.upkeep?.(forever);
    world.fake.advance(3_500_000);
    await provider.upkeep?.(forever);
    expect(countOf('CreatePolicyVersion')).toBe(1);
    world.fake.advance(200_000);
    await provider.upkeep?.(forever);
    expect(countOf('CreatePolicyVersion')).toBe(2);
    world.fake.faults.fail('CreatePolicyVersion', { status: 403, code: 'AccessDenied' });
    world.fake.advance(3_700_000);
    await expect(provider.upkeep?.(forever)).rejects.toMatchObject({ code: 'provider_refused' });
  });

  test('never has more than five versions', async () => {
    for (let n = 0; n < 5; n++) {
      await revoke(await mint());
      const { Versions } = await admin.send(new ListPolicyVersionsCommand({ PolicyArn: world.boundary }));
      expect(Versions?.length).toBeLessThanOrEqual(4);
    }
    for (let n = 0; n < 1; n++) await write(JSON.parse((await documentNow()).text) as object);
    const { Versions } = await admin.send(new ListPolicyVersionsCommand({ PolicyArn: world.boundary }));
    expect(Versions).toHaveLength(5);
    const one = await mint();
    await revoke(one);
    expect(one.can()).toBe('denied');
  });

  test('a quota that is used up is not asked about again and again', async () => {
    world.fake.faults.fail('CreatePolicyVersion', { status: 409, code: 'LimitExceeded' });
    const one = await mint();
    expect(await revoke(one)).toMatchObject({ kind: 'pending' });
    const tries = world.fake.calls.filter(({ action }) => action === 'CreatePolicyVersion').length;
    expect(tries).toBeLessThanOrEqual(4);
    expect(one.can()).toBe('allowed');
    world.fake.faults.clear();
    await end(one);
    expect(one.can()).toBe('denied');
  });

  test.each([
    ['reset by somebody', () => write(ALLOW_ALL), []],
    [
      'changed by somebody',
      async () => {
        const { Statement, ...rest } = JSON.parse((await documentNow()).text) as { Statement: JsonObject[] };
        await write({ ...rest, Statement: Statement.slice(0, 2) });
      },
      ['boundary_altered'],
    ],
    [
      'put back to an older version',
      () => admin.send(new SetDefaultPolicyVersionCommand({ PolicyArn: world.boundary, VersionId: 'v1' })),
      [],
    ],
  ])('%s: is put right again, and an end has to wait again', async (_name, change: () => Promise<unknown>, warned) => {
    const [one, two] = [await mint(), await mint()];
    await revoke(one);
    await revoke(two);
    world.fake.advance(PROPAGATION_MS + 1);
    expect(await end(one)).toEqual({ kind: 'ended' });
    await change();
    expect(two.can()).toBe('allowed');
    await provider.upkeep?.(forever);
    expect([one.can(), two.can()]).toEqual(['denied', 'denied']);
    expect((await end(two)).kind).toBe('pending');
    world.fake.advance(PROPAGATION_MS + 1);
    expect(await end(two)).toEqual({ kind: 'ended' });
    expect(world.warnings.map(({ code }) => code)).toEqual(warned);
  });

  const putBack = (version: string | undefined) =>
    admin.send(new SetDefaultPolicyVersionCommand({ PolicyArn: world.boundary, VersionId: version }));
  test.each([
    [
      'put back to an older version that denies it too',
      async (older: string | undefined) => {
        await write(ALLOW_ALL);
        await putBack(older);
      },
    ],
    [
      'written again with what it said, where a version in between is gone',
      async () => {
        const said = JSON.parse((await documentNow()).text) as object;
        const { PolicyVersion } = await write(ALLOW_ALL);
        await write(said);
        const gone = { PolicyArn: world.boundary, VersionId: PolicyVersion?.VersionId };
        await admin.send(new DeletePolicyVersionCommand(gone));
      },
    ],
  ])('%s: nobody knows what counted meanwhile, and an end has to wait again', async (_name, change) => {
    const [one, two] = [await mint(), await mint()];
    await revoke(one);
    const { version } = await documentNow();
    await revoke(two);
    await change(version);
    world.fake.advance(PROPAGATION_MS + 1);
    await provider.upkeep?.(forever);
    expect(one.can()).toBe('denied');
    expect((await end(one)).kind).toBe('pending');
    world.fake.advance(PROPAGATION_MS + 1);
    expect(await end(one)).toEqual({ kind: 'ended' });
  });

  test.each([
    ['that limits something', document(allow('s3:*')), 'boundary_not_ours'],
    ['that denies something', document(allow('*'), deny('iam:*')), 'boundary_not_ours'],
    ['that is none', document(deny('*')), 'boundary_not_ours'],
  ])('of somebody %s is left as it is', async (_name, body, finding) => {
    await write(body);
    const before = await documentNow();
    const one = await mint();
    await expect(revoke(one)).rejects.toMatchObject({ code: 'provider_refused', facts: { finding } });
    await expect(provider.upkeep?.(forever)).rejects.toMatchObject({ facts: { finding } });
    expect(await documentNow()).toEqual(before);
    const { findings } = await provider.check(forever, [awsProfile()]);
    expect(findings.map(({ code }) => code)).toEqual([finding]);
    expect(provider.plan(awsProfile(), { month: MONTH }, asked()).revocability).toEqual({ mode: 'expiry_only' });
  });

  test.each([
    ['another provider', { name: 'aws-other' }],
    ['another broker', { deps: { issuer: 'https://other.example' } }],
  ])('of %s is left as it is', async (_name, options) => {
    await make(options).upkeep?.(forever);
    const facts = { finding: 'boundary_of_another' };
    await expect(provider.upkeep?.(forever)).rejects.toMatchObject({ code: 'provider_refused', facts });
    await expect(revoke(await mint())).rejects.toMatchObject({ facts });
  });

  test('a role that does not heed it, and one of an account without one', async () => {
    const one = await mint();
    world.fake.setBoundary('invoice-agents', undefined);
    const until = (await revoke(one)) as { until: Date };
    expect(until).toMatchObject({ kind: 'not_revocable' });
    expect(until.until.getTime()).toBeLessThan(one.plan.endsAt.getTime());
    expect(one.can()).toBe('allowed');
    world.fake.setBoundary('invoice-agents', world.boundary);
    world.pass(until.until);
    expect((await end(one)).kind).toBe('pending');
    expect(one.can()).toBe('denied');
    const without = make({ revocation: false });
    const two = await mint(asked(), without);
    expect(await revoke(two, without)).toEqual({ kind: 'not_revocable', until: two.plan.endsAt });
  });
});

describe('several replicas', () => {
  test('one that read the ledger before writes over one that read it later, and puts it right itself', async () => {
    const [early, late] = [await mint(), await mint()];
    ledger.end(early.request.mint);
    const [asks, may] = [deferred<undefined>(), deferred<undefined>()];
    let first = true;
    const slow: ProviderRecord = {
      ...ledger.record,
      async endedEarly() {
        const read = await ledger.record.endedEarly();
        if (first) {
          first = false;
          asks.resolve(undefined);
          await may.promise; // from here on its reading is an old one
        }
        return read;
      },
    };
    const other = make({ record: slow });
    const ending = end(early, other);
    await asks.promise;
    world.fake.advance(100);
    await revoke(late);
    expect(late.can()).toBe('denied');
    may.resolve(undefined);
    await ending;
    expect([early.can(), late.can()]).toEqual(['denied', 'denied']);
    expect(countOf('CreatePolicyVersion')).toBe(3);
  });

  test('that writes over and dies: nothing is called ended before it is right again', async () => {
    const one = await mint();
    await revoke(one);
    const older = JSON.parse((await documentNow()).text) as { Statement: JsonObject[] };
    const [head = {}, ...own] = older.Statement;
    const mark = String(head['Sid']);
    const earlier = mark.replace(/At\d+$/, (at) => `At${Number(at.slice(2)) - 5_000}`);
    await write({ ...older, Statement: [{ ...head, Sid: earlier }, ...own.slice(0, 2)] });
    expect(one.can()).toBe('allowed');
    world.fake.advance(PROPAGATION_MS + 1);
    const again = await end(one);
    expect(again.kind).toBe('pending');
    expect(one.can()).toBe('denied');
    world.fake.advance(PROPAGATION_MS + 1);
    expect(await end(one)).toEqual({ kind: 'ended' });
  });

  test('what one wrote another confirms, after a wait of its own', async () => {
    const one = await mint();
    await revoke(one);
    world.fake.advance(PROPAGATION_MS + 1);
    const other = make();
    expect((await end(one, other)).kind).toBe('pending');
    world.fake.advance(PROPAGATION_MS + 1);
    expect(await end(one, other)).toEqual({ kind: 'ended' });
    expect(countOf('CreatePolicyVersion')).toBe(1);
  });

  test('two that write again and again: each end is confirmed all the same', async () => {
    const other = make();
    const one = await mint();
    await revoke(one);
    for (let n = 0; n < 4; n++) {
      await revoke(await mint(), n % 2 === 0 ? other : provider);
      world.fake.advance(PROPAGATION_MS / 4 + 1);
    }
    expect(await end(one)).toEqual({ kind: 'ended' });
  });
});

describe('a list without room', () => {
  const others = (count: number, subject: (n: number) => string) => {
    const made: MintId[] = [];
    for (let n = 0; n < count; n++) {
      const request = asked(900, { subject: { trust: 'mesh', id: subject(n) } });
      provider.plan(awsProfile(), { month: MONTH }, request);
      made.push(request.mint);
    }
    return made;
  };

  test('goes over to the identity, where nothing older of it lives', async () => {
    const mine = await mint();
    const elsewhere = await mint(asked(900, { subject: { trust: 'mesh', id: 'spiffe://prod.example/agent/other' } }));
    world.fake.advance(60_000);
    for (const each of others(600, () => mine.request.subject.id)) ledger.end(each);
    world.fake.advance(60_000);
    await revoke(mine);
    expect((await documentNow()).text).toContain('aws:SourceIdentity');
    const next = await mint();
    expect([mine.can(), elsewhere.can(), next.can()]).toEqual(['denied', 'allowed', 'allowed']);
    world.fake.advance(PROPAGATION_MS + 1);
    expect(await end(mine)).toEqual({ kind: 'ended' });
    expect([mine.can(), elsewhere.can(), next.can()]).toEqual(['denied', 'allowed', 'allowed']);
  });

  const full = async (by: Provider) => {
    const mine = await mint(asked(900, { subject: { trust: 'mesh', id: 'last' } }), by);
    const lives = others(600, (n) => `agent-${n}`);
    const over = others(600, (n) => `agent-${n}`);
    world.fake.advance(60_000);
    for (const each of over) ledger.end(each);
    return { mine, lives };
  };

  test('says what it has no room for, and of new grants that they cannot be revoked', async () => {
    const { mine } = await full(provider);
    const { findings } = await provider.check(forever, [awsProfile()]);
    expect(findings.map(({ code }) => code)).toEqual(['deny_list_full']);
    expect(findings[0]?.message).toMatch(/no room for 2\d\d /);
    expect(provider.plan(awsProfile(), { month: MONTH }, asked()).revocability).toEqual({ mode: 'expiry_only' });
    const answer = await revoke(mine);
    expect(answer).toMatchObject({ kind: 'not_revocable' });
    expect(mine.can()).toBe('allowed');
  });

  test('with a fence denies what lives as well, and says so', async () => {
    const by = make({ revocation: { ...SETTINGS, fence: true } });
    const lives = await mint(asked(900, { subject: { trust: 'mesh', id: 'agent-7' } }), by);
    const { mine } = await full(by);
    await revoke(mine, by);
    world.fake.advance(10_000);
    const next = await mint(asked(), by);
    expect([mine.can(), lives.can(), next.can()]).toEqual(['denied', 'denied', 'allowed']);
    const { findings } = await by.check(forever, [awsProfile()]);
    expect(findings.map(({ code }) => code)).toEqual(['fence_in_place']);
    expect(world.warnings).toMatchObject([
      { code: 'fence_in_place', provider: 'aws-main', grants: expect.any(Number) as number },
    ]);
  });
});

describe('trouble', () => {
  test('throttled: it fails with that, and comes right by itself', async () => {
    const one = await mint();
    await provider.upkeep?.(forever);
    world.fake.faults.throttle('CreatePolicyVersion', 3);
    await expect(revoke(one)).rejects.toMatchObject({ code: 'provider_throttled', nothingLives: false });
    expect((await end(one)).kind).toBe('pending');
    expect(one.can()).toBe('denied');
  });

  test('whoever goes away is let go at once, and the list is written all the same', async () => {
    const one = await mint();
    ledger.end(one.request.mint);
    const caller = new AbortController();
    const ending = provider.end(one.record, one.handle, 'revocation', caller.signal);
    setTimeout(() => caller.abort(), 100);
    await expect(ending).rejects.toMatchObject({ code: 'provider_timeout' });
    while (one.can() !== 'denied') await new Promise((resolve) => setTimeout(resolve, 50));
  });

  test('closed in the middle of it: whoever waits is told', async () => {
    const one = await mint();
    const ending = revoke(one);
    setTimeout(() => void provider.close(), 100);
    await expect(ending).rejects.toMatchObject({ code: expect.stringMatching(/^provider_/) as string });
  });
});
