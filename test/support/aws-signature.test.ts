import { AssumeRoleCommand, GetCallerIdentityCommand, STSServiceException, type STSClient } from '@aws-sdk/client-sts';
import { startFakeAws, type AwsKeys, type FakeAws } from './aws/index.ts';
import { allow, document, keysOf, stsClient, trusting } from './aws/setup.ts';
import { verifySignature, type Expected, type SignedRequest } from './aws/sigv4.ts';

interface Sent {
  body: string;
  headers: Record<string, string>;
  path: string;
  method: string;
}

let aws: FakeAws;
let broker: AwsKeys;
let session: AwsKeys;

beforeAll(async () => {
  aws = await startFakeAws({ region: 'eu-west-1' });
  broker = aws.user('broker', [document(allow('*'))]);
  const role = aws.role('agents', { trust: trusting({ AWS: aws.account }), policies: [document(allow('*'))] });
  const assumed = await stsClient(aws, broker).send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'one' }));
  session = keysOf(assumed.Credentials);
});
afterAll(() => aws.close());

/** A client whose requests are changed after they were signed. */
function tampering(keys: AwsKeys, change: (sent: Sent) => void, region = aws.region): STSClient {
  const client = stsClient(aws, keys, { region });
  client.middlewareStack.add(
    (next) => (args) => {
      const sent = args.request as Sent;
      change(sent);
      sent.headers['content-length'] = String(Buffer.byteLength(sent.body));
      return next(args);
    },
    { step: 'deserialize', priority: 'low' },
  );
  return client;
}

async function refusal(client: STSClient): Promise<{ name: string; status: number | undefined; message: string }> {
  try {
    await client.send(new GetCallerIdentityCommand({}));
  } catch (error) {
    if (!(error instanceof STSServiceException)) throw error;
    return { name: error.name, status: error.$metadata.httpStatusCode, message: error.message };
  }
  throw new Error('it was answered');
}

test("a signature of the SDK is taken, of a user's and of a session's keys", async () => {
  const answer = (keys: AwsKeys) => stsClient(aws, keys).send(new GetCallerIdentityCommand({}));
  expect((await answer(broker)).Arn).toBe('arn:aws:iam::123456789012:user/broker');
  expect((await answer(session)).Arn).toBe('arn:aws:sts::123456789012:assumed-role/agents/one');
  expect((await answer(session)).UserId).toMatch(/^AROA\w{17}:one$/);
});

const unchanged = () => undefined;
const other = (text: string) => `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`;

