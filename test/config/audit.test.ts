import { generateKeyPairSync } from 'node:crypto';
import { load, problems } from './load.ts';

/** `audit` of writ.yaml: who signs the log, who keeps its checkpoints, and whom its events are handed to. */
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const sinks = (...entries: string[]) => `audit: { sinks: [${entries.join(', ')}] }\n`;
const sink = (webhook: string, more = '') => `{ ${more}webhook: { ${webhook} } }`;
const GOOD = `url: "https://siem.example/events", secret: "${SECRET}"`;

test('without anything: sealed each second by a key of the ring, nobody else keeps it, nothing is handed on', async () => {
  const { audit } = await load('rules: .\n');
  expect(audit).toEqual({ witnesses: [], sinks: [], sealEverySeconds: 1, publishEverySeconds: 10 });
});

test('all of it', async () => {
  const text = `
audit:
  origin: writ.example/log
  signer: { key_file: signer.pem }
  seal_every: 5s
  publish_every: 1m
  witnesses:
    - file: kept/checkpoints
    - webhook: { url: "https://witness.example/a", latest: "https://witness.example/b", token_file: token, ca_file: /etc/ca.pem }
    - s3: { bucket: audit-log, key: writ/checkpoint, region: eu-west-1, access_key_id: AKIA, secret_access_key: "\${S3_KEY}" }
  sinks:
    - webhook: { url: "\${SIEM_URL}", secret: "\${SIEM_SECRET}" }
    - { name: lake, webhook: { url: "https://siem.example/other", secret_file: hook, format: ocsf, from: now } }
`;
  const { audit } = await load(text, {
    env: { S3_KEY: 'hidden-s3', SIEM_URL: 'https://siem.example:8443/hidden-path', SIEM_SECRET: SECRET },
    files: { 'signer.pem': ed25519, hook: `${SECRET}\n` },
  });
  expect(audit).toMatchObject({ origin: 'writ.example/log', sealEverySeconds: 5, publishEverySeconds: 60 });
  expect(audit.signer?.reveal().asymmetricKeyType).toBe('ed25519');
  expect(audit.witnesses).toMatchObject([
    { kind: 'file', path: expect.stringMatching(/^\/.*\/kept\/checkpoints$/) },
    { kind: 'webhook', tokenFile: expect.stringMatching(/^\/.*\/token$/), caFile: '/etc/ca.pem' },
    { kind: 's3', bucket: 'audit-log', key: 'writ/checkpoint', region: 'eu-west-1' },
  ]);
  expect(audit.sinks.map(({ name, format, from }) => [name, format, from])).toEqual([
    ['siem.example_8443', 'jsonl', 'start'],
    ['lake', 'ocsf', 'now'],
  ]);
  for (const { secret } of audit.sinks) expect(Buffer.from(secret.reveal())).toEqual(Buffer.alloc(32, 7));
  expect(audit.sinks[0]?.url.reveal()).toBe('https://siem.example:8443/hidden-path');
  expect(JSON.stringify(audit)).not.toMatch(/hidden|Bwc|PRIVATE/);
});

test('the signer’s key may stand there itself', async () => {
  const { audit } = await load('audit: { signer: { key: "${KEY}" } }\n', { env: { KEY: ed25519 } });
  expect(audit.signer?.reveal().asymmetricKeyType).toBe('ed25519');
});

test('plain http where the host is allowed', async () => {
  const text = `outbound: { allow: ["127.0.0.1:9"] }\n${sinks(sink(`url: "http://127.0.0.1:9/x", secret: "${SECRET}"`))}`;
  expect((await load(text)).audit.sinks).toHaveLength(1);
});

