import type { JsonObject } from '../../src/domain/json.ts';
import type { RuleFiles } from '../../src/config/index.ts';
import { awsWorld, SECTION } from '../providers/aws-harness.ts';
import { vaultWorld } from '../providers/vault-world.ts';
import { profile } from '../support/running-broker-rules.ts';

/** An AWS and a Vault that a broker in a process of its own reaches, set up as their pages say. */
export interface Clouds {
  /** Entries of `writ.yaml`; what is secret in them stands in the environment. */
  readonly providers: JsonObject;
  readonly env: Readonly<Record<string, string>>;
  readonly rules: RuleFiles;
  /** By what they are: the broker's own logins. */
  readonly secrets: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export async function startClouds(): Promise<Clouds> {
  const [aws, vault] = [await awsWorld(), await vaultWorld(() => Date.now())];
  const { roleId, secretId } = vault.made;
  const secrets = { 'key: the broker’s at AWS': aws.broker.secretAccessKey, 'secret id at Vault': secretId };
  return {
    env: { CLOUD_KEY: aws.broker.accessKeyId, CLOUD_SECRET: aws.broker.secretAccessKey, VAULT_SECRET: secretId },
    secrets,
    providers: {
      'aws-main': {
        kind: 'aws',
        region: aws.fake.region,
        endpoint: aws.fake.url,
        credentials: { access_key_id: '${CLOUD_KEY}', secret_access_key: '${CLOUD_SECRET}' },
        revocation: { boundary_arn: aws.boundary, revoker_role_arn: aws.revoker, propagation: '1s' },
      },
      'vault-main': {
        kind: 'vault',
        address: vault.url,
        auth: { method: 'approle', role_id: roleId, secret_id: '${VAULT_SECRET}' },
      },
    },
    rules: {
      ...profile(
        'invoices',
        'aws-main',
        'parameters: { month: { pattern: "[0-9]{4}-[0-9]{2}" } }',
        `aws: ${JSON.stringify(SECTION)}`,
      ),
      ...profile('kept', 'vault-main', 'vault: { token_role: writ, policies: [inv] }'),
      ...profile(
        'login',
        'vault-main',
        'vault: { token_role: writ, policies: [db], secret: "database/creds/readonly" }',
      ),
    },
    async close() {
      await vault.close();
      await aws.fake.close();
    },
  };
}
