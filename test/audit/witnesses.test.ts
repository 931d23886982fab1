import { generateKeyPairSync, sign } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkpointText } from '../../src/audit/checkpoint.ts';
import { formatNote, makeNoteKey } from '../../src/audit/note.ts';
import type { Witness } from '../../src/audit/witness.ts';
import { makeWitnesses } from '../../src/audit/witnesses/index.ts';
import type { WitnessOptions } from '../../src/audit/witnesses/index.ts';
import { signSigV4 } from '../../src/audit/witnesses/sigv4.ts';
import { Secret } from '../../src/domain/secret.ts';
import { makeOutbound } from '../../src/outbound/client.ts';
import { startReceiver } from './receiver.ts';
import type { Receiver } from './receiver.ts';

const pair = generateKeyPairSync('ed25519');
const key = makeNoteKey('writ/test', Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'));
const noteOf = (size: number) => {
  const text = checkpointText({ origin: 'writ/test', size, root: Buffer.alloc(32, size) });
  return formatNote(text, key, sign(null, Buffer.from(text), pair.privateKey));
};

let directory: string;
let receiver: Receiver;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'writ-witness-'));
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
  await rm(directory, { recursive: true });
});
beforeEach(() => receiver.reset());

const make = (options: WitnessOptions): Witness => {
  const deps = { outbound: makeOutbound({ allow: [receiver.host] }), now: () => new Date() };
  const [witness] = makeWitnesses([options], deps);
  if (!witness) throw new Error('no witness');
  return witness;
};
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: new Secret('a secret') };
let files = 0;
const OPTIONS: Record<string, () => WitnessOptions> = {
  file: () => ({ kind: 'file', path: join(directory, `checkpoints-${files++}`) }),
  webhook: () => ({ kind: 'webhook', url: `${receiver.url}/hook`, latest: `${receiver.url}/hook` }),
  s3: () => ({
    kind: 's3',
    bucket: 'evidence',
    key: 'writ/check point+1',
    region: 'eu-west-1',
    endpoint: receiver.url,
    credentials,
  }),
};

describe.each(Object.keys(OPTIONS))('%s', (name) => {
  const witness = () => make(OPTIONS[name]?.() ?? { kind: 'file', path: '' });

  test('keeps nothing at first, then what it was given last', async () => {
    const one = witness();
    expect(await one.last()).toBeUndefined();
    await one.publish(noteOf(1));
    expect((await one.last())?.note).toBe(noteOf(1));
    await one.publish(noteOf(7));
    expect((await one.last())?.note).toBe(noteOf(7));
  });
});

describe('a file', () => {
  test('keeps every checkpoint; what a crash left of one is passed over, and the next is whole', async () => {
    const path = join(directory, 'crashed');
    const witness = make({ kind: 'file', path });
    await witness.publish(noteOf(1));
    await witness.publish(noteOf(2));
    await truncate(path, (await stat(path)).size - 30);
    expect((await witness.last())?.size).toBe(1);
    await witness.publish(noteOf(3));
    expect((await witness.last())?.size).toBe(3);
    expect(await readFile(path, 'utf8')).toContain(noteOf(1));
  });

  test('however long it has become, its end is what is read', async () => {
    const path = join(directory, 'long');
    await writeFile(path, noteOf(1).repeat(2_000));
    await appendFile(path, noteOf(9));
    expect((await make({ kind: 'file', path }).last())?.size).toBe(9);
  });

  test('writers at once do not tear each other’s', async () => {
    const path = join(directory, 'shared');
    const writers = Array.from({ length: 8 }, () => make({ kind: 'file', path }));
    await Promise.all(writers.map((witness, n) => witness.publish(noteOf(n + 1))));
    const text = await readFile(path, 'utf8');
    for (let n = 1; n <= 8; n++) expect(text).toContain(noteOf(n));
  });

  test('a place that cannot be written to is a failure', async () => {
    await expect(make({ kind: 'file', path: join(directory, 'none', 'x') }).publish(noteOf(1))).rejects.toMatchObject({
      code: 'ENOENT',
    });
    await expect(make({ kind: 'file', path: directory }).last()).rejects.toMatchObject({ code: 'EISDIR' });
  });
});

