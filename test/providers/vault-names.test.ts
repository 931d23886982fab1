import { VaultSection } from '../../src/providers/vault/section.ts';
import { pagePolicies } from './vault-setup.ts';
import { sectionOf, vaultProfile } from './vault-shapes.ts';
import { forever, recordOf, vaultWorld, type FakeVaultWorld } from './vault-world.ts';

/** What is there under our names, whatever a ledger knows of it. The contract suite says when a mint is listed. */
let world: FakeVaultWorld;
beforeEach(async () => {
  world = await vaultWorld();
});
afterEach(() => world.close());

const listings = () => world.door.seen.filter(({ method }) => method === 'LIST').length;

test('entities of people, and names that are nearly ours, are not ours', async () => {
  const provider = world.provider();
  for (const name of ['alice', 'writ-mallory', 'writ-m', 'writ-g0000000000000', 'xwrit-m000000000000000000000'])
    await world.admin.call('POST', `identity/entity/name/${name}`, {});
  const request = world.request();
  await provider.mint(world.plan(provider, sectionOf('entity'), request), forever);
  expect(await provider.names?.(forever)).toEqual([request.mint]);
});

test('after a restart what was there before is listed, also before the profiles are known', async () => {
  const [before, after] = [world.provider(), world.provider()];
  const request = world.request();
  const plan = world.plan(before, sectionOf('entity'), request);
  await before.mint(plan, forever);
  expect(await after.names?.(forever)).toEqual([request.mint]);
  await after.check(forever, [vaultProfile(VaultSection.parse(sectionOf('entity')))]);
  expect(await after.names?.(forever)).toEqual([request.mint]);
  await after.cleanup?.(recordOf(plan, request), forever);
  expect(await after.names?.(forever)).toEqual([]);
});

test('whose profiles have no entities does not ask', async () => {
  const provider = world.provider();
  await provider.check(forever, [vaultProfile(VaultSection.parse(sectionOf('token')))]);
  await provider.mint(world.plan(provider, sectionOf('token')), forever);
  expect([await provider.names?.(forever), listings()]).toEqual([[], 0]);
});

test('a list that is longer than any answer that is read: the check says so, until it is not', async () => {
  const { provider, door } = await world.troubled();
  const request = world.request();
  await provider.mint(world.plan(provider, sectionOf('entity'), request), forever);
  const strays = async () => {
    const { findings } = await provider.check(forever);
    return findings.filter(({ code }) => code === 'strays_unseen').map(({ message }) => message);
  };
  door.trouble = { only: /^identity\/entity\/name$/, text: ' '.repeat(4 * 1024 * 1024 + 1) };
  expect(await provider.names?.(forever)).toEqual([]);
  expect(await strays()).toEqual([expect.stringContaining('more than 4 MiB')]);
  door.trouble = {};
  expect(await provider.names?.(forever)).toEqual([request.mint]);
  expect(await strays()).toEqual([]);
  await provider.close();
});

test('who may not list sees none, and everything else goes on', async () => {
  const provider = world.provider();
  const policy = (await pagePolicies('writ')).join('\n').replace(/^.*"list".*$/m, '');
  await world.admin.call('POST', 'sys/policies/acl/writ-broker', { policy });
  await provider.mint(world.plan(provider, sectionOf('entity')), forever);
  expect([await provider.names?.(forever), listings()]).toEqual([[], 1]);
});
