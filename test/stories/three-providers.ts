import type { JsonObject } from '../../src/domain/json.ts';
import { vaultWorld } from '../providers/vault-world.ts';
import type { FakeVaultWorld } from '../providers/vault-world.ts';
import { makeTarget } from '../support/target.ts';
import type { Target } from '../support/target.ts';

/** What `writ serve` reaches beside its own tokens: a Vault that speaks the wire and goes by real time, and a real database. */
export interface ThreeProviders {
  readonly vault: FakeVaultWorld;
  readonly target: Target;
  /** Entries of `writ.yaml`; what is secret in them stands in the environment. */
  readonly entries: JsonObject;
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export async function startProviders(): Promise<ThreeProviders> {
  const vault = await vaultWorld(() => Date.now());
  const target = await makeTarget();
  return {
    vault,
    target,
    entries: {
      'vault-main': {
        kind: 'vault',
        address: vault.url,
        auth: { method: 'approle', role_id: vault.made.roleId, secret_id: '${VAULT_SECRET}' },
      },
      'orders-db': { kind: 'postgres', url: '${ORDERS_DB_URL}' },
    },
    env: { VAULT_SECRET: vault.made.secretId, ORDERS_DB_URL: target.url },
    async close() {
      await vault.close();
      await target.drop();
    },
  };
}
