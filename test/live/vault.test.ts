import { providerContract } from '../providers/contract.ts';
import { vaultHarness } from '../providers/vault-harness.ts';
import { SHAPES } from '../providers/vault-shapes.ts';
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