describe('of keys', () => {
  test.each([
    {
      name: 'an unknown access key',
      keys: () => ({ ...broker, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' }),
      want: 'InvalidClientTokenId',
    },
    {
      name: 'another secret',
      keys: () => ({ ...broker, secretAccessKey: other(broker.secretAccessKey) }),
      want: 'SignatureDoesNotMatch',
    },
    {
      name: "a session's keys with another secret",
      keys: () => ({ ...session, secretAccessKey: broker.secretAccessKey }),
      want: 'SignatureDoesNotMatch',
    },
    {
      name: 'a session without its token',
      keys: () => ({ accessKeyId: session.accessKeyId, secretAccessKey: session.secretAccessKey }),
      want: 'InvalidClientTokenId',
    },
    {
      name: 'a session with a forged token',
      keys: () => ({ ...session, sessionToken: other(session.sessionToken ?? '') }),
      want: 'InvalidClientTokenId',
    },
    {
      name: 'a session with a shorter token',
      keys: () => ({ ...session, sessionToken: session.sessionToken?.slice(0, -1) ?? '' }),
      want: 'InvalidClientTokenId',
    },
    {
      name: 'a user with the token of a session',
      keys: () => ({ ...broker, sessionToken: session.sessionToken ?? '' }),
      want: 'InvalidClientTokenId',
    },
  ])('$name: $want', async ({ keys, want }) => {
    const given = keys();
    expect(await refusal(tampering(given, unchanged))).toMatchObject({ name: want, status: 403 });
    expect(aws.can(given, 's3:GetObject', 'arn:aws:s3:::x/y')).toBe('invalid');
    expect(aws.calls.at(-1)).toMatchObject({ action: 'GetCallerIdentity', status: 403, code: want, who: undefined });
  });
});

describe('of what was signed', () => {
  test.each<{ name: string; change: (sent: Sent) => void; want: object }>([
    {
      name: 'a tampered body',
      change: (sent) => (sent.body = sent.body.replace('GetCallerIdentity', 'AssumeRole')),
      want: { name: 'SignatureDoesNotMatch', status: 403 },
    },
    {
      name: 'more in the body',
      change: (sent) => (sent.body += '&DurationSeconds=900'),
      want: { name: 'SignatureDoesNotMatch', status: 403 },
    },
    {
      name: 'another path',
      change: (sent) => (sent.path = '/other'),
      want: { name: 'SignatureDoesNotMatch', status: 403 },
    },
    {
      name: 'a tampered signature',
      change: authorization((text) => `${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`),
      want: { name: 'SignatureDoesNotMatch', status: 403 },
    },
    {
      name: 'no signature',
      change: (sent) => delete sent.headers['authorization'],
      want: { name: 'MissingAuthenticationToken', status: 403 },
    },
    {
      name: 'a signed header changed',
      change: (sent) => (sent.headers['content-type'] = 'text/plain'),
      want: { name: 'SignatureDoesNotMatch' },
    },
    {
      name: 'a header of AWS added',
      change: (sent) => (sent.headers['x-amz-extra'] = '1'),
      want: { name: 'SignatureDoesNotMatch' },
    },
    {
      name: 'the host unsigned',
      change: authorization((text) => text.replace('host;', '')),
      want: { name: 'SignatureDoesNotMatch' },
    },
    {
      name: 'another algorithm',
      change: authorization((text) => text.replace('AWS4-HMAC', 'AWS3-HMAC')),
      want: { name: 'IncompleteSignature', status: 400 },
    },
    {
      name: 'no credential',
      change: authorization((text) => text.replace('Credential=', 'Credit=')),
      want: { name: 'IncompleteSignature', status: 400 },
    },
    {
      name: 'a short scope',
      change: authorization((text) => text.replace('/aws4_request', '')),
      want: { name: 'IncompleteSignature', status: 400 },
    },
    {
      name: 'another terminator',
      change: authorization((text) => text.replace('aws4_request', 'aws5_request')),
      want: { name: 'SignatureDoesNotMatch' },
    },
    {
      name: 'another service in the scope',
      change: authorization((text) => text.replace('/sts/', '/iam/')),
      want: { name: 'SignatureDoesNotMatch', message: expect.stringContaining("correct service: 'sts'") },
    },
    {
      name: 'another day in the scope',
      change: authorization((text) => text.replace(/\/\d{8}\//, '/20200101/')),
      want: { name: 'SignatureDoesNotMatch', message: expect.stringContaining('Date in Credential scope') },
    },
    {
      name: 'another date',
      change: (sent) => (sent.headers['x-amz-date'] = bump(sent.headers['x-amz-date'])),
      want: { name: 'SignatureDoesNotMatch' },
    },
    {
      name: 'a date that is none',
      change: (sent) => (sent.headers['x-amz-date'] = `${sent.headers['x-amz-date']?.slice(0, 8) ?? ''} noon`),
      want: { name: 'IncompleteSignature', status: 400 },
    },
    { name: 'no date', change: (sent) => delete sent.headers['x-amz-date'], want: { name: 'SignatureDoesNotMatch' } },
    { name: 'not POST', change: (sent) => (sent.method = 'PUT'), want: { name: 'InvalidAction', status: 400 } },
    {
      name: 'an action twice',
      change: (sent) => (sent.body += '&Action=AssumeRole'),
      want: { name: 'MalformedQueryString', status: 400 },
    },
    {
      name: 'no action',
      change: (sent) => (sent.body = 'Version=2011-06-15'),
      want: { name: 'MissingAction', status: 400 },
    },
    { name: 'no form', change: (sent) => (sent.body = '{}'), want: { name: 'MissingAction', status: 400 } },
    {
      name: 'an action that there is not',
      change: (sent) => (sent.body = 'Action=constructor&Version=2011-06-15'),
      want: { name: 'InvalidAction', status: 400 },
    },
    {
      name: 'a version that there is not',
      change: (sent) => (sent.body = 'Action=GetCallerIdentity&Version=2012-01-01'),
      want: { name: 'InvalidAction', status: 400 },
    },
  ])('$name', async ({ change, want }) => {
    expect(await refusal(tampering(broker, change))).toMatchObject(want);
  });

  test('another region', async () => {
    expect(await refusal(stsClient(aws, broker, { region: 'us-east-1' }))).toMatchObject({
      name: 'SignatureDoesNotMatch',
      message: expect.stringContaining('valid region'),
    });
  });
});

function authorization(change: (text: string) => string): (sent: Sent) => void {
  return (sent) => (sent.headers['authorization'] = change(sent.headers['authorization'] ?? ''));
}

/** The same day, one second later or earlier. */
function bump(date = ''): string {
  return date.replace(/\dZ$/, (end) => (end === '0Z' ? '1Z' : '0Z'));
}

describe('of the time', () => {
  test.each([
    { minutes: -16, want: 'Signature expired: ' },
    { minutes: 16, want: 'Signature not yet current: ' },
  ])('signed $minutes minutes off', async ({ minutes, want }) => {
    const client = stsClient(aws, broker);
    client.config.systemClockOffset = minutes * 60_000;
    const { name, message } = await refusal(client);
    expect(name).toBe('SignatureDoesNotMatch');
    expect(message).toContain(want);
  });

  test('fourteen minutes are taken, and the SDK learns the time from the answer', async () => {
    const client = stsClient(aws, broker);
    client.config.systemClockOffset = -14 * 60_000;
    await client.send(new GetCallerIdentityCommand({}));
    expect(Math.abs(client.config.systemClockOffset)).toBeLessThan(5000);
  });

  test('a client whose clock is an hour behind is corrected by its second try', async () => {
    const own = await startFakeAws();
    const keys = own.user('broker', [document(allow('*'))]);
    const client = stsClient(own, keys, { maxAttempts: 2 });
    own.advance(3_600_000);
    const first = await client.send(new GetCallerIdentityCommand({}));
    const second = await client.send(new GetCallerIdentityCommand({}));
    expect([first.$metadata.attempts, second.$metadata.attempts]).toEqual([2, 1]);
    expect(own.calls.map(({ code }) => code)).toEqual(['SignatureDoesNotMatch', undefined, undefined]);
    await own.close();
  });

  test('a request cannot be sent again after a quarter of an hour', async () => {
    const own = await startFakeAws();
    const keys = own.user('broker', [document(allow('*'))]);
    let taken: Sent | undefined;
    const client = stsClient(own, keys);
    client.middlewareStack.add(
      (next) => (args) => {
        taken = structuredClone({ ...(args.request as Sent), body: (args.request as Sent).body });
        return next(args);
      },
      { step: 'deserialize', priority: 'low' },
    );
    await client.send(new GetCallerIdentityCommand({}));
    const again = async () => {
      const { host: _, ...headers } = taken?.headers ?? {};
      const answer = await fetch(own.url, { method: 'POST', headers, body: taken?.body ?? '' });
      return [answer.status, /<Code>(.*)<\/Code>/.exec(await answer.text())?.[1]];
    };
    expect(await again()).toEqual([200, undefined]);
    own.advance(16 * 60_000);
    expect(await again()).toEqual([403, 'SignatureDoesNotMatch']);
    await own.close();
  });
});

/** The example that AWS's own documents work through (Signature Version 4, ListUsers of IAM). */
describe('the documented example', () => {
  const signature = '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7';
  const request: SignedRequest = {
    method: 'GET',
    target: '/?Action=ListUsers&Version=2010-05-08',
    headers: new Map([
      ['content-type', 'application/x-www-form-urlencoded; charset=utf-8'],
      ['host', 'iam.amazonaws.com'],
      ['x-amz-date', '20150830T123600Z'],
      [
        'authorization',
        'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, ' +
          `SignedHeaders=content-type;host;x-amz-date, Signature=${signature}`,
      ],
    ]),
    body: Buffer.alloc(0),
  };
  const expected: Expected = {
    now: new Date('2015-08-30T12:36:30Z'),
    region: 'us-east-1',
    service: 'iam',
    keyOf: (id) => (id === 'AKIDEXAMPLE' ? { secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' } : undefined),
  };
  test('is right', () => {
    expect(verifySignature(request, expected)).toBe('AKIDEXAMPLE');
  });
  test.each<[string, Partial<SignedRequest>]>([
    ['another query', { target: '/?Action=ListRoles&Version=2010-05-08' }],
    ['another method', { method: 'POST' }],
    ['a body', { body: Buffer.from('x') }],
  ])('is not right with %s', (_name, change) => {
    expect(() => verifySignature({ ...request, ...change }, expected)).toThrow('does not match');
  });
  test('takes the order of the query as canonical', () => {
    const target = '/?Version=2010-05-08&Action=ListUsers';
    expect(verifySignature({ ...request, target }, expected)).toBe('AKIDEXAMPLE');
  });
});

test('nothing secret is in the calls', () => {
  const text = JSON.stringify(aws.calls);
  for (const secret of [broker.secretAccessKey, session.secretAccessKey, session.sessionToken ?? '']) {
    expect(text).not.toContain(secret);
  }
});
