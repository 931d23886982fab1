import { randomBytes } from 'node:crypto';
import { makeIds } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { VaultSection } from '../../src/providers/vault/section.ts';
import { providerContract } from '../providers/contract.ts';
import { vaultHarness } from '../providers/vault-harness.ts';
import { PARAMETERS, sectionOf, SHAPES, vaultProfile } from '../providers/vault-shapes.ts';
import { forever, recordOf } from '../providers/vault-world.ts';
import { liveVaultWorld } from './vault-world.ts';

/**
 * The contract against a real Vault or OpenBao: VAULT_ADDR, and VAULT_TOKEN to set it up with. What a crash leaves dies by
 * itself after 70 seconds, and is waited for: some twenty minutes in all.
 */
const { VAULT_ADDR: address, VAULT_TOKEN: token } = process.env;
if (!address || !token) throw new Error('VAULT_ADDR names the server, and VAULT_TOKEN may set it up');
const { version } = (await (await fetch(`${address}/v1/sys/health`)).json()) as { version?: string };
console.log(`${address} is version ${version ?? 'unknown'}`);

for (const shape of SHAPES) {
  const harness = vaultHarness(shape, await liveVaultWorld({ address, token }));
  // Every message and every lie costs such a wait, but where a grant has an entity that is disabled by name.
  const { cut, lies, ...quick } = harness.faults;
  const faults = shape === 'entity' && cut && lies ? { ...quick, cut, lies } : quick;
  providerContract(`vault, live, ${shape}`, { ...harness, faults });
}

/** Of the engine's failures the fake knows what was seen here. */
test('a secret whose engine cannot revoke it is not ended, and is when it can', async () => {
  const ids = makeIds(randomBytes, Date.now);
  const world = await liveVaultWorld({ address, token });
  try {
    const provider = world.provider();
    const now = world.now();
    const request = {
      ...{ mint: ids.mint(), grant: ids.grant(), task: ids.task(), now, endsAt: new Date(now.getTime() + 600_000) },
      subject: { trust: 'mesh', id: 'spiffe://dev.local/agent/a' },
    };
    const section = VaultSection.parse(sectionOf('secret', world.names));
    const plan = provider.plan(vaultProfile(section), PARAMETERS, request);
    const { handle, credential } = await provider.mint(plan, forever);
    const { data } = credential.reveal() as { readonly data: JsonObject };
    const revocation = (statement: string) =>
      world.admin.call('POST', `${world.names.database}/roles/readonly`, { revocation_statements: [statement] });
    const end = () => provider.end(recordOf(plan, request), handle, 'revocation', forever);
    await revocation('SELECT 1/0');
    const facts = { step: 'lease_revoke', vault_status: 400 };
    await expect(end()).rejects.toMatchObject({ code: 'provider_unreachable', facts });
    expect(await world.admits(data)).toBe(true);
    await revocation('DROP ROLE IF EXISTS "{{name}}"');
    expect(await end()).toEqual({ kind: 'ended' });
    expect(await world.admits(data)).toBe(false);
  } finally {
    await world.close();
  }
});
