import { freshSchema, SCHEMA_FILE } from '../../src/config/index.ts';
import type { RuleFiles } from '../../src/config/index.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { makeCedarCompiler } from '../../src/policy/index.ts';
import { providerKinds } from '../../src/providers/index.ts';
import type { FakeAwsReady } from './fake-aws.ts';
import type { FakeVaultReady } from './fake-vault.ts';
import type { Floor } from './floor-process.ts';
import { startHelper } from './helper-process.ts';
import type { OtherBroker, World } from './world.ts';

/** A broker with providers of the kinds `aws` and `vault` that are there, and a floor that makes their calls directly. */
export interface ProvidersWorld {
  readonly broker: OtherBroker;
  readonly floor: Floor;
  /** What every call of a provider takes longer; the fakes start afresh. */
  setDelay(ms: number): Promise<void>;
  /** The same of the AWS of `bench-aws-slow` alone. */
  setSlow(ms: number): Promise<void>;
}

export async function withProviders(world: World, name: string, work: (providers: ProvidersWorld) => Promise<void>) {
  const [aws, vault] = await Promise.all([startHelper('fake-aws.ts', {}), startHelper('fake-vault.ts', {})]);
  const awsAt = aws.ready as FakeAwsReady;
  const vaultAt = vault.ready as FakeVaultReady;
  const awsEntry = (endpoint: string): JsonObject => ({
    region: awsAt.region,
    endpoint,
    scoped: 'off',
    credentials: { access_key_id: awsAt.accessKeyId, secret_access_key: awsAt.secretAccessKey },
  });
  const auth = { method: 'approle', role_id: vaultAt.roleId, secret_id: vaultAt.secretId };
  const vaultEntry: JsonObject = { address: vaultAt.url, auth };
  const providers = {
    'aws-main': { kind: 'aws', ...awsEntry(awsAt.url) },
    'aws-slow': { kind: 'aws', ...awsEntry(awsAt.slowUrl) },
    'vault-main': { kind: 'vault', ...vaultEntry },
  };
  const sections = sectionsOf(awsAt.role);
  const broker = await world.startBroker({ name, providers }, await rulesOf(world, sections));
  const { 'bench-aws': section, 'bench-vault': token, 'bench-vault-entity': entity } = sections;
  const floor = await world.startFloor({
    aws: { entry: awsEntry(awsAt.url), section },
    vault: { entry: vaultEntry, section: token, entity },
  });
  const slow = { slow_ms: 0 };
  const setDelay = async (delay_ms: number) => {
    await Promise.all([aws.ask({ delay_ms, ...slow }), vault.ask({ delay_ms })]);
  };
  try {
    await work({
      broker,
      floor,
      setDelay,
      setSlow: (ms) => {
        slow.slow_ms = ms;
        return setDelay(0);
      },
    });
  } finally {
    await floor.stop();
    await broker.stop();
    await Promise.all([aws, vault].map(({ stop }) => stop()));
  }
}

const sectionsOf = (role: string) => ({
  'bench-aws': {
    role_arn: role,
    session_policy: {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: ['s3:GetObject'], Resource: 'arn:aws:s3:::inv/2026-11/*' }],
    },
    tags: { team: 'payments' },
  },
  'bench-aws-slow': { role_arn: role },
  'bench-vault': { policies: ['inv'] },
  'bench-vault-entity': { policies: ['inv-month'], entity: { metadata: { month: '2026-11' } } },
});

/** The sample's, and a profile for each of these sections, which its policies let everybody read. */
async function rulesOf(world: World, sections: Readonly<Record<string, JsonObject>>): Promise<RuleFiles> {
  const profiles = Object.entries(sections).map(([name, section]) => {
    const kind = name.startsWith('bench-aws') ? 'aws' : 'vault';
    const provider = name === 'bench-aws-slow' ? 'aws-slow' : `${kind}-main`;
    const about = { name, provider, owner: 'payments', environment: 'development', effect: 'read' };
    return [`profiles/${name}.yaml`, JSON.stringify({ ...about, ttl: { default: '5m', max: '1h' }, [kind]: section })];
  });
  const files: RuleFiles = { ...(await world.rules()), ...(Object.fromEntries(profiles) as RuleFiles) };
  const on = [
    ['tools', 'jwt'],
    ['orders-db', 'postgres'],
    ['aws-main', 'aws'],
    ['aws-slow', 'aws'],
    ['vault-main', 'vault'],
  ] as const;
  const deps = {
    providers: on.map(([name, kind]) => ({ name, kind, on: true })),
    providerKinds,
    policyCompiler: makeCedarCompiler(),
  };
  return { ...files, [SCHEMA_FILE]: freshSchema(files, deps) };
}
