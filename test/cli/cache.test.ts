import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../../src/cli/index.ts';
import { thisProcess } from '../../src/cli/index.ts';
import type { AwsCredential } from '../../src/client/index.ts';
import { OTHER_WORKLOAD_TOKEN, startFakeBroker, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { CREDENTIALS, openStation, SECRET } from './harness.ts';
import type { Ran, Station } from './harness.ts';

/** Grants of 15 minutes with credentials of 60 seconds, each with a key id of its own: ASIA1, ASIA2, ... */
let broker: FakeBroker;
let station: Station;
const aws = (mint: number): AwsCredential => ({ ...CREDENTIALS.aws, access_key_id: `ASIA${mint}` });
beforeEach(async () => {
  station = openStation();
  broker = await startFakeBroker(() => station.now());
  broker.offer('aws', aws, { grant: 900, credential: 60 });
});
afterEach(async () => {
  station.close();
  await broker.close();
});

const base = () => ({ WRIT_URL: broker.url, WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN, XDG_RUNTIME_DIR: station.cwd });
const argv = (...more: string[]) => ['credential', '--profile', 'aws', '--format', 'aws-process', ...more];
const ask = (more: string[] = [], env: Record<string, string> = {}, over: Partial<Context> = {}) =>
  station.run(argv(...more), { ...base(), ...env }, over);
const keyOf = ({ stdout }: Ran) => (JSON.parse(stdout) as { AccessKeyId: string }).AccessKeyId;
const asked = (kind: RegExp) => broker.requests.filter(({ method, path }) => kind.test(`${method} ${path}`));
const issued = () => asked(/^POST \/v1\/grants$/).length;
const renewed = () => asked(/\/renew$/).length;
const states = () => [...broker.grants.values()].map(({ state }) => state);
const directory = () => join(station.cwd, 'writ');
const files = () => readdirSync(directory()).sort();
const onlyFile = () => {
  const found = files();
  expect(found).toHaveLength(1);
  return join(directory(), found[0] ?? '');
};

describe('one issuance for each grant', () => {
  test('whoever asks for each request gets the same', async () => {
    const first = await ask();
    for (let i = 0; i < 5; i += 1) expect(await ask()).toEqual(first);
    expect([issued(), renewed()]).toEqual([1, 0]);
  });

  test.each([
    { name: 'early in its life', lives: { grant: 900, credential: 60 }, at: [39], want: [1, 0, 'ASIA1'] },
    {
      name: 'a third of its life before its end: the next',
      lives: { grant: 900, credential: 60 },
      at: [41],
      want: [1, 1, 'ASIA2'],
    },
    {
      name: 'an odd number of milliseconds before its end',
      lives: { grant: 900, credential: 60 },
      at: [41.001],
      want: [1, 1, 'ASIA2'],
    },
    { name: 'long after its end', lives: { grant: 900, credential: 60 }, at: [600], want: [1, 1, 'ASIA2'] },
    { name: 'all the grant long', lives: { grant: 200, credential: 60 }, at: [45, 90, 135], want: [1, 3, 'ASIA4'] },
    {
      name: 'a long one: a minute before its end',
      lives: { grant: 3600, credential: 900 },
      at: [835, 845],
      want: [1, 1, 'ASIA2'],
    },
    {
      name: 'the grant is as good as over: another',
      lives: { grant: 70, credential: 60 },
      at: [51],
      want: [2, 0, 'ASIA2'],
    },
    { name: 'the grant is over: another', lives: { grant: 900, credential: 60 }, at: [901], want: [2, 0, 'ASIA2'] },
    { name: 'no shorter than its grant', lives: { grant: 900 }, at: [835], want: [1, 0, 'ASIA1'] },
    {
      name: 'no shorter than its grant, which is never renewed',
      lives: { grant: 900 },
      at: [845],
      want: [2, 0, 'ASIA2'],
    },
    { name: 'shorter by a rounding', lives: { grant: 60, credential: 59 }, at: [45], want: [2, 0, 'ASIA2'] },
  ])('$name', async ({ lives, at, want }) => {
    broker.offer('aws', aws, lives);
    const start = station.now().getTime();
    let last = await ask();
    for (const seconds of at) {
      station.pass((start - station.now().getTime()) / 1000 + seconds);
      last = await ask();
      const { Expiration } = JSON.parse(last.stdout) as { Expiration: string };
      expect(Date.parse(Expiration)).toBeGreaterThan(station.now().getTime());
    }
    expect([issued(), renewed(), keyOf(last)]).toEqual(want);
  });

  test('renewing asks for no time: it is the next credential, and the grant keeps its end', async () => {
    await ask();
    station.pass(45);
    await ask();
    expect(asked(/\/renew$/)[0]?.body).toEqual({});
  });

  test('other formats keep nothing unless told to', async () => {
    const json = (...more: string[]) =>
      station.run(['credential', '--profile', 'aws', '--format', 'json', ...more], base());
    await json();
    await json();
    expect(issued()).toBe(2);
    expect(readdirSync(station.cwd)).not.toContain('writ');
    const [first, second] = [await json('--cache'), await json('--cache')];
    expect(first).toEqual(second);
    expect(issued()).toBe(3);
  });

  test('the formats share what is kept', async () => {
    const fromProcess = keyOf(await ask());
    const json = await station.run(['credential', '--profile', 'aws', '--format', 'json', '--cache'], base());
    expect(JSON.parse(json.stdout)).toMatchObject({ access_key_id: fromProcess });
  });

  test('--no-cache: a grant for each call, without an idempotency key, and nothing on disk', async () => {
    await ask(['--no-cache']);
    await ask(['--no-cache']);
    expect(issued()).toBe(2);
    expect(broker.requests.map(({ headers }) => headers['idempotency-key'])).toEqual([undefined, undefined]);
    expect(readdirSync(station.cwd).sort()).toEqual(['stderr.txt', 'stdout.txt']);
  });
});

describe('whose it is', () => {
  const jwt = (claims: object) => `h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`;
  const claims = { iss: 'https://issuer', sub: 'a', azp: 'x', aud: ['writ'], exp: 1, iat: 1, jti: '1' };

  test.each([
    {
      name: 'the next token of the same identity',
      other: jwt({ ...claims, exp: 9, iat: 8, nbf: 8, jti: '2' }),
      same: true,
    },
    {
      name: 'the same claims in another order',
      other: jwt(Object.fromEntries(Object.entries(claims).reverse())),
      same: true,
    },
    { name: 'another subject', other: jwt({ ...claims, sub: 'b' }), same: false },
    { name: 'another issuer', other: jwt({ ...claims, iss: 'https://other' }), same: false },
    { name: 'another claim that an id may be made of', other: jwt({ ...claims, azp: 'y' }), same: false },
    { name: 'one claim more', other: jwt({ ...claims, groups: ['leads'] }), same: false },
    { name: 'a token that is no JWT', other: 'opaque', same: false },
    { name: 'a JWT whose claims are no object', other: `h.${Buffer.from('[]').toString('base64url')}.s`, same: false },
  ])('$name', async ({ other, same }) => {
    const grant = broker.seed({ id: 'g000000000009' });
    const answer = (mint: number) => ({ status: 201, body: { ...grant, credential: aws(mint) } });
    broker.next('POST /v1/grants', answer(1), answer(2));
    const first = await ask([], { WRIT_IDENTITY_TOKEN: jwt(claims) });
    const second = await ask([], { WRIT_IDENTITY_TOKEN: other });
    expect([keyOf(first), keyOf(second)]).toEqual(['ASIA1', same ? 'ASIA1' : 'ASIA2']);
  });

  test('one token that is no JWT is not another', async () => {
    const [one, two] = [await ask(), await ask([], { WRIT_IDENTITY_TOKEN: OTHER_WORKLOAD_TOKEN })];
    expect([keyOf(one), keyOf(two), keyOf(await ask())]).toEqual(['ASIA1', 'ASIA2', 'ASIA1']);
    expect([...broker.grants.values()].map(({ subject }) => subject)).toEqual([
      'spiffe://dev.local/agent/one',
      'spiffe://dev.local/agent/two',
    ]);
  });

  const onTask = (task: unknown, iat: number) =>
    jwt({ iss: 'https://writ.example', iat, tctx: { task, mode: 'observe' } });
  test.each([
    { name: 'the next token of the same task', one: onTask('t1', 1), two: onTask('t1', 2), same: true },
    { name: 'a token of another task', one: onTask('t1', 1), two: onTask('t2', 1), same: false },
    { name: 'a token that says no task', one: onTask(1, 1), two: onTask(1, 2), same: false },
    { name: 'a token that is no JWT', one: 'opaque-1', two: 'opaque-2', same: false },
    { name: 'no task', one: onTask('t1', 1), two: '', same: false },
  ])('on a task: $name', async ({ one, two, same }) => {
    await ask([], { WRIT_TASK_TOKEN: one });
    expect(keyOf(await ask([], { WRIT_TASK_TOKEN: two }))).toBe(same ? 'ASIA1' : 'ASIA2');
  });

  test('a token file that changes meanwhile: what is kept is of the one that asked', async () => {
    station.write('token', WORKLOAD_TOKEN);
    const file = join(station.cwd, 'token');
    const env = { WRIT_IDENTITY_TOKEN: '', WRIT_IDENTITY_TOKEN_FILE: file };
    broker.next('POST /v1/grants', {
      status: 503,
      body: { code: 'ledger_unavailable' },
      before: async () => writeFileSync(file, OTHER_WORKLOAD_TOKEN),
    });
    await ask([], env);
    await ask([], env);
    expect(broker.requests.map(({ headers }) => headers['authorization'])).toEqual([
      `Bearer ${WORKLOAD_TOKEN}`,
      `Bearer ${OTHER_WORKLOAD_TOKEN}`,
    ]);
    expect(new Set(broker.requests.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
  });

  test.each([
    { name: 'a parameter', one: ['--param', 'm=1'], two: ['--param', 'm=2'] },
    { name: 'a life', one: ['--ttl', '5m'], two: ['--ttl', '10m'] },
    { name: 'a purpose', one: ['--purpose', 'a'], two: ['--purpose', 'b'] },
    { name: 'a purpose, where there was none', one: [], two: ['--purpose', 'b'] },
  ])('$name makes it another', async ({ one, two }) => {
    expect([keyOf(await ask(one)), keyOf(await ask(two)), keyOf(await ask(one))]).toEqual(['ASIA1', 'ASIA2', 'ASIA1']);
  });

  test('the order of parameters does not', async () => {
    await ask(['--param', 'a=1', '--param', 'b=2']);
    await ask(['--param', 'b=2', '--param', 'a=1']);
    expect(issued()).toBe(1);
  });

  test('another broker does', async () => {
    const other = await startFakeBroker(() => station.now());
    other.offer('aws', aws, { grant: 900, credential: 60 });
    await ask();
    await ask([], { WRIT_URL: other.url });
    expect([issued(), other.requests.length]).toEqual([1, 1]);
    await other.close();
  });
});

describe('when the broker refuses, or is away', () => {
  const away = { status: 503, body: { code: 'ledger_unavailable', title: 'away' } };

  test.each([
    { name: 'the grant was revoked', status: 409, code: 'grant_not_active' },
    { name: 'it is not there any more', status: 404, code: 'not_found' },
    { name: 'the rules do not let it be renewed', status: 403, code: 'policy_denied' },
  ])('$name: another is asked for', async ({ status, code }) => {
    await ask();
    broker.next('POST /v1/grants/g000000000001/renew', { status, body: { code } });
    station.pass(45);
    expect(keyOf(await ask())).toBe('ASIA2');
    expect([issued(), renewed()]).toEqual([2, 1]);
  });

  test('a refusal of that is told, and nothing is handed out that was taken back', async () => {
    await ask();
    station.pass(45);
    broker.next('POST /v1/grants/g000000000001/renew', { status: 409, body: { code: 'grant_not_active' } });
    broker.next('POST /v1/grants', { status: 409, body: { code: 'under_order', title: 'An order stands in the way' } });
    const ran = await ask();
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: under_order: /);
    expect(files()).toEqual([]);
  });

  test.each([
    { name: 'it cannot now', answer: away },
    { name: 'the line is cut', answer: { fault: 'reset' as const } },
    { name: 'it is at its limit', answer: { status: 429, body: { code: 'too_many_requests' } } },
    { name: 'the evidence has ended', answer: { status: 401, body: { code: 'evidence_expired' } } },
  ])('$name: what still works is handed out, and not a moment longer', async ({ answer }) => {
    await ask();
    const renew = 'POST /v1/grants/g000000000001/renew';
    broker.next(renew, answer, answer);
    station.pass(58);
    expect(keyOf(await ask())).toBe('ASIA1');
    station.pass(3);
    expect(await ask()).toMatchObject({ stdout: '' });
    expect(keyOf(await ask())).toBe('ASIA2');
    expect([issued(), renewed()]).toEqual([1, 3]);
  });

  describe('another grant cannot be asked for', () => {
    const ISSUE = 'POST /v1/grants';
    const under = () => asked(/^POST \/v1\/grants$/).map(({ headers }) => headers['idempotency-key']);
    const forget = () => station.run(['credential', '--forget'], base());
    beforeEach(async () => {
      broker.offer('aws', aws, { grant: 900 });
      await ask();
      station.pass(850);
    });

    test.each([
      { name: 'it cannot now', answer: away },
      { name: 'the line is cut', answer: { fault: 'reset' as const } },
      { name: 'it is at its limit', answer: { status: 429, body: { code: 'too_many_requests' } } },
    ])('$name: what still works is handed out, and not a moment longer', async ({ answer }) => {
      broker.next(ISSUE, answer, answer);
      expect(keyOf(await ask())).toBe('ASIA1');
      station.pass(49.5);
      expect(await ask()).toMatchObject({ stdout: '' });
      expect(keyOf(await ask())).toBe('ASIA2');
    });

    test('it hangs: it is not waited for longer than half of what is left', async () => {
      broker.next(ISSUE, { fault: 'hang' });
      station.pass(47);
      const start = Date.now();
      expect(keyOf(await ask())).toBe('ASIA1');
      expect(Date.now() - start).toBeLessThan(10_000);
    });

    test('it takes its time: whoever comes meanwhile has what still works', async () => {
      let meanwhile = '';
      broker.next(ISSUE, {
        ...away,
        before: async () => {
          meanwhile = keyOf(await ask());
        },
      });
      await ask();
      expect(meanwhile).toBe('ASIA1');
      expect(issued()).toBe(2);
    });

    test('--forget gives back what still works', async () => {
      broker.next(ISSUE, { status: 403, body: { code: 'policy_denied' } });
      await ask();
      expect(await forget()).toMatchObject({ code: 0, stderr: 'writ: grant g000000000001 of aws given back\n' });
      expect(files()).toEqual([]);
    });

    const UNANSWERED =
      'writ: a request for aws is not forgotten: its answer was lost; ask for the same again, then forget it\n';

    test('--forget keeps a request whose answer was lost, and says so: it is repeated under its key', async () => {
      broker.next(ISSUE, away);
      await ask();
      const back = 'writ: grant g000000000001 of aws given back\n';
      expect(await forget()).toMatchObject({ code: 1, stderr: UNANSWERED + back });
      expect(readFileSync(onlyFile(), 'utf8')).not.toContain(SECRET);
      expect(await forget()).toMatchObject({ code: 1, stderr: UNANSWERED });
      expect(keyOf(await ask())).toBe('ASIA2');
      const [, asking, again] = under();
      expect([asking, again]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), asking]);
      expect(await forget()).toMatchObject({ code: 0, stderr: 'writ: grant g000000000002 of aws given back\n' });
      expect(files()).toEqual([]);
    });

    test('--forget drops one that no broker knows any more', async () => {
      broker.next(ISSUE, away);
      await ask();
      station.pass(72_001);
      expect(await forget()).toMatchObject({ code: 0 });
      expect(files()).toEqual([]);
    });

    test('also where another was refused, or waits for a person', async () => {
      const approval = { id: 'a1', url: 'https://writ.example/a1', expires_at: '2026-11-23T13:00:00Z' };
      broker.seed({ id: 'g000000000009', profile: 'aws' });
      const pending = { status: 202, body: { id: 'g000000000009', state: 'pending_approval', approval } };
      broker.next(ISSUE, { status: 403, body: { code: 'policy_denied' } }, pending);
      expect((await ask()).stderr).toMatch(/^writ: policy_denied: /);
      expect((await ask()).stderr).toMatch(/^writ: approval_pending: /);
      expect((await forget()).stderr).toBe(
        'writ: grant g000000000001 of aws given back\nwrit: grant g000000000009 of aws given back\n',
      );
    });

    test('it is another than was wanted: that goes back, and what still works stays', async () => {
      broker.offer('aws', CREDENTIALS.jwt, { grant: 900 });
      expect((await ask()).stderr).toMatch(/^writ: credential_unfit: /);
      expect(states()).toEqual(['active', 'revoked']);
      expect(await forget()).toMatchObject({ code: 0, stderr: 'writ: grant g000000000001 of aws given back\n' });
    });

    test('it was approved, and the broker is not done with an earlier claim: what still works is handed out', async () => {
      const approval = { id: 'a1', url: 'https://writ.example/a1', expires_at: '2026-11-23T13:00:00Z' };
      const inProgress = { status: 409, body: { code: 'request_in_progress' } };
      const claimed = { status: 201, body: { ...broker.seed({ id: 'g000000000009' }), credential: aws(9) } };
      broker.next(ISSUE, { status: 202, body: { id: 'g000000000009', state: 'pending_approval', approval } });
      broker.next('POST /v1/grants/g000000000009/claim', ...Array.from({ length: 7 }, () => inProgress), claimed);
      expect((await ask()).stderr).toMatch(/^writ: approval_pending: /);
      expect([keyOf(await ask()), keyOf(await ask())]).toEqual(['ASIA1', 'ASIA9']);
      expect(issued()).toBe(2);
    });

    test('the grant ends meanwhile: the request is not swept away, and is repeated under its key', async () => {
      broker.next(ISSUE, away);
      await ask();
      station.pass(60);
      await ask(['--purpose', 'another']);
      await ask();
      const [, asking, , again] = under();
      expect(asking).toMatch(/^[0-9a-f-]{36}$/);
      expect(again).toBe(asking);
    });
  });

  test('a broker that hangs is not waited for longer than half of what is left', async () => {
    await ask();
    broker.next('POST /v1/grants/g000000000001/renew', { fault: 'hang' });
    station.pass(57);
    const start = Date.now();
    expect(keyOf(await ask())).toBe('ASIA1');
    expect(Date.now() - start).toBeLessThan(10_000);
  });

  test('a clock that was set back: what came from the future is not trusted', async () => {
    await ask();
    station.pass(-3600);
    expect(keyOf(await ask())).toBe('ASIA2');
  });
});

