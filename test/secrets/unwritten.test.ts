import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { format, inspect, promisify } from 'node:util';
import { serialize } from 'node:v8';
import { Fault, ProviderError, Refusal } from '../../src/domain/errors.ts';
import { Secret } from '../../src/domain/secret.ts';
import { problemOf } from '../../src/http/problem.ts';
import { findSecrets } from './spelling.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const secret = randomBytes(24).toString('base64url');

/** Every way in which a value gets written down without anybody asking for it. */
const WRITTEN: Readonly<Record<string, (value: Secret<unknown>) => string>> = {
  String,
  join: (value) => [value].join(),
  concatenation: (value) => String(Reflect.apply(String.prototype.concat, 'a', [value])),
  JSON: (value) => JSON.stringify({ value, list: [value] }),
  inspect: (value) => inspect({ value }, { depth: null, showHidden: true, getters: true }),
  'inspect without custom': (value) => inspect(value, { customInspect: false, showHidden: true, depth: null }),
  format: (value) => format('%s %o %O %j', value, value, value, value),
  names: (value) => JSON.stringify(Reflect.ownKeys(value)),
  assign: (value) => JSON.stringify(Object.assign({}, value)),
  entries: (value) => JSON.stringify(Object.entries(value)),
  'its valueOf': (value) => JSON.stringify(value.valueOf()),
  error: (value) => new Error(value as never).message,
  'a copy': (value) => serialize(Object.assign({}, value)).toString('latin1'),
};

test.each(Object.entries(WRITTEN))('a Secret shows nothing: %s', (where, write) => {
  for (const value of [new Secret(secret), new Secret({ password: secret }), new Secret(Buffer.from(secret))])
    expect(findSecrets([{ where, text: write(value) }], { secret })).toEqual([]);
});

test('a Secret gives its value to whoever asks for it by name', () => {
  expect(new Secret(secret).reveal()).toBe(secret);
  expect(findSecrets([{ where: 'revealed', text: new Secret(secret).reveal() }], { secret })).not.toEqual([]);
});

test.each(['trace', 'info'])('the log at %s: codes and places, and never what a peer said', async (level) => {
  const args = ['--no-warnings', '--import', './.config/ts-loader.js', 'test/secrets/log-lines.ts', secret, level];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: project });
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.length).toBeGreaterThan(30);
  expect(
    findSecrets(
      [
        { where: 'stdout', text: stdout },
        { where: 'stderr', text: stderr },
      ],
      { secret },
    ),
  ).toEqual([]);
  const line = (message: string) => lines.find(({ msg }) => msg === message)?.['error'];
  expect(line('a secret')).toBe('[secret]');
  expect(line('members of a database’s error')).toEqual({ name: 'Error', code: '28P01', at: expect.any(Array) });
  expect(line('a message')).toEqual({
    name: 'Error',
    at: expect.arrayContaining([expect.stringMatching(/log-lines\.ts/)]),
  });
  expect(line('a cause')).toMatchObject({
    name: 'Fault',
    code: 'ledger_unavailable',
    cause: { name: 'Error', cause: { name: 'SyntaxError' } },
  });
});

/** An answer shows a code and facts; what it came from stays inside. */
const cause = Object.assign(new Error(secret, { cause: new TypeError(secret) }), { detail: secret });
const ERRORS: Readonly<Record<string, unknown>> = {
  refusal: new Refusal('evidence_invalid', { a: 1 }, { cause }),
  fault: new Fault('keys_unavailable', { cause }),
  provider: new ProviderError('provider_refused', { nothingLives: true, facts: { sqlstate: '28P01' }, cause }),
  'anything else': cause,
  'a body that was not read': Object.assign(new SyntaxError(`Unexpected token ${secret}`), {
    status: 400,
    body: secret,
    type: secret,
  }),
  'a type that was not known': Object.assign(new Error(secret), { status: 415, charset: secret }),
  text: secret,
  nothing: undefined,
};

test.each(Object.entries(ERRORS))('a problem shows nothing of its cause: %s', (where, error) => {
  expect(findSecrets([{ where, text: JSON.stringify(problemOf(error)) }], { secret })).toEqual([]);
});
