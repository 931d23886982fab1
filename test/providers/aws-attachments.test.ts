import type { IAMClient } from '@aws-sdk/client-iam';
import { makeFindRole } from '../../src/providers/aws/attachments.ts';
import { WATCHING, watching } from '../../src/providers/aws/call.ts';
import { allow, document, iamClient } from '../support/aws/setup.ts';
import { deferred } from '../support/deferred.ts';
import { ACCOUNT, awsWorld, type AwsWorld } from './aws-harness.ts';

/** Since when a role has been seen with its boundary. */
const forever = new AbortController().signal;
const ROLE = `arn:aws:iam::${ACCOUNT}:role/invoice-agents`;

let world: AwsWorld;
let iam: IAMClient;
beforeEach(async () => {
  world = await awsWorld();
  iam = iamClient(world.fake, world.fake.user('admin', [document(allow('iam:*'))]), { maxAttempts: 1 });
});
afterEach(async () => {
  iam.destroy();
  await world.fake.close();
});

test('of two looks at once, one that was answered before and arrives after the other does not make it older', async () => {
  const [arrived, may] = [deferred<undefined>(), deferred<undefined>()];
  let held = 0;
  iam.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      if (held++ === 1) {
        arrived.resolve(undefined);
        await may.promise;
      }
      return answer;
    },
    { step: 'finalizeRequest' },
  );
  iam.middlewareStack.add(watching, WATCHING);
  const find = makeFindRole(iam, { now: world.fake.now, offsetMs: () => 0 });
  const first = await find(ROLE, forever);
  expect(first.boundary).toBe(world.boundary);
  world.fake.advance(61_000);
  const slow = find(ROLE, forever);
  await arrived.promise;
  world.fake.setBoundary('invoice-agents', undefined);
  expect((await find(ROLE, forever)).boundary).toBeUndefined();
  const without = world.fake.now();
  may.resolve(undefined);
  expect((await slow).since.getTime()).toBeGreaterThanOrEqual(without.getTime());
});