describe('a webhook', () => {
  test('is sent the text with its token, which is read each time', async () => {
    const tokenFile = join(directory, 'token');
    await writeFile(tokenFile, 'one\n');
    const witness = make({ kind: 'webhook', url: `${receiver.url}/hook`, tokenFile });
    await witness.publish(noteOf(1));
    await writeFile(tokenFile, 'two\n');
    await witness.publish(noteOf(2));
    expect(
      receiver.requests.map(({ method, headers, body }) => [
        method,
        headers.authorization,
        headers['content-type'],
        body,
      ]),
    ).toEqual([
      ['POST', 'Bearer one', 'text/plain; charset=utf-8', noteOf(1)],
      ['POST', 'Bearer two', 'text/plain; charset=utf-8', noteOf(2)],
    ]);
    expect(await witness.last()).toBeUndefined();
  });

  test.each([301, 400, 403, 500])('answering %s it keeps nothing', async (status) => {
    receiver.answer = status;
    const witness = make({ kind: 'webhook', url: `${receiver.url}/hook`, latest: `${receiver.url}/hook` });
    await expect(witness.publish(noteOf(1))).rejects.toMatchObject({ code: 'witness_answer_wrong', status });
    await expect(witness.last()).rejects.toMatchObject({ name: expect.any(String) });
  });

  test('what it keeps must be a checkpoint', async () => {
    receiver.kept.set('/hook', '<html>');
    const witness = make({ kind: 'webhook', url: `${receiver.url}/hook`, latest: `${receiver.url}/hook` });
    await expect(witness.last()).rejects.toMatchObject({ code: 'witness_answer_wrong' });
  });

  test('inside, it is not reached unless it is allowed by name', async () => {
    const [witness] = makeWitnesses([{ kind: 'webhook', url: `${receiver.url}/hook` }], {
      outbound: makeOutbound({ allow: [] }),
      now: () => new Date(),
    });
    await expect(witness?.publish(noteOf(1))).rejects.toMatchObject({
      name: 'OutboundError',
      code: 'refused_scheme',
    });
    expect(receiver.requests).toEqual([]);
  });
});

describe('an S3 object', () => {
  test('requests are signed over their body, and for their bucket and path', async () => {
    receiver.verifyWith = credentials;
    const witness = make(OPTIONS['s3']?.() ?? { kind: 'file', path: '' });
    await witness.publish(noteOf(4));
    expect((await witness.last())?.size).toBe(4);
    expect(receiver.requests.map(({ method, url }) => [method, url])).toEqual([
      ['PUT', '/evidence/writ/check%20point%2B1'],
      ['GET', '/evidence/writ/check%20point%2B1'],
    ]);
    const stranger = { ...credentials, secretAccessKey: new Secret('another') };
    const other = make({
      kind: 's3',
      bucket: 'evidence',
      key: 'x',
      region: 'eu-west-1',
      endpoint: receiver.url,
      credentials: stranger,
    });
    await expect(other.publish(noteOf(5))).rejects.toMatchObject({ status: 403 });
  });

  /** The example of AWS's documentation, *Examples: Signature calculations*, and the plain case of its test suite. */
  test('the signature is that of the published examples', () => {
    const example = {
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'),
    };
    const plain = signSigV4(
      {
        method: 'GET',
        url: new URL('https://example.amazonaws.com/'),
        region: 'us-east-1',
        service: 'service',
        headers: {},
        body: '',
      },
      example,
      new Date('2015-08-30T12:36:00Z'),
    );
    expect(plain['authorization']).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    );
    const put = signSigV4(
      {
        method: 'PUT',
        url: new URL('https://examplebucket.s3.amazonaws.com/test%24file.text'),
        region: 'us-east-1',
        service: 's3',
        headers: {
          date: 'Fri, 24 May 2013 00:00:00 GMT',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
        },
        body: 'Welcome to Amazon S3.',
      },
      {
        ...example,
        accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
        secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
      },
      new Date('2013-05-24T00:00:00Z'),
    );
    expect(put['authorization']).toContain(
      'Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    );
  });

  test('temporary credentials are sent and signed', () => {
    const signed = signSigV4(
      { method: 'GET', url: new URL('https://x.example/'), region: 'r', service: 's3', headers: {}, body: '' },
      { ...credentials, sessionToken: new Secret('a token') },
      new Date(),
    );
    expect(signed['x-amz-security-token']).toBe('a token');
    expect(signed['authorization']).toContain('SignedHeaders=host;x-amz-date;x-amz-security-token');
  });
});

test('witnesses of one name are told apart', () => {
  const deps = { outbound: makeOutbound({ allow: [] }), now: () => new Date() };
  const names = makeWitnesses(
    ['a/x', 'b/x', 'c/y'].map((path) => ({ kind: 'file' as const, path })),
    deps,
  ).map(({ name }) => name);
  expect(names).toEqual(['file:x', 'file:x#2', 'file:y']);
});
