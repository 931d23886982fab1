/** The tests' own AWS in a process of its own, with a fast address and a slow one. Each line `{"delay_ms"}` sets what all takes longer. */
import { startFakeAws } from '../support/aws/index.ts';
import { allow, document, trusting } from '../support/aws/setup.ts';
import { answerWith } from './helper-process.ts';

const fake = await startFakeAws({ scoped: false });
const slow = await fake.door();
const role = (name: string) => `arn:aws:iam::${fake.account}:role/${name}`;
const keys = fake.user('writ', [
  document(allow(['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'], role('*'))),
]);
const trust = trusting({ AWS: `arn:aws:iam::${fake.account}:user/writ` });
fake.role('invoice-agents', { trust, policies: [document(allow('s3:GetObject'))] });

export interface FakeAwsReady {
  readonly url: string;
  readonly slowUrl: string;
  readonly region: string;
  readonly role: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}
const ready: FakeAwsReady = {
  url: fake.url,
  slowUrl: slow.url,
  region: fake.region,
  role: role('invoice-agents'),
  ...keys,
};

await answerWith(ready, (question) => {
  const { delay_ms, slow_ms } = question as { delay_ms: number; slow_ms: number };
  for (const [{ faults }, ms] of [[fake, delay_ms] as const, [slow, slow_ms] as const]) {
    faults.clear();
    if (ms > 0) faults.delay('*', ms);
  }
  return Promise.resolve({});
});
await fake.close();
