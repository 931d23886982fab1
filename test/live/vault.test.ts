import { providerContract } from '../providers/contract.ts';
import { vaultHarness } from '../providers/vault-harness.ts';
import { SHAPES } from '../providers/vault-shapes.ts';
import { liveVaultWorld } from './vault-world.ts';

/**
 * The contract suite against a real Vault or OpenBao: `VAULT_ADDR` and `VAULT_TOKEN` (the set-up token), by default those of
 * docker-compose.yml. What a crash leaves dies by itself after 70 seconds, and is waited for.
 */
const { VAULT_ADDR: address = 'http://127.0.0.1:8200', VAULT_TOKEN: token = 'root' } = process.env;
const { version, cluster_name } = (await (await fetch(`${address}/v1/sys/health`)).json()) as Record<string, string>;
console.log(`Vault at ${address}: version ${version ?? '?'}, ${cluster_name ?? '?'}`);

import.meta.jest.setTimeout(60 * 60_000);

for (const shape of SHAPES) {
  const harness = vaultHarness(shape, await liveVaultWorld({ address, token }));
  // Every message and every lie costs such a wait, but where a grant has an entity that is disabled by name.
  const { cut, lies, ...quick } = harness.faults;
  const faults = shape === 'entity' && cut && lies ? { ...quick, cut, lies } : quick;
  providerContract(`a real Vault, ${shape}`, { ...harness, faults });
}
