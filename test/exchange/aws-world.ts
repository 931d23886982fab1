import { setTimeout as sleep } from 'node:timers/promises';
import type { GrantId } from '../../src/domain/ids.ts';
import type { Profile } from '../../src/domain/profile.ts';
import { startReaper } from '../../src/reaper/index.ts';
import { makeWorld as makeLedgerWorld, type World as LedgerWorld } from '../ledger/world.ts';
import { awsProfile, awsWorld, MONTH, type AwsWorld, type ProviderOptions } from '../providers/aws-harness.ts';
import { caller, startProcess } from './world.ts';

/** The AWS provider in the exchange, on a ledger and a clock that are real; AWS is in this process, and goes by the same time. */
export interface AwsExchange {
  readonly aws: AwsWorld;
  readonly ledger: LedgerWorld;
  /** One more replica: its own memory, the same ledger, the same AWS. */
  process(options?: ProviderOptions): Promise<Process>;
  readonly profiles: readonly Profile[];
  close(): Promise<void>;
}

export type Process = Awaited<ReturnType<typeof startProcess>> & {
  readonly issueFor: (agent: string, ttlSeconds?: number, profile?: string) => Promise<Held>;
  readonly reap: () => void;
};

export interface Held {
  readonly grant: GrantId;
  readonly credential: Readonly<Record<string, unknown>>;
  readonly credentialExpiresAt: Date;
  readonly expiresAt: Date;
  can(): ReturnType<AwsWorld['can']>;
}

export const SECOND_ROLE = 'arn:aws:iam::123456789012:role/order-agents';

/** @param more - profiles beside the two for the roles of one account. */
export async function awsExchange(scoped: boolean, more: readonly Profile[] = []): Promise<AwsExchange> {
  const aws = await awsWorld({ scoped });
  const ledger = await makeLedgerWorld();
  const profiles = [awsProfile(), awsProfile({ role_arn: SECOND_ROLE }, { name: 'orders-read' }), ...more];
  await ledger.activateRules(JSON.stringify({ profiles }));
  const closers: (() => Promise<void>)[] = [];

  return {
    aws,
    ledger,
    profiles,
    async process(options = {}) {
      const process = await startProcess(ledger.database.brokerUrl, ({ ledger: { providerRecord }, clock }) => {
        const revocation = { propagation: '1s' };
        const deps = { clock, record: providerRecord, ...options.deps };
        return [aws.provider({ config: { scoped: scoped ? 'on' : 'off' }, revocation, ...options, deps })];
      });
      await process.context.rules.refresh();
      const [provider] = process.context.providers.values();
      await provider?.check(AbortSignal.timeout(9_000), profiles);
      let reaper: ReturnType<typeof startReaper> | undefined;
      closers.push(async () => {
        await reaper?.stop();
        await provider?.close();
        await process.close();
      });
      return {
        ...process,
        async issueFor(agent, ttlSeconds, profile = 'invoices-read') {
          const asked = { profile, parameters: { month: MONTH }, purpose: 'look up an invoice', ttlSeconds };
          const { grant, credential, credentialExpiresAt, expiresAt } = await process.issue(caller(agent), asked);
          const shown = credential.reveal();
          return { grant, credential: shown, credentialExpiresAt, expiresAt, can: () => aws.can(shown) };
        },
        reap: () => void (reaper ??= startReaper(process.context, process.settle)),
      };
    },
    async close() {
      await Promise.all(closers.map((close) => close()));
      await ledger.close();
      await aws.fake.close();
    },
  };
}

export async function until(done: () => Promise<boolean>, seconds = 30): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await done())) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s`);
    await sleep(100);
  }
}
