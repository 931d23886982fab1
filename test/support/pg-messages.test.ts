import { bodyWithText, encode, makeCutter, readBind, textOf, type PgMessage, type Side } from './pg-messages.ts';
import { followStatements } from './pg-statements.ts';

const text = (...parts: string[]) => Buffer.from(parts.map((part) => `${part}\0`).join(''));
const int16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const value = (content: string | null) => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(content === null ? -1 : Buffer.byteLength(content));
  return Buffer.concat([length, Buffer.from(content ?? '')]);
};
const values = (...contents: (string | null)[]) => Buffer.concat([int16(contents.length), ...contents.map(value)]);

const parse = (name: string, sql: string) => Buffer.concat([text(name, sql), int16(0)]);
const bind = (portal: string, name: string, ...parameters: (string | null)[]) =>
  Buffer.concat([text(portal, name), int16(1), int16(0), values(...parameters), int16(0)]);
const execute = (portal: string) => Buffer.concat([text(portal), Buffer.alloc(4)]);
const startup = Buffer.concat([Buffer.from([0, 3, 0, 0]), text('user', 'ada'), Buffer.from([0])]);
const sslRequest = Buffer.from([0x04, 0xd2, 0x16, 0x2f]);

describe('the stream is cut alike wherever its chunks end', () => {
  const messages = [
    { type: 'ssl', body: sslRequest },
    { type: 'startup', body: startup },
    { type: 'Q', body: text('SELECT 1') },
    { type: 'S', body: Buffer.alloc(0) },
    { type: 'B', body: bind('', 's', 'ü', null) },
  ];
  const stream = Buffer.concat(messages.map(({ type, body }) => encode(type.length === 1 ? type : 'startup', body)));

  test.each([1, 2, 3, 7, 1000])('chunks of %i bytes', (size) => {
    const cut = makeCutter('frontend');
    const frames = [];
    for (let at = 0; at < stream.length; at += size) frames.push(...cut(stream.subarray(at, at + size)));
    expect(frames.map(({ type, body }) => ({ type, body: body.toString('hex') }))).toEqual(
      messages.map(({ type, body }) => ({ type, body: body.toString('hex') })),
    );
    expect(Buffer.concat(frames.map(({ raw }) => raw))).toEqual(stream);
  });
});

test.each<{ from: Side; type: string; body: Buffer; says: string }>([
  { from: 'frontend', type: 'Q', body: text('SELECT 1'), says: 'SELECT 1' },
  { from: 'frontend', type: 'P', body: parse('name', 'SELECT $1'), says: 'SELECT $1' },
  { from: 'frontend', type: 'B', body: bind('', 'name', 'ü', null), says: 'name\tü\t\\N' },
  { from: 'frontend', type: 'p', body: text('a password'), says: '' },
  { from: 'backend', type: 'C', body: text('INSERT 0 1'), says: 'INSERT 0 1' },
  { from: 'backend', type: 'D', body: values('1', null, 'ü'), says: '1\t\\N\tü' },
  { from: 'backend', type: 'E', body: text('SERROR', 'C42P01', 'Mno table'), says: '42P01 no table' },
  { from: 'backend', type: 'Z', body: Buffer.from('T'), says: 'T' },
])('what $from $type says', ({ from, type, body, says }) => {
  expect(textOf(from, type, body)).toBe(says);
});

test.each<{ from: Side; type: string; body: Buffer; to: string; want: Buffer }>([
  { from: 'frontend', type: 'Q', body: text('SELECT 1'), to: 'SELECT 2', want: text('SELECT 2') },
  { from: 'frontend', type: 'P', body: parse('name', 'old'), to: 'new', want: parse('name', 'new') },
  { from: 'backend', type: 'C', body: text('INSERT 0 1'), to: 'INSERT 0 0', want: text('INSERT 0 0') },
  { from: 'backend', type: 'D', body: values('1', 'x'), to: '2\t\\N', want: values('2', null) },
])('rewriting $from $type', ({ from, type, body, to, want }) => {
  const message: PgMessage = { from, type, body, connection: 1, text: textOf(from, type, body), sql: '' };
  expect(bodyWithText(message, to)).toEqual(want);
});

test('what a bind binds', () => {
  expect(readBind(bind('portal', 'name', 'a', null))).toEqual({
    portal: 'portal',
    statement: 'name',
    parameters: ['a', '\\N'],
  });
});

/** Each step: a message, and the SQL that it is about. */
test.each<{ name: string; steps: [Side, string, Buffer, string][] }>([
  {
    name: 'two executions before one sync, and the answers in their order',
    steps: [
      ['frontend', 'P', parse('one', 'INSERT'), 'INSERT'],
      ['frontend', 'P', parse('two', 'UPDATE'), 'UPDATE'],
      ['frontend', 'B', bind('', 'one'), 'INSERT'],
      ['frontend', 'E', execute(''), 'INSERT'],
      ['frontend', 'B', bind('', 'two'), 'UPDATE'],
      ['frontend', 'E', execute(''), 'UPDATE'],
      ['frontend', 'S', Buffer.alloc(0), ''],
      ['backend', 'C', text('INSERT 0 1'), 'INSERT'],
      ['backend', 'C', text('UPDATE 1'), 'UPDATE'],
      ['backend', 'Z', Buffer.from('I'), ''],
    ],
  },
  {
    name: 'what an error skips is not answered later',
    steps: [
      ['frontend', 'P', parse('', 'INSERT'), 'INSERT'],
      ['frontend', 'B', bind('', ''), 'INSERT'],
      ['frontend', 'E', execute(''), 'INSERT'],
      ['frontend', 'S', Buffer.alloc(0), ''],
      ['frontend', 'Q', text('COMMIT'), 'COMMIT'],
      ['backend', 'E', text('C42P01'), 'INSERT'],
      ['backend', 'Z', Buffer.from('E'), 'INSERT'],
      ['backend', 'C', text('ROLLBACK'), 'COMMIT'],
      ['backend', 'Z', Buffer.from('I'), 'COMMIT'],
    ],
  },
  {
    name: 'several statements of one query',
    steps: [
      ['frontend', 'Q', text('BEGIN; COMMIT'), 'BEGIN; COMMIT'],
      ['backend', 'C', text('BEGIN'), 'BEGIN; COMMIT'],
      ['backend', 'C', text('COMMIT'), 'BEGIN; COMMIT'],
      ['backend', 'Z', Buffer.from('I'), 'BEGIN; COMMIT'],
      ['backend', 'C', text('unasked'), ''],
    ],
  },
])('which SQL it is about: $name', ({ steps }) => {
  const statements = followStatements();
  expect(steps.map(([from, type, body]) => statements.sqlOf(from, type, body))).toEqual(
    steps.map(([, , , sql]) => sql),
  );
});
