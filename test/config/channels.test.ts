import { load, problems } from './load.ts';

/** `approvals` of writ.yaml: how long, and where approvers are told. */
const KEY = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const at = (webhook: string, more = '') => `${more}approvals: { notify: [{ webhook: { ${webhook} } }] }\n`;

test('without anything: an hour, and nobody is told', async () => {
  expect((await load('rules: .\n')).approvals).toEqual({ lifetimeSeconds: 3_600, webhooks: [] });
  expect((await load('rules: .\n')).limits.pendingApprovals).toBe(50);
});

test('addresses and secrets are kept as such, and names tell two of one host apart', async () => {
  const text = `
approvals:
  lifetime: 15m
  notify:
    - webhook: { url: "https://ops.example/hook/one", secret: "\${HOOK_SECRET}" }
    - webhook: { url: "https://ops.example/hook/two", secret_file: hook }
    - webhook: { url: "\${CHAT_URL}", format: slack }
`;
  const { approvals } = await load(text, {
    env: { HOOK_SECRET: KEY, CHAT_URL: 'https://chat.example/services/T0/B0/hidden' },
    files: { hook: `${KEY}\n` },
  });
  expect(approvals.lifetimeSeconds).toBe(900);
  const [one, two, chat] = approvals.webhooks;
  expect([one?.name, two?.name, chat?.name]).toEqual([
    expect.stringMatching(/^ops\.example\/[0-9a-f]{8}$/),
    expect.stringMatching(/^ops\.example\/[0-9a-f]{8}$/),
    expect.stringMatching(/^chat\.example\/[0-9a-f]{8}$/),
  ]);
  expect(one?.name).not.toBe(two?.name);
  expect([one?.format, chat?.format, chat?.secret]).toEqual(['json', 'slack', undefined]);
  expect(one?.secret?.reveal()).toEqual(new Uint8Array(32).fill(1));
  expect(two?.secret?.reveal()).toEqual(new Uint8Array(32).fill(1));
  expect(JSON.stringify(approvals)).not.toMatch(/hidden|whsec|AQEB/);
});

test.each([
  {
    name: 'another scheme',
    text: at(`url: "ftp://ops.example", secret: "${KEY}"`),
    want: /notify\[0\]\.webhook\.url must be an https URL/,
  },
  { name: 'no URL', text: at(`url: "ops.example", secret: "${KEY}"`), want: /webhook\.url must be an https URL/ },
  {
    name: 'a user in it',
    text: at(`url: "https://a:b@ops.example", secret: "${KEY}"`),
    want: /webhook\.url must have no user/,
  },
  {
    name: 'plain http to anybody',
    text: at(`url: "http://ops.example/x", secret: "${KEY}"`),
    want: /must be https, or its host must stand in outbound\.allow/,
  },
  {
    name: 'json without a secret',
    text: at('url: "https://ops.example"'),
    want: /webhook\.secret is required with format json/,
  },
  {
    name: 'a secret that is too short',
    text: at('url: "https://ops.example", secret: "whsec_AAAA"'),
    want: /webhook\.secret must be whsec_ and base64 of 24 to 64 bytes/,
  },
  {
    name: 'a secret without its prefix',
    text: at(`url: "https://ops.example", secret: "${KEY.slice(6)}"`),
    want: /webhook\.secret must be whsec_/,
  },
  {
    name: 'both',
    text: at(`url: "https://ops.example", secret: "${KEY}", secret_file: hook`),
    want: /secret_file is given beside secret/,
  },
  {
    name: 'a file that is not there',
    text: at('url: "https://ops.example", secret_file: hook'),
    want: /secret_file "hook" cannot be read/,
  },
  {
    name: 'another format',
    text: at(`url: "https://ops.example", secret: "${KEY}", format: xml`),
    want: /webhook\.format must be json or slack/,
  },
  {
    name: 'what is not known',
    text: at(`url: "https://ops.example", secret: "${KEY}", retries: 3`),
    want: /webhook\.retries is not known here/,
  },
  {
    name: 'a channel of no kind',
    text: 'approvals: { notify: [{ email: { to: a } }] }\n',
    want: /notify\[0\]\.email is not known here/,
  },
  { name: 'too short', text: 'approvals: { lifetime: 59s }\n', want: /approvals\.lifetime must be 1m to 7d/ },
  { name: 'too long', text: 'approvals: { lifetime: 8d }\n', want: /approvals\.lifetime must be 1m to 7d/ },
])('$name is a problem', async ({ text, want }) => {
  const found = await problems(text);
  expect(found.join('\n')).toMatch(want);
  expect(found.join('\n')).not.toContain('AQEB');
});

test.each([
  { allow: 'ops.internal:8080', url: 'http://ops.internal:8080/x' },
  { allow: 'ops.internal', url: 'http://ops.internal:8080/x' },
  { allow: 'Ops.Internal', url: 'http://OPS.internal/x' },
  { allow: 'ops.internal:80', url: 'http://ops.internal/x' },
  { allow: 'ops.internal', url: 'http://ops.internal./x' },
  { allow: '[fd00::1]:8080', url: 'http://[FD00::1]:8080/x' },
])(
  'plain http to a host that is allowed by name, as the outbound client reads it: $allow, $url',
  async ({ allow, url }) => {
    const text = `outbound: { allow: ["${allow}"] }\n${at(`url: "${url}", secret: "${KEY}"`)}`;
    expect((await load(text)).approvals.webhooks).toHaveLength(1);
  },
);

test('and not to another port of one that is allowed at one alone', async () => {
  const text = `outbound: { allow: ["ops.internal:80"] }\n${at(`url: "http://ops.internal:8080/x", secret: "${KEY}"`)}`;
  expect((await problems(text)).join()).toMatch(/must be https/);
});

test('the same address twice', async () => {
  const one = `{ webhook: { url: "https://ops.example", secret: "${KEY}" } }`;
  expect((await problems(`approvals: { notify: [${one}, ${one}] }\n`)).join()).toMatch(
    /notify\[1\]\.webhook\.url is there twice/,
  );
});

test('a problem elsewhere does not hide one here', async () => {
  const found = await problems(`server: { port: x }\n${at('url: "https://ops.example"')}`);
  expect(found).toHaveLength(2);
});