describe('a request whose answer was lost', () => {
  const under = () => asked(/^POST \/v1\/grants$/).map(({ headers }) => headers['idempotency-key']);

  test('is repeated under its key, and makes no second grant', async () => {
    broker.next('POST /v1/grants', { fault: 'reset' }, { status: 502, body: { code: 'provider_unreachable' } });
    expect((await ask()).code).toBe(4);
    expect((await ask()).code).toBe(4);
    expect(keyOf(await ask())).toBe('ASIA1');
    expect(under()[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(new Set(under()).size).toBe(1);
    station.pass(900);
    await ask();
    expect(new Set(under()).size).toBe(2);
  });

  test.each([
    [401, 'evidence_expired'],
    [429, 'too_many_requests'],
  ])('stays the request to repeat where %s %s came before anybody looked for it', async (status, code) => {
    broker.next('POST /v1/grants', { fault: 'reset' }, { status, body: { code } });
    await ask();
    await ask();
    expect(keyOf(await ask())).toBe('ASIA1');
    expect(under().length).toBeGreaterThan(2);
    expect(new Set(under()).size).toBe(1);
  });

  test('a crash after the answer: the same grant again', async () => {
    await ask();
    const file = onlyFile();
    const entry = JSON.parse(readFileSync(file, 'utf8')) as object;
    const crashed = { ...entry, held: undefined, asked: { under: String(under()[0]), at: station.now().getTime() } };
    writeFileSync(file, JSON.stringify(crashed));
    expect(keyOf(await ask())).toBe('ASIA2');
    expect(broker.grants.size).toBe(1);
  });

  const inProgress = { status: 409, body: { code: 'request_in_progress' } };
  test('while the broker ends what nobody received, it is waited for a moment', async () => {
    broker.next('POST /v1/grants', { fault: 'reset' }, inProgress, inProgress);
    await ask();
    expect(keyOf(await ask())).toBe('ASIA1');
    expect(under()).toHaveLength(4);
    expect(new Set(under()).size).toBe(1);
  });

  test('and not for as long as that would have lived', async () => {
    broker.next('POST /v1/grants', { fault: 'reset' }, ...Array.from({ length: 7 }, () => inProgress));
    await ask();
    const before = station.now().getTime();
    expect(keyOf(await ask())).toBe('ASIA1');
    expect(new Set(under()).size).toBe(2);
    expect(station.now().getTime() - before).toBeLessThan(10_000);
  });

  test('a refusal leaves nothing', async () => {
    broker.next('POST /v1/grants', { status: 403, body: { code: 'policy_denied' } });
    expect((await ask()).code).toBe(1);
    expect(files()).toEqual([]);
  });
});

describe('what a person has to approve', () => {
  const approval = { id: 'a1', url: 'https://writ.example/a1', expires_at: '2026-11-23T13:00:00Z' };
  const CLAIM = 'POST /v1/grants/g000000000001/claim';
  const pending = { status: 202, body: { id: 'g000000000001', state: 'pending_approval', approval } };
  const wait = { status: 409, body: { code: 'approval_pending' } };
  const claims = () => asked(/\/claim$/).length;
  beforeEach(async () => {
    broker.next('POST /v1/grants', pending);
    expect((await ask()).stderr).toMatch(/^writ: approval_pending: .*g000000000001.*https:\/\/writ\.example\/a1\n$/);
  });

  test('is asked for once, and claimed when it was approved', async () => {
    broker.next(CLAIM, wait, wait, {
      status: 201,
      body: { ...broker.seed({ id: 'g000000000001' }), credential: aws(1) },
    });
    for (let i = 0; i < 2; i += 1) {
      const ran = await ask();
      expect(ran).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toMatch(/^writ: approval_pending: .*g000000000001.*https:\/\/writ\.example\/a1\n$/);
    }
    expect([keyOf(await ask()), keyOf(await ask())]).toEqual(['ASIA1', 'ASIA1']);
    expect([issued(), claims()]).toEqual([1, 3]);
  });

  test('when it was denied that is told, and the next call asks anew', async () => {
    broker.next(CLAIM, { status: 403, body: { code: 'approval_required', title: 'Denied' } });
    expect((await ask()).stderr).toMatch(/^writ: approval_required: Denied/);
    expect(issued()).toBe(1);
    expect(keyOf(await ask())).toBe('ASIA1');
    expect([issued(), claims()]).toEqual([2, 1]);
  });

  test('when it has lapsed another is asked for', async () => {
    broker.next(CLAIM, { status: 409, body: { code: 'grant_not_active' } });
    expect(keyOf(await ask())).toBe('ASIA1');
    expect([issued(), claims()]).toEqual([2, 1]);
  });

  const inProgress = { status: 409, body: { code: 'request_in_progress' } };
  test('while the broker ends what an earlier claim made it is waited for: nobody is asked a second time', async () => {
    const claimed = { status: 201, body: { ...broker.seed({ id: 'g000000000001' }), credential: aws(1) } };
    broker.next(CLAIM, inProgress, inProgress, claimed);
    expect(keyOf(await ask())).toBe('ASIA1');
    expect([issued(), claims()]).toEqual([1, 3]);
  });

  test('and where that takes long, the next call claims it', async () => {
    const claimed = { status: 201, body: { ...broker.seed({ id: 'g000000000001' }), credential: aws(1) } };
    broker.next(CLAIM, ...Array.from({ length: 7 }, () => inProgress), claimed);
    const ran = await ask();
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: request_in_progress: /);
    expect(keyOf(await ask())).toBe('ASIA1');
    expect([issued(), claims()]).toEqual([1, 8]);
    expect(new Set(asked(/\/claim$/).map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
  });

  test('where it cannot be kept that is said, and nobody is asked a second time', async () => {
    broker.next('POST /v1/grants', {
      ...pending,
      before: async () => {
        for (const name of files().filter((each) => each.endsWith('.json'))) {
          rmSync(join(directory(), name));
          mkdirSync(join(directory(), name));
        }
      },
    });
    const ran = await ask(['--purpose', 'another']);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: cache_unusable: .*\nwrit: approval_pending: .*\n$/);
    expect(issued()).toBe(2);
  });

  test('while the broker is away it is still waited for', async () => {
    broker.next(CLAIM, { fault: 'reset' }, wait);
    expect((await ask()).code).toBe(4);
    expect((await ask()).stderr).toMatch(/^writ: approval_pending: /);
    expect(issued()).toBe(1);
  });

  test('--forget takes the request back', async () => {
    broker.seed({ id: 'g000000000001', state: 'pending_approval' });
    expect(await station.run(['credential', '--forget'], base())).toEqual({
      code: 0,
      stdout: '',
      stderr: 'writ: grant g000000000001 of aws given back\n',
    });
    expect(asked(/\/g000000000001\/revoke$/)).toHaveLength(1);
    expect(files()).toEqual([]);
  });
});

describe('what lies on disk', () => {
  const mode = (path: string) => (lstatSync(path).mode & 0o777).toString(8);

  test('one file, for its user alone', async () => {
    await ask();
    expect([mode(directory()), mode(onlyFile())]).toEqual(['700', '600']);
    expect(readFileSync(onlyFile(), 'utf8')).toContain(SECRET);
    station.pass(45);
    await ask();
    expect(mode(onlyFile())).toBe('600');
  });

  test('before the broker answers, an intent without a secret', async () => {
    let text = '';
    broker.next('POST /v1/grants', {
      status: 403,
      body: { code: 'policy_denied' },
      before: async () => {
        const name = files().find((each) => each.endsWith('.json')) ?? '';
        text = readFileSync(join(directory(), name), 'utf8');
      },
    });
    await ask();
    expect(JSON.parse(text)).toMatchObject({ profile: 'aws', asked: { under: expect.any(String) } });
    expect(text).not.toContain(WORKLOAD_TOKEN);
  });

  test.each([
    { name: 'nothing', make: () => '' },
    { name: 'half of it', make: (text: string) => text.slice(0, text.length / 2) },
    { name: 'no JSON', make: () => '\u0000\u0001garbage' },
    { name: 'an array', make: () => '[]' },
    { name: 'null', make: () => 'null' },
    { name: 'another version', make: (text: string) => text.replace('"version":1', '"version":2') },
    { name: 'another key', make: (text: string) => text.replace(/"key":"./, '"key":"x') },
    { name: 'a grant that is none', make: (text: string) => text.replace(/"id":"g/, '"id":"../g') },
    {
      name: 'an end that is none',
      make: (text: string) => text.replace(/"credential_expires_at":"[^"]*"/, '"credential_expires_at":"soon"'),
    },
    { name: 'no credential', make: (text: string) => text.replace(/"credential":\{[^}]*\}/, '"credential":"x"') },
    { name: 'more than any entry', make: (text: string) => text.trimEnd() + ' '.repeat(300_000) },
  ])('a file with $name is replaced', async ({ make }) => {
    await ask();
    const file = onlyFile();
    writeFileSync(file, make(readFileSync(file, 'utf8')));
    expect(await ask()).toMatchObject({ code: 0, stderr: '' });
    expect(keyOf(await ask())).toBe('ASIA2');
    expect(issued()).toBe(2);
  });

  test.each([
    { name: 'others may read', spoil: (file: string) => chmodSync(file, 0o644) },
    {
      name: 'is a link',
      spoil: (file: string) => {
        writeFileSync(join(station.cwd, 'elsewhere'), readFileSync(file), { mode: 0o600 });
        rmSync(file);
        symlinkSync(join(station.cwd, 'elsewhere'), file);
      },
    },
  ])('a file that $name is not believed, and replaced', async ({ spoil }) => {
    await ask();
    spoil(onlyFile());
    expect(keyOf(await ask())).toBe('ASIA2');
    expect(lstatSync(onlyFile()).isFile()).toBe(true);
    expect(mode(onlyFile())).toBe('600');
    expect(keyOf(await ask())).toBe('ASIA2');
  });

  test('what has ended is cleared away with the next issuance, as is what crashes left', async () => {
    await ask(['--purpose', 'one']);
    writeFileSync(join(directory(), 'old.lock'), '');
    station.pass(901);
    await ask(['--purpose', 'two']);
    expect(files().filter((name) => name.endsWith('.json'))).toHaveLength(1);
    expect(files()).toContain('old.lock');
    station.pass(400 * 86_400);
    await ask();
    expect(files()).toHaveLength(1);
  });

  test('what works only once is not kept', async () => {
    broker.offer('wrapped', {
      type: 'vault_token',
      address: 'https://vault.example',
      namespace: '',
      wrapping_token: SECRET,
    });
    const wrapped = () => station.run(['credential', '--profile', 'wrapped', '--format', 'json', '--cache'], base());
    await wrapped();
    await wrapped();
    expect(issued()).toBe(2);
    expect(files()).toEqual([]);
  });

  test('nor is what does not fit its format: it is given back', async () => {
    broker.offer('jwt', CREDENTIALS.jwt);
    const ran = await station.run(['credential', '--profile', 'jwt', '--format', 'aws-process'], base());
    expect(ran.stderr).toMatch(/^writ: credential_unfit: /);
    expect(states()).toEqual(['revoked']);
    expect(files()).toEqual([]);
  });
});

describe('where it lies', () => {
  const sticky = (path: string, bits: number) => {
    mkdirSync(join(station.cwd, path));
    chmodSync(join(station.cwd, path), bits);
    return join(station.cwd, path);
  };
  const uid = () => String(thisProcess().uid);

  test.each([
    { name: 'there is none', runtime: () => '' },
    { name: 'it is not absolute', runtime: () => '.' },
    { name: 'it is not there', runtime: () => join(station.cwd, 'no') },
    { name: 'others may look in', runtime: () => sticky('run', 0o755) },
    {
      name: 'it is a file',
      runtime: () => (
        station.write('run', ''),
        chmodSync(join(station.cwd, 'run'), 0o600),
        join(station.cwd, 'run', 'x')
      ),
    },
  ])('the temporary directory, where XDG_RUNTIME_DIR will not do: $name', async ({ runtime }) => {
    const TMPDIR = sticky('tmp', 0o1777);
    const ran = await ask([], { XDG_RUNTIME_DIR: runtime(), TMPDIR });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(TMPDIR)).toEqual([`writ-${uid()}`]);
    expect(readdirSync(join(TMPDIR, `writ-${uid()}`))).toHaveLength(1);
  });

  const self = thisProcess();
  const stranger = { self: { ...self, uid: (self.uid ?? 0) + 1 } };
  const SPOILED: { name: string; env: () => Record<string, string>; over?: Partial<Context> }[] = [
    {
      name: 'a link',
      env: () => (mkdirSync(join(station.cwd, 'other'), { mode: 0o700 }), symlinkSync('other', directory()), {}),
    },
    { name: 'a file', env: () => (station.write('writ', ''), {}) },
    { name: 'open to others', env: () => (mkdirSync(directory()), chmodSync(directory(), 0o750), {}) },
    { name: "another user's", env: () => ({ XDG_RUNTIME_DIR: '', TMPDIR: sticky('tmp', 0o1777) }), over: stranger },
    {
      name: 'in a directory where others may replace it',
      env: () => ({ XDG_RUNTIME_DIR: '', TMPDIR: sticky('tmp', 0o777) }),
    },
    { name: 'in no directory', env: () => ({ XDG_RUNTIME_DIR: '', TMPDIR: join(station.cwd, 'no') }) },
    { name: 'not to be written to', env: () => ({ XDG_RUNTIME_DIR: '', TMPDIR: '/proc' }) },
  ];
  test.each(SPOILED)('one that is $name is not used, which is said', async ({ env, over }) => {
    const spoiled = env();
    const ran = await ask([], spoiled, over);
    expect(ran.code).toBe(0);
    expect(ran.stderr).toMatch(/^writ: cache_unusable: .*; a grant for each call\n$/);
    expect(keyOf(ran)).toBe('ASIA1');
    expect(states()).toEqual(['active']);
  });

  test.each(SPOILED)('nor with --cache, which fails: $name', async ({ env, over }) => {
    const ran = await ask(['--cache'], env(), over);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: cache_unusable: .*--no-cache\n$/);
    expect(issued()).toBe(0);
  });

  test('a directory where a file belongs does not cost the credential', async () => {
    await ask();
    const file = onlyFile();
    rmSync(file);
    mkdirSync(file);
    const ran = await ask();
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stderr).toMatch(/^writ: cache_unusable: .*rename failed \(EISDIR\)/);
  });
});

describe('locks', () => {
  const lockFile = () => onlyFile().replace(/json$/, 'lock');
  const lock = (over: object = {}, file = lockFile()) => {
    const holder = { pid: process.pid, host: hostname(), at: station.now().getTime(), token: 'x', ...over };
    writeFileSync(file, JSON.stringify(holder));
  };
  const relock = (file: string) => {
    lock({ token: 'y' }, file);
  };
  const slept = async (work: () => Promise<unknown>) => {
    const before = station.now().getTime();
    await work();
    return (station.now().getTime() - before) / 1000;
  };
  beforeEach(async () => {
    await ask();
    station.pass(61);
  });

  test.each([
    { name: 'of a process that is gone', over: { pid: 2 ** 30 }, wait: [0, 0] },
    { name: 'of a process that lives, for as long as it may work', over: {}, wait: [40, 41] },
    { name: 'of another machine, whose processes nobody knows', over: { host: 'other', pid: 2 ** 30 }, wait: [40, 41] },
    { name: 'that is too old', over: { at: 0 }, wait: [0, 0] },
    { name: 'from the future', over: { at: 9e15 }, wait: [0, 0] },
    { name: 'that says nothing', over: { pid: 'x' }, wait: [0, 0] },
  ])('one $name is taken over', async ({ over, wait: [least = 0, most = 0] }) => {
    lock(over);
    const seconds = await slept(async () => expect(keyOf(await ask())).toBe('ASIA2'));
    expect(seconds).toBeGreaterThanOrEqual(least);
    expect(seconds).toBeLessThanOrEqual(most);
    expect(files()).toHaveLength(1);
  });

  /** What another process does while this one sleeps, which is at the first pause; time passes all the same. */
  const meanwhile = (work: () => void): Partial<Context> => ({
    sleep: async (ms) => {
      station.pass(ms / 1000);
      work();
    },
  });

  test('whoever waits takes what the other has fetched', async () => {
    const file = onlyFile();
    const entry = JSON.parse(readFileSync(file, 'utf8')) as { held: { grant: object } };
    lock();
    const fetched = meanwhile(() => {
      const grant = { ...entry.held.grant, credential: aws(7), credential_expires_at: '2026-11-23T12:03:00.000Z' };
      writeFileSync(file, JSON.stringify({ ...entry, held: { grant, since: station.now().getTime() } }));
    });
    expect(keyOf(await ask([], {}, fetched))).toBe('ASIA7');
    expect([issued(), renewed()]).toEqual([1, 0]);
    expect(files()).toHaveLength(2);
  });

  test('whoever has something that works does not wait', async () => {
    station.pass(-20);
    lock();
    expect(await slept(async () => expect(keyOf(await ask())).toBe('ASIA1'))).toBe(0);
    expect(renewed()).toBe(0);
  });

  test('nobody waits for ever', async () => {
    const file = lockFile();
    lock();
    const ran = await ask(
      [],
      {},
      meanwhile(() => relock(file)),
    );
    expect(ran).toMatchObject({ code: 4, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: cache_busy: /);
  });

  test('one that was lost meanwhile: what came is handed out, and what the other keeps stays', async () => {
    const file = lockFile();
    broker.next('POST /v1/grants/g000000000001/renew', {
      status: 201,
      body: { ...broker.grants.get('g000000000001'), credential: aws(8) },
      before: async () => relock(file),
    });
    expect(keyOf(await ask())).toBe('ASIA8');
    expect(readFileSync(file.replace(/lock$/, 'json'), 'utf8')).toContain('ASIA1');
    expect(readFileSync(file, 'utf8')).toContain('"token":"y"');
  });

  test('one that was lost while another grant was asked for: what the other keeps stays, its request above all', async () => {
    station.pass(900);
    const file = lockFile();
    const entry = file.replace(/lock$/, 'json');
    broker.next('POST /v1/grants', {
      status: 403,
      body: { code: 'policy_denied' },
      before: async () => {
        relock(file);
        writeFileSync(entry, "another's");
      },
    });
    expect((await ask()).stderr).toMatch(/^writ: policy_denied: /);
    expect(readFileSync(entry, 'utf8')).toBe("another's");
  });

  test('one that was lost before another grant is asked for: nothing is asked for', async () => {
    const file = lockFile();
    broker.next('POST /v1/grants/g000000000001/renew', {
      status: 409,
      body: { code: 'grant_not_active' },
      before: async () => relock(file),
    });
    expect(await ask()).toMatchObject({ code: 4, stderr: expect.stringMatching(/^writ: cache_busy: /) as string });
    expect(issued()).toBe(1);
  });

  const forget = (over: Partial<Context> = {}) => station.run(['credential', '--forget'], base(), over);

  test('--forget waits for whoever is at work, and gives back what that one fetched', async () => {
    const file = onlyFile();
    const entry = JSON.parse(readFileSync(file, 'utf8')) as { held: { grant: object } };
    broker.seed({ id: 'g000000000007', profile: 'aws' });
    lock();
    const fetched = meanwhile(() => {
      const grant = { ...entry.held.grant, id: 'g000000000007' };
      writeFileSync(file, JSON.stringify({ ...entry, held: { grant, since: station.now().getTime() } }));
    });
    expect(await forget(fetched)).toMatchObject({ code: 0, stderr: 'writ: grant g000000000007 of aws given back\n' });
    expect(files()).toEqual([]);
  });

  test('--forget takes nothing from whoever is at work for ever, and says so', async () => {
    const file = lockFile();
    lock();
    const ran = await forget(meanwhile(() => relock(file)));
    const stderr = 'writ: a request for aws is not forgotten: another process is at work on it\n';
    expect(ran).toMatchObject({ code: 1, stderr });
    expect(files()).toHaveLength(2);
  });

  test('what is swept has no lock of another', async () => {
    const file = lockFile();
    station.pass(900);
    lock();
    await ask(['--purpose', 'another']);
    expect(files()).toContain(file.replace(/^.*\//, '').replace(/lock$/, 'json'));
    rmSync(file);
    station.pass(901);
    await ask(['--purpose', 'another']);
    expect(files()).toHaveLength(1);
  });

  test('what cannot be swept leaves no lock behind', async () => {
    const key = 'e'.repeat(64);
    mkdirSync(join(directory(), `${key}.json.00000000-0000-4000-8000-000000000000`));
    expect((await forget()).stderr).toContain('writ: cache_unusable: ');
    expect(files()).toEqual([`${key}.json.00000000-0000-4000-8000-000000000000`]);
  });

  test.each([
    { name: 'that nobody is writing goes, with its secret', writing: false },
    { name: 'that somebody is writing stays', writing: true },
  ])('half an entry $name', async ({ writing }) => {
    const key = 'e'.repeat(64);
    writeFileSync(join(directory(), `${key}.json.00000000-0000-4000-8000-000000000000`), SECRET, { mode: 0o600 });
    if (writing) relock(join(directory(), `${key}.lock`));
    await forget();
    expect(files()).toHaveLength(writing ? 2 : 0);
  });
});

describe('--forget', () => {
  const forget = (more: string[] = [], env: Record<string, string> = {}) =>
    station.run(['credential', '--forget', ...more], { ...base(), ...env });
  beforeEach(async () => {
    broker.offer('other', aws, { grant: 900, credential: 60 });
    await ask(['--purpose', 'a']);
    await ask(['--purpose', 'b']);
    await station.run(['credential', '--profile', 'other', '--format', 'aws-process'], base());
    await ask([], { WRIT_IDENTITY_TOKEN: OTHER_WORKLOAD_TOKEN });
  });

  test('gives back and clears what is of this broker and identity', async () => {
    const ran = await forget();
    expect(ran).toMatchObject({ code: 0, stdout: '' });
    expect(ran.stderr.split('\n').sort()).toEqual([
      '',
      'writ: grant g000000000001 of aws given back',
      'writ: grant g000000000002 of aws given back',
      'writ: grant g000000000003 of other given back',
    ]);
    expect(states()).toEqual(['revoked', 'revoked', 'revoked', 'active']);
    expect(files()).toHaveLength(1);
    expect(await forget()).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('or of one profile', async () => {
    await forget(['--profile', 'other']);
    expect(states()).toEqual(['active', 'active', 'revoked', 'active']);
    expect(files()).toHaveLength(3);
  });

  test('another identity has nothing of it', async () => {
    await forget([], { WRIT_IDENTITY_TOKEN: OTHER_WORKLOAD_TOKEN });
    expect(states()).toEqual(['active', 'active', 'active', 'revoked']);
  });

  test('what cannot be given back is said, and its secret is gone all the same', async () => {
    const no = { status: 403, body: { code: 'not_a_workload', title: 'No' } };
    broker.next('POST /v1/grants/g000000000003/revoke', no);
    const ran = await forget(['--profile', 'other']);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(
      /^writ: grant g000000000003 could not be revoked and ends at 2026-.*: not_a_workload: No\n$/,
    );
    expect(files()).toHaveLength(3);
  });

  test('without an identity there is nothing to forget', async () => {
    expect(await forget([], { WRIT_IDENTITY_TOKEN: '' })).toMatchObject({ code: 2 });
    expect(files()).toHaveLength(4);
  });
});

test.each([
  { name: 'no profile', argv: ['credential', '--format', 'json'] },
  { name: 'no format', argv: ['credential', '--profile', 'aws'] },
])('usage: $name', async ({ argv: words }) => {
  const ran = await station.run(words, base());
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toMatch(/^writ: usage: --(profile|format) is missing; see --help\n$/);
});

test('no message holds the credential', async () => {
  const told = [await ask(['--verbose'])];
  station.pass(45);
  broker.next('POST /v1/grants/g000000000001/renew', { fault: 'reset' });
  told.push(await ask(['--verbose']));
  station.pass(20);
  broker.next('POST /v1/grants/g000000000001/renew', { status: 409, body: { code: 'grant_not_active' } });
  broker.next('POST /v1/grants', { status: 403, body: { code: 'policy_denied' } });
  told.push(await ask(['--verbose']));
  for (const { stderr } of told) expect(stderr).not.toContain(SECRET);
  expect(told[0]?.stderr).toContain('grant g000000000001');
});
