// A program that uses AWS as programs do, with the SDK's own search for credentials: COUNT calls, with a pause between.
import { setTimeout } from 'node:timers/promises';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';

const [count = '1', pause = '0'] = process.argv.slice(2);
const sts = new STSClient({ maxAttempts: 1 });
for (let i = 0; i < Number(count); i += 1) {
  if (i > 0) await setTimeout(Number(pause));
  const told = await sts.send(new GetCallerIdentityCommand({})).then(
    ({ UserId }) => UserId,
    (error: unknown) => (error as Error).name,
  );
  process.stdout.write(`${String(told)}\n`);
}