test.each([
  {
    name: 'a sink without a secret',
    text: sinks(sink('url: "https://siem.example"')),
    want: /sinks\[0\]\.webhook\.secret/,
  },
  {
    name: 'a secret that is too short',
    text: sinks(sink('url: "https://s.example", secret: "AAAA"')),
    want: /secret must be whsec_ and base64 of 24 to 64 bytes/,
  },
  {
    name: 'a secret that is no base64',
    text: sinks(sink('url: "https://s.example", secret: "not base64 at all, however long"')),
    want: /secret must be whsec_ and base64/,
  },
  {
    name: 'a secret that is too long',
    text: sinks(sink(`url: "https://s.example", secret: "whsec_${Buffer.alloc(65).toString('base64')}"`)),
    want: /secret must be whsec_ and base64 of 24 to 64 bytes/,
  },
  {
    name: 'a secret without its prefix',
    text: sinks(sink(`url: "https://s.example", secret: "${SECRET.slice(6)}"`)),
    want: /secret must be whsec_/,
  },
  {
    name: 'a secret beside its file',
    text: sinks(sink(`${GOOD}, secret_file: hook`)),
    want: /secret_file is given beside secret/,
  },
  {
    name: 'a secret’s file that is not there',
    text: sinks(sink('url: "https://s.example", secret_file: hook')),
    want: /secret_file "hook" cannot be read/,
  },
  {
    name: 'a witness by plain http',
    text: 'audit: { witnesses: [{ webhook: { url: "http://w.example" } }] }\n',
    want: /witnesses\[0\]\.webhook\.url must be https, or its host must stand in outbound\.allow/,
  },
  {
    name: 'a witness’s other address with a user',
    text: 'audit: { witnesses: [{ webhook: { url: "https://w.example", latest: "https://a:b@w.example" } }] }\n',
    want: /witnesses\[0\]\.webhook\.latest must have no user/,
  },
  { name: 'no URL', text: sinks(sink(`url: "siem.example", secret: "${SECRET}"`)), want: /sinks\[0\]\.webhook\.url/ },
  {
    name: 'another scheme',
    text: sinks(sink(`url: "ftp://siem.example", secret: "${SECRET}"`)),
    want: /webhook\.url must be an https URL/,
  },
  {
    name: 'a user in it',
    text: sinks(sink(`url: "https://a:b@siem.example", secret: "${SECRET}"`)),
    want: /webhook\.url must have no user/,
  },
  {
    name: 'plain http to anybody',
    text: sinks(sink(`url: "http://siem.example", secret: "${SECRET}"`)),
    want: /webhook\.url must be https, or its host must stand in outbound\.allow/,
  },
  { name: 'another format', text: sinks(sink(`${GOOD}, format: syslog`)), want: /webhook\.format/ },
  { name: 'another beginning', text: sinks(sink(`${GOOD}, from: "2026-01-01"`)), want: /webhook\.from/ },
  { name: 'a member that there is not', text: sinks(sink(`${GOOD}, retries: 3`)), want: /retries/ },
  {
    name: 'two of one host',
    text: sinks(sink(GOOD), sink(GOOD)),
    want: /sinks\[1\] needs a name of its own: siem\.example is taken/,
  },
  {
    name: 'two of one name',
    text: sinks(sink(GOOD, 'name: a, '), sink(GOOD, 'name: a, ')),
    want: /sinks\[1\] needs a name of its own: a is taken/,
  },
  {
    name: 'more than twenty',
    text: sinks(...Array.from({ length: 21 }, (_, n) => sink(GOOD, `name: n${n}, `))),
    want: /audit\.sinks/,
  },
  {
    name: 'a witness that is nothing',
    text: 'audit: { witnesses: [{}] }\n',
    want: /witnesses\[0\] must have exactly one of file, webhook, s3/,
  },
  {
    name: 'a witness that is two',
    text: 'audit: { witnesses: [{ file: a, webhook: { url: "https://w.example" } }] }\n',
    want: /witnesses\[0\] must have exactly one of file, webhook, s3/,
  },
  {
    name: 'a witness that is there twice',
    text: 'audit: { witnesses: [{ file: a }, { file: ./a }] }\n',
    want: /witnesses\[1\] is there twice/,
  },
  {
    name: 'a bucket that is none',
    text: 'audit: { witnesses: [{ s3: { bucket: "A/b", key: k, region: r, access_key_id: i, secret_access_key: s } }] }\n',
    want: /is not the name of a bucket/,
  },
  { name: 'an origin with a space', text: 'audit: { origin: "my log" }\n', want: /is not a name for a log/ },
  { name: 'an origin with a plus', text: 'audit: { origin: "my+log" }\n', want: /is not a name for a log/ },
  {
    name: 'a signer that is nothing',
    text: 'audit: { signer: {} }\n',
    want: /audit\.signer must have one of key and key_file/,
  },
  {
    name: 'a signer’s file that is not there',
    text: 'audit: { signer: { key_file: nowhere } }\n',
    want: /key_file .*cannot be read/,
  },
  {
    name: 'a signer’s key of another kind',
    text: 'audit: { signer: { key: "${RSA}" } }\n',
    want: /key must be an Ed25519 private key/,
  },
  {
    name: 'a signer’s key that is none',
    text: 'audit: { signer: { key: "nonsense" } }\n',
    want: /key must be an Ed25519 private key/,
  },
  { name: 'sealed never', text: 'audit: { seal_every: 0s }\n', want: /seal_every .*is not a duration/ },
  { name: 'published too seldom', text: 'audit: { publish_every: 2h }\n', want: /publish_every must be from 1s to 1h/ },
])('$name', async ({ text, want }) => {
  const found = await problems(text, { env: { RSA: rsa } });
  expect(found).toContainEqual(expect.stringMatching(want));
  expect(found.join()).not.toContain(SECRET);
});
